"""The list of changes is read strictly, and says what affects a region."""

import re

import pytest
from region_samples import ROOT

from chautari import __version__
from chautari.migration import changelog, relevant_changes
from chautari.migration.changelog import ChangelogError, parse_changelog, releases_between
from chautari.migration.relevant_changes import (
    changes_for_region_and_for_all_regions,
    words_of_region,
)
from chautari.paths import changelog_file
from chautari.reference.key_pages import ANY, all_key_pages
from chautari.region import toolkit_version
from chautari.region.toolkit_version import parse_version
from chautari.services.registry import SERVICES

TEXT = """\
# Changes

The newest release is first.

## 0.2.0 (unreleased)

### Changed

- The key `mail.from_address` is now called `from`.
  *Action:* rename `mail.from`
  in `region.yml`.
- No action here.

## 0.1.0 (2026-11-30)

### Fixed

- BigBlueButton restarts. *Action:* deploy once.
"""


def test_parse_changelog_joins_lines_and_splits_off_the_action() -> None:
    newer, older = parse_changelog(TEXT)
    assert (newer.version, newer.date, older.version, older.date) == (
        "0.2.0", "", "0.1.0", "2026-11-30",
    )  # fmt: skip
    assert newer.entries == (
        changelog.Entry(
            "Changed", "The key `mail.from_address` is now called `from`.",
            "rename `mail.from` in `region.yml`.", 9,
        ),
        changelog.Entry("Changed", "No action here.", "", 12),
    )  # fmt: skip
    assert older.entries == (
        changelog.Entry("Fixed", "BigBlueButton restarts.", "deploy once.", 18),
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("### Changed", "### Changes"), "line 7: unknown heading '### Changes'"),
        (("### Fixed\n", ""), "line 17: this entry is not under a heading"),
        (("## 0.1.0 (2026-11-30)", "## 0.1.0"), "line 14: write ## VERSION (DATE)"),
        (("## 0.1.0", "## 0.1"), "line 14: write ## VERSION (DATE)"),
        (("  in `region", "in `region"), "line 11: not part of an entry"),
        (("## 0.1.0", "## 0.3.0"), "0.2.0 is not newer than 0.3.0"),
        (("## 0.1.0", "## 0.2.0"), "0.2.0 is not newer than 0.2.0"),
    ],
)
def test_parse_changelog_refuses_what_it_would_skip(change: tuple[str, str], message: str) -> None:
    with pytest.raises(ChangelogError) as refused:
        parse_changelog(TEXT.replace(*change))
    assert str(refused.value).startswith(message)


def test_own_changelog_is_read_to_the_last_word() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    assert changelog_file().read_text() == text
    releases = parse_changelog(text)
    assert releases[0].version == __version__
    entries = [entry for release in releases for entry in release.entries]
    assert len(entries) == len(re.findall(r"^- ", text, re.MULTILINE))
    assert sum(bool(entry.action) for entry in entries) == text.count("*Action:*")
    written = "".join(f"{entry.text}{entry.action}" for entry in entries)
    body = re.sub(r"^(#.*|- )|\*Action:\*", "", text[text.index("\n## ") :], flags=re.MULTILINE)
    assert re.sub(r"\s", "", written) == re.sub(r"\s", "", body)


@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [
        (None, "0.2.0", ["0.1.0", "0.2.0"]), ("0.1.0", "0.2.0", ["0.2.0"]), ("0.2.0", "0.2.0", []),
        ("0.0.9", "0.1.0", ["0.1.0"]), ("0.10.0", "0.2.0", []),
    ],
)  # fmt: skip
def test_releases_between_versions(since: str | None, until: str, expected: list[str]) -> None:
    last = parse_version(until)
    assert last is not None
    found = releases_between(parse_changelog(TEXT), parse_version(since), last)
    assert [release.version for release in found] == expected


def changes(text: str, *paths: str, services: set[str] = frozenset()) -> tuple[list[str], int]:  # type: ignore[assignment]
    """Return the names for which a change affects a region, and how many are for every region."""
    keys = {part for page in all_key_pages() for part in page.path if part != ANY}
    words = words_of_region([tuple(path.split(".")) for path in paths], services, keys)
    log = parse_changelog(f"## 0.1.0 (unreleased)\n### Added\n- {text}\n")
    own, general = changes_for_region_and_for_all_regions(log, words)
    return [name for change in own for name in change.names], len(general)


@pytest.mark.parametrize(
    ("text", "names", "general"),
    [
        ("Mail. *Action:* set `mail`.", ["mail"], 0),
        ("Mail.", [], 0),
        ("Set `backup: {to: […]}`. *Action:* deploy.", [], 0),
        ("Set `federation: {peers: [x]}`. *Action:* deploy.", ["federation.peers"], 0),
        ("Set `federation: {address_books: true}`. *Action:* deploy.", [], 0),
        ("`sandbox.stand_in` has another name. *Action:* rename it.", ["sandbox.stand_in"], 0),
        ("`host_key` of a node. *Action:* check it.", ["nodes.bog1.host_key"], 0),
        ("`services: [polls]` on a node. *Action:* deploy.", [], 0),
        ("`services: [jitsi]` on a node. *Action:* deploy.", ["jitsi"], 0),
        ("Jitsi Meet is newer. *Action:* deploy.", ["jitsi"], 0),
        ("`jitsi-bridge` is newer. *Action:* deploy.", [], 0),
        ("BigBlueButton is newer. *Action:* deploy.", [], 0),
        ("`deploy plan` prints less. *Action:* change your scripts.", [], 1),
        ("Every node in `nodes` restarts. *Action:* deploy.", [], 1),
        ("`: [`. *Action:* deploy.", [], 1),
    ],
)
def test_change_affects_the_regions_that_have_what_it_names(
    text: str, names: list[str], general: int
) -> None:
    paths = (
        "mail", "mail.relay", "federation", "federation.peers", "sandbox", "sandbox.stand_in",
        "nodes", "nodes.bog1", "nodes.bog1.host_key",
    )  # fmt: skip
    assert changes(text, *paths, services={"jitsi"}) == (names, general)


@pytest.mark.parametrize(
    "data", [None, 1, [], {"nodes": 1}, {"nodes": {"a": 1, "b": {"services": 2}}}]
)
def test_services_of_a_damaged_region_are_none(data: object) -> None:
    assert relevant_changes.services_in_data(data) == set()


def test_services_of_a_region_run_on_nodes_or_have_settings() -> None:
    data = {"nodes": {"a": {"services": ["jitsi", "nope", 1]}}, "services": {"polls": None}}
    assert relevant_changes.services_in_data(data) == {"jitsi", "polls"} <= set(SERVICES)


def test_current_version_is_a_version() -> None:
    assert ".".join(map(str, toolkit_version.current_version())) == __version__

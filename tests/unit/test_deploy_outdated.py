"""Releases of a region that upstream has newer ones of."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from pathlib import Path

import pytest
from region_samples import REGION, load_sample_region

from chautari.cli import main
from chautari.cli import status as status_command
from chautari.deploy import outdated, release_cache, status
from chautari.deploy.git_tags import NO_ANSWER, NoTagList
from chautari.deploy.outdated import compare_with_upstream
from chautari.services.registry import SERVICES
from chautari.services.release_tags import ReleaseTags

NEXTCLOUD = "https://github.com/nextcloud-releases/server"
UPSTREAM = {
    NEXTCLOUD: ["v35.0.1", "v35.0.9", "v35.0.10", "v36.0.0", "v36.1.0rc1", "v36.0.0-beta.2"],
}


class Servers:
    """Stands for upstream's servers, and records what they were asked."""

    def __init__(self) -> None:
        self.asked: dict[str, tuple[str, ...]] = {}
        self.silent = {"https://github.com/nextcloud-releases/calendar"}

    def fetch(self, repository: str, prefixes: Iterable[str]) -> list[str]:
        self.asked[repository] = tuple(prefixes)
        if repository in self.silent:
            raise NoTagList(NO_ANSWER)
        return UPSTREAM.get(repository, [])


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Servers:
    found = Servers()
    monkeypatch.setattr(release_cache, "fetch_tags", found.fetch)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return found


def test_compare_names_the_newest_of_the_series_and_of_all(
    tmp_path: Path, servers: Servers
) -> None:
    found = compare_with_upstream(load_sample_region(tmp_path))
    assert found["outdated"] == [
        {
            "name": "nextcloud",
            "version": "35.0.1",
            "nodes": ["med1"],
            "newest_of_series": "35.0.10",
            "newest": "36.0.0",
            "source": NEXTCLOUD,
        }
    ]
    assert servers.asked[NEXTCLOUD] == tuple(f"v{series}." for series in range(35, 45))


def test_compare_reports_what_did_not_answer(tmp_path: Path, servers: Servers) -> None:
    found = compare_with_upstream(load_sample_region(tmp_path))
    assert [item["name"] for item in found["outdated"] or ()] == ["nextcloud"]
    assert [(item["name"], item["reason"]) for item in found["releases_unknown"]] == [
        ("calendar", NO_ANSWER)
    ]


def test_compare_asks_no_server_of_a_region_that_forbids_it(
    tmp_path: Path, servers: Servers
) -> None:
    found = compare_with_upstream(load_sample_region(tmp_path, REGION + "ask_upstream: false\n"))
    assert found == {"outdated": None, "releases_unknown": []}
    assert servers.asked == {}


def test_compare_asks_a_server_once_a_day(
    tmp_path: Path, servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    region = load_sample_region(tmp_path)
    first = compare_with_upstream(region)
    servers.asked.clear()
    assert compare_with_upstream(region) == first
    assert servers.asked == {}
    now = time.time()
    monkeypatch.setattr(release_cache.time, "time", lambda: now + 86_500)
    compare_with_upstream(region)
    assert NEXTCLOUD in servers.asked


def test_compare_asks_a_silent_server_again_after_an_hour(
    tmp_path: Path, servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    servers.silent.add(NEXTCLOUD)
    region = load_sample_region(tmp_path)
    compare_with_upstream(region)
    servers.asked.clear()
    compare_with_upstream(region)
    assert servers.asked == {}
    now = time.time()
    monkeypatch.setattr(release_cache.time, "time", lambda: now + 3700)
    compare_with_upstream(region)
    assert NEXTCLOUD in servers.asked


@pytest.mark.parametrize(
    "content",
    [
        "", "{", "[]", "5", '{"a": 5}', "[" * 100_000, " " * (1 << 21),
        '{"K": {"time": "x", "versions": [], "reason": ""}}',
        '{"K": {"time": 9999999999, "versions": ["99.0.0"], "reason": ""}}',
        '{"K": {"time": NOW, "versions": ["9" * 5000], "reason": ""}}',
        '{"K": {"time": NOW, "versions": ["\\u001b]0;x"], "reason": ""}}',
        '{"K": {"time": NOW, "versions": [], "reason": "\\u001b]0;x"}}',
    ],
)  # fmt: skip
def test_compare_ignores_a_damaged_cache(content: str, tmp_path: Path, servers: Servers) -> None:
    file = release_cache.cache_file()
    file.parent.mkdir(parents=True)
    key = f"{NEXTCLOUD} v35."
    file.write_text(content.replace("K", key).replace("NOW", str(int(time.time()))))
    found = compare_with_upstream(load_sample_region(tmp_path))
    assert [item["newest"] for item in found["outdated"] or ()] == ["36.0.0"]
    assert NEXTCLOUD in servers.asked


def test_compare_needs_no_place_for_its_cache(
    tmp_path: Path, servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    found = compare_with_upstream(load_sample_region(tmp_path))
    assert [item["newest"] for item in found["outdated"] or ()] == ["36.0.0"]


@pytest.mark.parametrize(
    ("tag", "version"),
    [
        ("stable/jitsi-meet_11300", "2.0.11300"), ("jitsi-meet_11300", None),
        ("stable/jitsi-meet_", None), ("stable/jitsi-meet_1" + "0" * 4300, None),
        ("stable/jitsi-meet_11300-rc1", None), ("stable/jitsi-meet_١", None),
    ],
)  # fmt: skip
def test_version_of_tag_takes_only_releases(tag: str, version: str | None) -> None:
    tags = ReleaseTags("jitsi", "https://example.org/a", "stable/jitsi-meet_{}", "2.0.{}")
    assert tags.version_of_tag(tag) == version
    assert tags.tag_prefixes_since("2.0.11248") == ("stable/jitsi-meet_",)


def test_newest_of_series_is_the_release_itself_where_only_others_are_newer() -> None:
    assert outdated.newest_of_series("34.0.4", ["35.0.1"]) == "34.0.4"


def test_every_archive_and_service_has_a_list_of_releases() -> None:
    for service in SERVICES.values():
        names = {tags.name for tags in service.release_tags}
        expected = set(service.archives)
        # The page of a region comes with the toolkit: upstream has no releases of it.
        if service.settings and not service.archives and (service.packages or service.image):
            expected.add(service.role_and_artifact_name)
        if service.service_for_region is None or service.release_tags:
            assert names == expected, service.name


def test_status_prints_newer_releases(
    tmp_path: Path,
    servers: Servers,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    region = load_sample_region(tmp_path)
    monkeypatch.setattr(status, "node_statuses", lambda _: [])
    monkeypatch.setattr(status, "compare_with_upstream", compare_with_upstream)
    monkeypatch.setattr(status_command, "find_region_file", lambda *_: None)
    monkeypatch.setattr(status_command, "load_region", lambda _: region)
    assert main.run(["status", "andes"]) == 0
    shown = capsys.readouterr().out
    assert "Releases   newer releases than nextcloud 35.0.1; unknown for calendar\n" in shown
    assert main.run(["status", "andes", "--details"]) == 0
    assert capsys.readouterr().out.splitlines()[-2:] == [
        "newer releases: nextcloud 35.0.1 on med1: 35.0.10 is the newest in its series; "
        "36.0.0 is the newest release",
        "newer releases: unknown for calendar (could not read the release list from github.com)",
    ]
    assert main.run(["status", "andes", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert [item["name"] for item in printed["outdated"]] == ["nextcloud"]
    assert printed["releases_unknown"][0]["name"] == "calendar"

"""`deploy migrate NAME`: the names of this version in `region.yml`, and what else changed."""

from __future__ import annotations

import difflib
import sys
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from chautari import __version__
from chautari.cli.json_output import print_json
from chautari.cli.options import json_option, region_argument
from chautari.cli.output import echo
from chautari.errors import BadInput
from chautari.language import _
from chautari.migration import changelog, region_key_renaming, relevant_changes
from chautari.migration.region_key_renaming import Rewrite
from chautari.migration.relevant_changes import AffectingChange
from chautari.paths import changelog_file, regions_root
from chautari.reference.key_pages import ANY, all_key_pages
from chautari.region import toolkit_version
from chautari.region.locate import find_region_file
from chautari.region.yaml_reader import read_text
from chautari.report.plain_table import terminal_width
from chautari.report.text_format import first_sentence

MAX_WIDTH = 96


@click.command("migrate")
@region_argument
@click.option("--yes", is_flag=True, help="Write the file without asking.")
@json_option
def command(name: str, yes: bool, as_json: bool) -> int:
    """Adapt region.yml to this version of Chautari, after an update.

    The command replaces the old names of keys, and records the version in the key `toolkit`. All
    other text, including comments, stays as it is. The command shows what it will change, and asks
    before it writes the file. It also lists the changes since the version in `toolkit` that need an
    action in this region.

    With --json, the command asks no questions, and writes the file only if you add --yes.
    """
    file = find_region_file(name, regions_root())
    found = region_key_renaming.rewrite_region_text(file, read_text(file, file), __version__)
    own, general = _changes_that_need_action(found)
    if as_json:
        if yes:
            _write_rewritten_file(file, found)
        print_json(_migration_object(file, found, own, general, is_written=yes))
        return 0
    _print_changes(found, own, general)
    _print_rewrite(file, found)
    if found.new != found.old:
        _confirm_write(yes)
        _write_rewritten_file(file, found)
        echo(_("Wrote {file}. Next: deploy plan {name}", file=file, name=name))
    return 0


def _changes_that_need_action(
    rewritten: Rewrite,
) -> tuple[list[AffectingChange], list[AffectingChange]]:
    keys = {part for page in all_key_pages() for part in page.path if part != ANY}
    words = relevant_changes.words_of_region(
        rewritten.document.key_spans,
        relevant_changes.services_in_data(rewritten.document.data),
        keys,
    )
    releases = changelog.releases_between(
        changelog.read_changelog(changelog_file()),
        toolkit_version.parse_version(rewritten.since),
        toolkit_version.current_version(),
    )
    return relevant_changes.changes_for_region_and_for_all_regions(releases, words)


def _confirm_write(yes: bool) -> None:
    """Ask before the file is written.

    Raises:
        BadInput: when there is no terminal to ask on.
    """
    if yes:
        return
    if sys.stdin is None or not sys.stdin.isatty():
        raise BadInput(
            _("without a terminal, no one can confirm the change; nothing was written"),
            fix=_("read the changes above, then add --yes"),
        )
    click.confirm(_("Write these changes?"), default=True, abort=True, err=True)


def _write_rewritten_file(file: Path, rewritten: Rewrite) -> None:
    if rewritten.new != rewritten.old:
        region_key_renaming.write_region_text(file, rewritten)


def _diff_lines(file: Path, rewritten: Rewrite) -> Iterator[str]:
    lines = rewritten.old.splitlines(), rewritten.new.splitlines()
    return difflib.unified_diff(*lines, str(file), _("{file} (new)", file=file), lineterm="")


def _print_rewrite(file: Path, rewritten: Rewrite) -> None:
    if rewritten.new == rewritten.old:
        echo(
            _(
                "{file} already uses the key names of Chautari {version}; there is nothing to "
                "write.",
                file=file,
                version=__version__,
            )
        )
        return
    for line in _diff_lines(file, rewritten):
        echo(line)
    for item in rewritten.renamed:
        old, new = (".".join(map(str, path)) for path in (item.old, item.new))
        echo(
            _("Chautari {release} renamed {old} to {new}.", release=item.release, old=old, new=new)
        )


def _print_changes(
    rewritten: Rewrite,
    own_changes: Sequence[AffectingChange],
    general_changes: Sequence[AffectingChange],
) -> None:
    since = (
        _("since Chautari {since}", since=rewritten.since)
        if rewritten.since
        else _("up to Chautari {version}", version=__version__)
    )
    if not own_changes and not general_changes:
        echo(_("No change {since} requires action.\n", since=since))
        return
    if general_changes:
        echo(_("Changes {since} that require action in every region:\n", since=since))
    for change in general_changes:
        _print_change(f"{change.version}: {first_sentence(change.entry.text)}", change)
    if own_changes:
        echo(_("Changes {since} that require action in this region:\n", since=since))
    for change in own_changes:
        _print_change(f"{change.version}, {', '.join(change.names)}: {change.entry.text}", change)
    echo(_("All changes: {changelog_file}\n", changelog_file=changelog_file()))


def _print_change(text: str, change: AffectingChange) -> None:
    width = min(terminal_width(), MAX_WIDTH)
    for line in (f"- {text}", _("  Action: {action}", action=change.entry.action)):
        echo(textwrap.fill(line, width, subsequent_indent="  ", break_on_hyphens=False))
    echo()


def _migration_object(
    file: Path,
    rewritten: Rewrite,
    own_changes: Sequence[AffectingChange],
    general_changes: Sequence[AffectingChange],
    *,
    is_written: bool,
) -> dict[str, Any]:
    changed = rewritten.new != rewritten.old
    return {
        "ok": True,
        "file": str(file),
        "since": rewritten.since,
        "toolkit": __version__,
        "changed": changed,
        "written": changed and is_written,
        "renamed": [
            {"old": ".".join(map(str, item.old)), "new": ".".join(map(str, item.new)),
             "release": item.release}
            for item in rewritten.renamed
        ],
        "difference": "\n".join(_diff_lines(file, rewritten)),
        "changes": [change.as_object() for change in own_changes],
        "general_changes": [change.as_object() for change in general_changes],
    }  # fmt: skip

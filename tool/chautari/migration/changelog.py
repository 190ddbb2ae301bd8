"""Read the toolkit's own list of changes, `CHANGELOG.md`, strictly: nothing in it is skipped."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from chautari.language import _
from chautari.region.toolkit_version import Version, parse_version

Group = Literal["Added", "Changed", "Fixed", "Removed"]
UNRELEASED = "unreleased"
_RELEASE = re.compile(r"## (?P<version>\S+) \((?P<date>unreleased|[0-9]{4}-[0-9]{2}-[0-9]{2})\)")
_ACTION = "*Action:*"
_INDENT = "  "


class Entry(NamedTuple):
    """One change.

    Attributes:
        group: the heading under which it stands.
        text: what changed, on one line, in Markdown.
        action: what people must do; empty if there is nothing to do.
        line: its first line in the file.
    """

    group: Group
    text: str
    action: str
    line: int


class Release(NamedTuple):
    """One version, with its changes in the order of the file; `date` is empty until it is out."""

    version: str
    date: str
    entries: tuple[Entry, ...]

    @property
    def number(self) -> Version:
        """Return the version, to compare it."""
        found = parse_version(self.version)
        assert found is not None  # parse_changelog checked it
        return found


class ChangelogError(ValueError):
    """A line of the list of changes that has no meaning where it stands."""


@dataclass
class _ChangelogReader:
    """Collects releases; each line continues what stands above it."""

    releases: list[tuple[str, str, list[Entry]]] = field(default_factory=list)
    group: str = ""
    lines: list[str] = field(default_factory=list)
    start: int = 0

    def read_line(self, number: int, line: str) -> None:
        if line.startswith("## "):
            self.end_entry()
            self.begin_release(number, line)
        elif line.startswith("### "):
            self.end_entry()
            self.group = line.removeprefix("### ")
            if self.group not in get_args(Group) or not self.releases:
                raise ChangelogError(
                    _("line {number}: unknown heading {line!r}", number=number, line=line)
                )
        elif line.startswith("- "):
            self.end_entry()
            if not self.group:
                raise ChangelogError(
                    _("line {number}: this entry is not under a heading", number=number)
                )
            self.lines, self.start = [line.removeprefix("- ")], number
        elif line.startswith(_INDENT) and self.lines:
            self.lines.append(line.strip())
        elif line.strip() and (self.releases or not _may_precede_first_release(line)):
            raise ChangelogError(
                _("line {number}: not part of an entry: {line!r}", number=number, line=line)
            )

    def begin_release(self, number: int, line: str) -> None:
        found = _RELEASE.fullmatch(line)
        if not found or parse_version(found["version"]) is None:
            raise ChangelogError(
                _(
                    "line {number}: write ## VERSION (DATE) or ## VERSION ({unreleased})",
                    number=number,
                    unreleased=UNRELEASED,
                )
            )
        date = "" if found["date"] == UNRELEASED else found["date"]
        self.releases.append((found["version"], date, []))
        self.group = ""

    def end_entry(self) -> None:
        if not self.lines:
            return
        text, _, action = " ".join(self.lines).partition(_ACTION)
        group: Group = next(name for name in get_args(Group) if name == self.group)
        self.releases[-1][2].append(Entry(group, text.strip(), action.strip(), self.start))
        self.lines = []


def _may_precede_first_release(line: str) -> bool:
    """Return whether the line may stand before the first release: the title, or a sentence."""
    return line.startswith("# ") or line[0].isupper()


def parse_changelog(text: str) -> tuple[Release, ...]:
    """Return the releases, newest first.

    Raises:
        ChangelogError: when a line has no meaning, or the releases are not in order.
    """
    reader = _ChangelogReader()
    for number, line in enumerate(text.splitlines(), 1):
        reader.read_line(number, line)
    reader.end_entry()
    found = tuple(Release(name, date, tuple(items)) for name, date, items in reader.releases)
    for newer, older in pairwise(found):
        if newer.number <= older.number:
            raise ChangelogError(
                _(
                    "{version} is not newer than {version2}",
                    version=newer.version,
                    version2=older.version,
                )
            )
    return found


def read_changelog(file: Path) -> tuple[Release, ...]:
    """Return the releases in `file`, newest first."""
    return parse_changelog(file.read_text(encoding="utf-8"))


def releases_between(
    releases: tuple[Release, ...], since: Version | None, until: Version
) -> Iterator[Release]:
    """Yield the releases after `since` up to `until`, oldest first; without `since`, from all."""
    for release in reversed(releases):
        if (since is None or release.number > since) and release.number <= until:
            yield release

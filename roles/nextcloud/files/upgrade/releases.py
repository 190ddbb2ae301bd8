"""What a release and an app say about themselves."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

# Without these, nothing of a release can start. `php -l` reads each entry file that exists.
NEEDED_FILES = ("version.php", "occ", "console.php", "status.php", "index.php", "remote.php")
ENTRY_FILES = (*NEEDED_FILES, "cron.php", "public.php", "lib/base.php", "lib/versioncheck.php")
_VERSION = re.compile(r"\$OC_VersionString\s*=\s*'([0-9.]+)'")
_SOURCES = re.compile(
    r"\$OC_VersionCanBeUpgradedFrom.*?'nextcloud'\s*=>\s*(?:array\s*)?[(\[](.*?)[)\]]", re.S
)
_SOURCE = re.compile(r"'([0-9]+\.[0-9]+)'\s*=>\s*true")


class ReleaseFacts(NamedTuple):
    """The version in a release's own file, and the series that it can upgrade from."""

    version: str
    sources: tuple[str, ...]


def release_facts(release: Path) -> ReleaseFacts:
    """Return what `version.php` of a release says."""
    try:
        text = (release / "version.php").read_text(errors="replace")
    except OSError:
        text = ""
    version, sources = _VERSION.search(text), _SOURCES.search(text)
    return ReleaseFacts(
        version.group(1) if version else "",
        tuple(_SOURCE.findall(sources.group(1))) if sources else (),
    )


def series(version: str) -> str:
    """Return the first two numbers of a version."""
    return ".".join(version.split(".")[:2])


def major(version: str) -> int:
    """Return the first number of a version."""
    return int(version.split(".")[0])


class AppRange(NamedTuple):
    """The majors of Nextcloud that an app supports; 0 stands for no limit."""

    lowest: int
    highest: int

    def covers(self, number: int) -> bool:
        """Return whether a major of Nextcloud is in the range."""
        return self.lowest <= number and (not self.highest or number <= self.highest)


def app_range(app: Path) -> AppRange | None:
    """Return which majors an app in a directory supports; None if the app does not say it."""
    try:
        root = ElementTree.parse(app / "appinfo" / "info.xml").getroot()
    except (OSError, ElementTree.ParseError):
        return None
    found = root.find("dependencies/nextcloud")
    if found is None:
        return None
    return AppRange(
        _parse_first_number(found.get("min-version")), _parse_first_number(found.get("max-version"))
    )


def _parse_first_number(text: str | None) -> int:
    first = (text or "").split(".")[0]
    return int(first) if first.isdigit() else 0

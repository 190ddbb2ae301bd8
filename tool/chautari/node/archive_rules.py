"""What the archive of a release may contain: the rules of nodes, and of the pinning of releases.

An archive has one directory at its top, and in it only directories, files, and links that stay
inside. Standard library only: a node runs this file without the toolkit.
"""

from __future__ import annotations

import re
import tarfile
import zipfile
from stat import S_IFMT, S_IFREG, S_ISLNK
from typing import NamedTuple

MAX_ENTRIES = 200_000
MAX_BYTES = 6 << 30  # of all files together
MAX_LINK = 4096
FILE, DIRECTORY, LINK, HARD_LINK = "file", "directory", "link", "hard_link"
# Control characters, and bytes that are no UTF-8.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
PathParts = tuple[str, ...]


class EntryRefused(Exception):
    """An archive that breaks a rule is not unpacked.

    Attributes:
        code: the rule: `too_many_entries`, `unsafe_path`, `wrong_kind`, `not_in_folder`,
            `leads_through_link`, `twice`, `link_leads_outside` or `link_to_no_file`.
        name: of the entry; it may contain anything.
    """

    def __init__(self, code: str, name: str) -> None:
        """Name the rule and the entry."""
        super().__init__(code, name)
        self.code, self.name = code, name


class Entry(NamedTuple):
    """What an archive says about one of its entries.

    Attributes:
        kind: empty if it is something that no release contains, such as a device.
        target: of a link.
    """

    name: str
    kind: str
    target: str = ""


def entry_of_tar(item: tarfile.TarInfo) -> Entry:
    """Return an entry of a tar archive."""
    kinds = {FILE: item.isfile(), DIRECTORY: item.isdir(), LINK: item.issym(),
             HARD_LINK: item.islnk()}  # fmt: skip
    return Entry(
        item.name, next((kind for kind, found in kinds.items() if found), ""), item.linkname
    )


def entry_of_zip(archive: zipfile.ZipFile, item: zipfile.ZipInfo) -> Entry:
    """Return an entry of a ZIP archive."""
    mode = item.external_attr >> 16
    if item.is_dir():
        return Entry(item.filename, DIRECTORY)
    if S_ISLNK(mode):
        with archive.open(item) as content:
            target = content.read(MAX_LINK).decode(errors="surrogateescape")
        return Entry(item.filename, LINK, target)
    return Entry(item.filename, FILE if S_IFMT(mode) in (0, S_IFREG) else "")


class CheckedEntries:
    """The entries of an archive so far, all of which keep the rules.

    Attributes:
        kinds: what each path is; directories that no entry names are there, too.
        count: the entries.
    """

    def __init__(self) -> None:
        """Begin with none."""
        self.kinds: dict[PathParts, str] = {}
        self.count = 0

    def add(self, entry: Entry) -> PathParts:
        """Check the next entry; return the parts of its path, none for the folder itself.

        Raises:
            EntryRefused: when the entry breaks a rule.
        """
        self.count += 1
        if self.count > MAX_ENTRIES:
            raise EntryRefused("too_many_entries", entry.name)
        parts = path_parts(entry.name, entry.name)
        if not parts and entry.kind == DIRECTORY:
            return ()
        if not entry.kind:
            raise EntryRefused("wrong_kind", entry.name)
        self._check_place(entry, parts)
        if entry.kind == LINK and not _stays_inside(entry.target, parts):
            raise EntryRefused("link_leads_outside", entry.name)
        if entry.kind == HARD_LINK:
            linked = self.kinds.get(path_parts(entry.target, entry.name))
            if linked not in (FILE, HARD_LINK):
                raise EntryRefused("link_to_no_file", entry.name)
        self.kinds[parts] = entry.kind
        return parts

    def _check_place(self, entry: Entry, parts: PathParts) -> None:
        """Refuse a second top directory, a second entry of a name, and a way through a link."""
        top = next(iter(self.kinds), parts)[:1]
        alone = len(parts) == 1 and entry.kind != DIRECTORY
        if not parts or parts[:1] != top or parts[0].startswith(".") or alone:
            raise EntryRefused("not_in_folder", entry.name)
        for length in range(1, len(parts)):
            if self.kinds.setdefault(parts[:length], DIRECTORY) != DIRECTORY:
                raise EntryRefused("leads_through_link", entry.name)
        known = self.kinds.get(parts)
        if known is not None and (known, entry.kind) != (DIRECTORY, DIRECTORY):
            raise EntryRefused("twice", entry.name)


def path_parts(path: str, name: str) -> PathParts:
    """Return the parts of a path in an archive; `name` is that of its entry.

    Raises:
        EntryRefused: when the path leads out of the folder, or has unsafe characters.
    """
    parts = tuple(part for part in path.split("/") if part not in ("", "."))
    if path.startswith("/") or "\\" in path or ".." in parts or _UNSAFE.search(path):
        raise EntryRefused("unsafe_path", name)
    return parts


def _stays_inside(target: str, parts: PathParts) -> bool:
    """Return whether a link at `parts` stays in the top directory, also over other links."""
    wanted = [part for part in target.split("/") if part not in ("", ".")]
    up = next((number for number, part in enumerate(wanted) if part != ".."), len(wanted))
    inside = up <= len(parts) - 2 and ".." not in wanted[up:]
    return bool(wanted) and inside and not target.startswith("/") and not _UNSAFE.search(target)

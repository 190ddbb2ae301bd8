"""Which entries an archive may have: those that a node unpacks (role `release_archive`)."""

from __future__ import annotations

import re
import stat
import tarfile
import zipfile
from collections.abc import Callable
from typing import NamedTuple

from chautari.deploy.pinning.refusal import PinRefused

MAX_MEMBERS = 200_000
MAX_UNPACKED = 6 << 30
MAX_LINK = 4096
# Control characters, and bytes that are no UTF-8.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_FILE, _DIRECTORY, _LINK, _HARD_LINK = "file", "directory", "link", "hard_link"


class ArchiveMember(NamedTuple):
    """An entry of an archive.

    Attributes:
        kind: empty if it is something that no release contains, such as a device.
        target: of a link.
    """

    name: str
    kind: str
    size: int
    target: str = ""

    @classmethod
    def of_tar(cls, item: tarfile.TarInfo) -> ArchiveMember:
        """Return an entry of a tar archive."""
        kinds = {_FILE: item.isfile(), _DIRECTORY: item.isdir(), _LINK: item.issym(),
                 _HARD_LINK: item.islnk()}  # fmt: skip
        kind = next((name for name, found in kinds.items() if found), "")
        return cls(item.name, kind, item.size, item.linkname)

    @classmethod
    def of_zip(cls, item: zipfile.ZipInfo, read_target: Callable[[], str]) -> ArchiveMember:
        """Return an entry of a ZIP archive; `read_target` reads where a link leads."""
        mode = item.external_attr >> 16
        if item.is_dir():
            return cls(item.filename, _DIRECTORY, 0)
        if stat.S_ISLNK(mode):
            return cls(item.filename, _LINK, item.file_size, read_target())
        kind = _FILE if stat.S_IFMT(mode) in (0, stat.S_IFREG) else ""
        return cls(item.filename, kind, item.file_size)


class MemberCheck:
    """The entries of an archive that were checked so far."""

    def __init__(self, refused: Callable[..., PinRefused]) -> None:
        """Begin with no entry; `refused` makes the error from a code and its data."""
        self._refused = refused
        self._kinds: dict[tuple[str, ...], str] = {}
        self._count = self._size = 0

    def add(self, member: ArchiveMember) -> None:
        """Check the next entry.

        Raises:
            PinRefused: when a node would not unpack the archive because of it.
        """
        self._count += 1
        self.add_size(member.size)
        if self._count > MAX_MEMBERS:
            raise self._refused("archive_too_large")
        parts = self._path_parts(member.name)
        if not parts and member.kind == _DIRECTORY:
            return
        if not self._is_kind_allowed(member, parts):
            raise self._refused("unsafe_entry", path=ascii(member.name[:200]))
        self._check_place(member, parts)
        self._kinds[parts] = member.kind

    def add_size(self, size: int) -> None:
        """Count bytes that the archive contains."""
        self._size += size
        if self._size > MAX_UNPACKED:
            raise self._refused("archive_too_large")

    def _path_parts(self, name: str) -> tuple[str, ...]:
        parts = tuple(part for part in name.split("/") if part not in ("", "."))
        if name.startswith("/") or "\\" in name or ".." in parts or _UNSAFE.search(name):
            raise self._refused("unsafe_path", path=ascii(name[:200]))
        return parts

    def _is_kind_allowed(self, member: ArchiveMember, parts: tuple[str, ...]) -> bool:
        """Return whether this is a directory, a file, or a link that stays in the top directory."""
        if member.kind == _HARD_LINK:
            return self._kinds.get(self._path_parts(member.target)) in (_FILE, _HARD_LINK)
        if member.kind == _LINK:
            wanted = [part for part in member.target.split("/") if part not in ("", ".")]
            up = next((n for n, part in enumerate(wanted) if part != ".."), len(wanted))
            inside = up <= len(parts) - 2 and ".." not in wanted[up:]
            unsafe = member.target.startswith("/") or _UNSAFE.search(member.target)
            return bool(wanted and inside and not unsafe)
        return member.kind != ""

    def _check_place(self, member: ArchiveMember, parts: tuple[str, ...]) -> None:
        """Refuse a second top directory, a second entry of a name, and a way through a link."""
        top = next(iter(self._kinds), parts)[:1]
        alone = len(parts) == 1 and member.kind != _DIRECTORY
        if not parts or parts[:1] != top or parts[0].startswith(".") or alone:
            raise self._refused("no_single_folder", path=ascii(member.name[:200]))
        folders = (parts[:length] for length in range(1, len(parts)))
        through = any(self._kinds.setdefault(item, _DIRECTORY) != _DIRECTORY for item in folders)
        known = self._kinds.get(parts)
        twice = known is not None and (known, member.kind) != (_DIRECTORY, _DIRECTORY)
        if through or twice:
            raise self._refused("unsafe_entry", path=ascii(member.name[:200]))

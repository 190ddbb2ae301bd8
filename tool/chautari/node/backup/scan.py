"""List what a backup stores, and find what changed since an earlier list.

Lists are sorted, so two of them are compared in one pass and in little memory, however many files
a node has.
"""

from __future__ import annotations

import fnmatch
import heapq
import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import NamedTuple, Union

from chautari.node.backup.manifest import FolderSpec, StateSpec

# What a restore keeps next to the data that it replaced.
RESTORE_PREFIX = b".chautari-restore-"
RESTORE_MARK = b".before-restore-"
MAX_LEFT_OUT = 20  # names that are remembered
_KIND = 0o170000  # bits of a mode that say what it is
_STORED = (stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK)


class Entry(NamedTuple):
    """One file, directory or symbolic link, with what changes when it is written to."""

    path: bytes
    inode: int
    ctime: int  # nanoseconds
    size: int
    mode: int
    links: int

    @property
    def is_file(self) -> bool:
        """Whether it is a regular file."""
        return self.mode & _KIND == stat.S_IFREG


@dataclass
class Scan:
    """Entries of folders and files, and the totals of those that were listed so far."""

    count: int = 0
    size: int = 0
    left_out: list[str] = field(default_factory=list)
    left_out_count: int = 0

    def entries(self, states: Sequence[StateSpec], *, reading: bool = True) -> Iterator[Entry]:
        """Yield everything that the states store, sorted, each path once.

        Args:
            states: whose folders and files to list.
            reading: whether to list what is stored for reading only as well.
        """
        sources: dict[bytes, FolderSpec] = {}
        for state in states:
            paths = [*state.files, *(state.for_reading if reading else ())]
            found = [*state.folders, *(FolderSpec(path) for path in paths)]
            sources |= {os.fsencode(folder.path): folder for folder in found}
        last = b""
        for entry in self._entries_in_order(sources):
            if entry.path != last:
                last = entry.path
                if entry.mode & _KIND == stat.S_IFREG:
                    self.count += 1
                    self.size += entry.size
                yield entry

    def _entries_in_order(self, sources: Mapping[bytes, FolderSpec]) -> Iterator[Entry]:
        roots = sorted(sources, key=_path_sort_key)
        lists = [self._entries_of_root(root, sources[root]) for root in roots]
        # A merge takes time for each entry; it is needed only where a root is below another one.
        if any(root.startswith(other + b"/") for root in roots for other in roots):
            return heapq.merge(*lists, key=lambda entry: _path_sort_key(entry.path))
        return chain.from_iterable(lists)

    def _entries_of_root(self, path: bytes, folder: FolderSpec) -> Iterator[Entry]:
        entry = self._entry_of_path(path)
        if entry is None:
            return
        if Path(os.fsdecode(path)).is_dir():
            # A link to a folder is not stored itself: a restore makes a folder.
            if entry.mode & _KIND == stat.S_IFDIR:
                yield entry
            yield from self._entries_below_folder(path, folder, len(path) + 1)
        else:
            yield entry

    def _entries_below_folder(
        self, path: bytes, folder: FolderSpec, relative_start: int
    ) -> Iterator[Entry]:
        try:
            with os.scandir(path) as items:
                names = sorted(item.name for item in items)
        except FileNotFoundError:
            return
        except OSError as error:
            self._record_left_out(path, error.strerror or "unreadable")
            return
        for name in names:
            child = path + b"/" + name
            if _is_excluded(name, child[relative_start:], folder.exclude):
                continue
            entry = self._entry_of_path(child)
            if entry is not None:
                yield entry
                if entry.mode & _KIND == stat.S_IFDIR:
                    yield from self._entries_below_folder(child, folder, relative_start)

    def _entry_of_path(self, path: bytes) -> Entry | None:
        """Return the entry of a path; None if it is gone, or cannot be stored."""
        if b"\r" in path:
            self._record_left_out(path, "carriage return in its name")
            return None
        try:
            found = os.lstat(path)
            kind = found.st_mode & _KIND
            if kind == stat.S_IFLNK and _links_to_special_file(path):
                self._record_left_out(path, "link to a device or a pipe")
                return None
        except FileNotFoundError:
            return None
        except OSError as error:
            self._record_left_out(path, error.strerror or "unreadable")
            return None
        if kind not in _STORED:
            return None
        size = found.st_size if kind == stat.S_IFREG else 0
        return Entry(path, found.st_ino, found.st_ctime_ns, size, found.st_mode, found.st_nlink)

    def _record_left_out(self, path: bytes, reason: str) -> None:
        self.left_out_count += 1
        if len(self.left_out) < MAX_LEFT_OUT:
            self.left_out.append(f"{os.fsdecode(path)!a}: {reason}")


class DeletedPath(NamedTuple):
    """A path that an earlier list has, and the later one lacks."""

    path: bytes


def _path_sort_key(path: bytes) -> list[bytes]:
    return path.split(b"/")


def _links_to_special_file(path: bytes) -> bool:
    try:
        return os.stat(path).st_mode & _KIND not in _STORED
    except OSError:
        return False  # a link that leads nowhere is stored as it is


def _is_excluded(name: bytes, relative: bytes, patterns: Sequence[str]) -> bool:
    if RESTORE_MARK in name or name.startswith(RESTORE_PREFIX):
        return True
    if not patterns:
        return False
    return any(fnmatch.fnmatchcase(os.fsdecode(relative), pattern) for pattern in patterns)


def changes_between_lists(
    earlier: Iterable[Entry], later: Iterable[Entry]
) -> Iterator[Union[Entry, DeletedPath]]:  # noqa: UP007
    """Yield the entries of `later` that are new or differ from `earlier`, and what is gone."""
    old_entries = iter(earlier)
    old = next(old_entries, None)
    for new in later:
        if old is not None and old.path != new.path:
            key = _path_sort_key(new.path)
            while old is not None and _path_sort_key(old.path) < key:
                yield DeletedPath(old.path)
                old = next(old_entries, None)
        if old is not None and old.path == new.path:
            if old != new:
                yield new
            old = next(old_entries, None)
        else:
            yield new
    while old is not None:
        yield DeletedPath(old.path)
        old = next(old_entries, None)


def write_list(entries: Iterable[Entry], path: Path) -> Iterator[Entry]:
    """Pass entries on, and write each one to the file `path` before."""
    with path.open("wb") as file:
        for entry in entries:
            file.write(b"%d %d %d %d %d %s\0" % (*entry[1:], entry.path))
            yield entry


def read_list(path: Path) -> Iterator[Entry]:
    """Yield the entries that `write_list` wrote."""
    rest = b""
    with path.open("rb") as file:
        while block := file.read(1 << 16):
            *lines, rest = (rest + block).split(b"\0")
            for line in lines:
                *numbers, name = line.split(b" ", 5)
                yield Entry(name, *map(int, numbers))

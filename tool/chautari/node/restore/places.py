"""Where the copy of each folder and file is made, and what the switch exchanges.

A restored copy is extracted next to the live data, so that the switch only renames. The content of
a mount point is exchanged entry by entry, because a mount point itself cannot be renamed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

from chautari.node.backup.manifest import FolderSpec, StateSpec

STAGING = ".chautari-restore-{}"
ASIDE = "{}.before-restore-{}"
ASIDE_IN_MOUNT = ".before-restore-{}"


class Swap(NamedTuple):
    """One exchange: `live` becomes `aside`, then `staged` becomes `live`.

    Attributes:
        had_live: whether there was something to rename aside before the switch.
        had_staged: whether the archive contains it.
    """

    live: str
    staged: str
    aside: str
    had_live: bool = True
    had_staged: bool = True


@dataclass(frozen=True)
class RestorePlace:
    """A folder or file of a service, and where its copy is made.

    Attributes:
        path: its path in the archive, absolute.
        live: where it is on this node; another path if `path` is a link.
        staged: where its copy is made.
        folder: its settings; None for a single file.
        is_mount: whether the folder is a mount point.
    """

    path: str
    live: str
    staged: str
    folder: FolderSpec | None = None
    is_mount: bool = False

    def swaps(self, restore: str) -> list[Swap]:
        """Return the exchanges of the switch; the services must be paused for a mount point."""
        if not self.is_mount:
            return [_describe_swap(self.live, self.staged, ASIDE.format(self.live, restore))]
        aside = os.path.join(self.live, ASIDE_IN_MOUNT.format(restore))
        own = ("lost+found", STAGING.format(""), ASIDE_IN_MOUNT.format(""))
        names = {*_names_in_folder(self.live), *_names_in_folder(self.staged)}
        return [
            _describe_swap(
                *(os.path.join(folder, name) for folder in (self.live, self.staged, aside))
            )
            for name in sorted(names)
            if not name.startswith(own)
        ]


def _describe_swap(live: str, staged: str, aside: str) -> Swap:
    return Swap(live, staged, aside, os.path.lexists(live), os.path.lexists(staged))


def places_to_restore(states: Sequence[StateSpec], restore: str) -> list[RestorePlace]:
    """Return a place next to the live data for each folder and file of the services."""
    return [
        _place_next_to_path(path, folder, restore)
        for state in states
        for path, folder in _paths_of_state(state)
    ]


def places_in_folder(states: Sequence[StateSpec], root: Path) -> list[RestorePlace]:
    """Return places below `root`, away from all live data, for a drill."""
    return [
        RestorePlace(path, path, f"{root}{path}", folder)
        for state in states
        for path, folder in _paths_of_state(state)
    ]


def _paths_of_state(state: StateSpec) -> Iterator[tuple[str, FolderSpec | None]]:
    yield from ((folder.path, folder) for folder in state.folders)
    yield from ((file, None) for file in state.files)


def _place_next_to_path(path: str, folder: FolderSpec | None, restore: str) -> RestorePlace:
    live = os.path.realpath(path)
    staging = STAGING.format(restore)
    if folder is not None and os.path.ismount(live):
        return RestorePlace(path, live, os.path.join(live, staging), folder, is_mount=True)
    parent, name = os.path.split(live)
    return RestorePlace(path, live, os.path.join(parent, staging, name), folder)


def find_place_and_staged_path(
    places: Sequence[RestorePlace], path: str
) -> tuple[RestorePlace, str] | None:
    """Return the place that a path in the archive belongs to, and where its copy is made."""
    for place in places:
        if path == place.path:
            return place, place.staged
        if place.folder is not None and path.startswith(f"{place.path}/"):
            return place, place.staged + path[len(place.path) :]
    return None


def is_excluded(folder: FolderSpec, relative: str) -> bool:
    """Return whether backups leave out a path below a folder, or a folder that contains it."""
    parts = relative.split("/")
    heads = ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
    return any(fnmatch(head, pattern) for head in heads for pattern in folder.exclude)


def link_excluded_into_copy(place: RestorePlace) -> None:
    """Link what backups leave out from the live folder into its copy.

    Roles made it for this node, and would have to make it again.
    """
    if place.folder is None or not place.folder.exclude or not os.path.isdir(place.live):
        return
    for current, folders, files in os.walk(place.live):
        relative = os.path.relpath(current, place.live)
        target = os.path.normpath(os.path.join(place.staged, relative))
        folders[:] = [name for name in folders if not name.startswith(STAGING.format(""))]
        if not os.path.isdir(target):
            folders.clear()  # its parent was deleted before the backup
            continue
        for name in (*folders, *files):
            path = os.path.normpath(os.path.join(relative, name))
            if is_excluded(place.folder, path) and not os.path.lexists(f"{target}/{name}"):
                _hard_link_tree(f"{current}/{name}", f"{target}/{name}")


def _hard_link_tree(source: str, target: str) -> None:
    if os.path.islink(source) or not os.path.isdir(source):
        os.link(source, target, follow_symlinks=False)
        return
    there = os.lstat(source)
    os.mkdir(target, 0o700)
    os.chown(target, there.st_uid, there.st_gid)
    for name in os.listdir(source):
        _hard_link_tree(f"{source}/{name}", f"{target}/{name}")
    shutil.copystat(source, target)


def nearest_folder_and_free_bytes(path: str) -> tuple[str, int]:
    """Return the nearest folder that exists at `path`, and the free space there."""
    known = Path(path)
    while not known.is_dir():
        known = known.parent
    found = os.statvfs(known)
    return str(known), found.f_bavail * found.f_frsize


def needed_by_filesystem(needed: Mapping[str, int]) -> Iterator[tuple[str, int, int]]:
    """Yield a path on each file system, the bytes needed there in total, and the free bytes."""
    totals: dict[int, tuple[str, int]] = {}
    for path, count in needed.items():
        known, _ = nearest_folder_and_free_bytes(path)
        device = os.stat(known).st_dev
        totals[device] = (known, totals.get(device, (known, 0))[1] + count)
    for known, count in totals.values():
        yield known, count, nearest_folder_and_free_bytes(known)[1]


def _names_in_folder(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []

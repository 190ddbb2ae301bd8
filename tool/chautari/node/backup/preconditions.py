"""Refuse a backup before it begins, with everything that is in its way."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from chautari.node.backup.errors import BackupError
from chautari.node.backup.manifest import StateSpec
from chautari.node.backup.settings import Target
from chautari.node.backup.state_file import HOME

FSTAB = Path("/etc/fstab")
# Results of the restores of this node (`chautari.node.restore.journal`).
RESTORES = Path("/var/lib/chautari/restore/history")
# borg's caches: a fixed part, and so much for each file and each chunk of about 256 KiB.
CACHE_BYTES = 64 << 20
CACHE_BYTES_FOR_A_FILE = 300
CACHE_BYTES_FOR_A_CHUNK = 200
CHUNK_BYTES = 256 << 10
# borg compacts a repository only with so much free space.
DISK_RESERVE_BYTES = 640 << 20


def state_problems(states: Sequence[StateSpec], fstab: Path = FSTAB) -> list[BackupError]:
    """Return an error for each folder that is missing, empty or not mounted."""
    found = []
    mounts = list(_boot_mounts_below_root_in_fstab(fstab))
    for state in states:
        for folder in state.folders:
            path = Path(folder.path)
            found += [
                BackupError("not_mounted", path=str(mount), service=state.name)
                for mount in mounts
                if (mount == path or mount in path.parents or path in mount.parents)
                and not is_mounted(mount)
            ]
            if folder.may_be_empty:
                continue
            if not path.is_dir():
                found.append(BackupError("folder_missing", path=folder.path, service=state.name))
            elif not _existing_folder_has_entries(path):
                found.append(BackupError("folder_empty", path=folder.path, service=state.name))
    return found


def was_restored(folder: Path = RESTORES) -> bool:
    """Return whether a backup was restored on this machine."""
    for file in folder.glob("*.json"):
        try:
            found = json.loads(file.read_text())
        except (OSError, ValueError):
            continue
        if isinstance(found, dict) and found.get("ok") is True:
            return True
    return False


def require_mounted_writable_disk(target: Target) -> None:
    """Raise an error when the disk of a target is not mounted, or cannot be written to."""
    if not is_mounted(Path(target.mount)):
        raise BackupError("disk_not_mounted", path=target.mount, target=target.name)
    folder = Path(target.repository).parent
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise BackupError(
            "disk_unwritable", path=str(folder), target=target.name, reason=error.strerror or ""
        ) from None
    if not os.access(folder, os.W_OK):
        raise BackupError(
            "disk_unwritable", path=str(folder), target=target.name, reason="it is read-only"
        )


def check_cache_room(count: int, size: int, home: Path = HOME) -> None:
    """Raise an error when borg's own caches would fill the node's disk."""
    needed = CACHE_BYTES + count * CACHE_BYTES_FOR_A_FILE
    needed += size // CHUNK_BYTES * CACHE_BYTES_FOR_A_CHUNK
    needed = max(needed - _size_of_folder(home / "borg"), CACHE_BYTES)
    free = shutil.disk_usage(home).free
    if free < needed:
        raise BackupError("no_room_for_cache", path=str(home), needed=needed, free=free)


def check_target_room(
    target: Target, new_bytes: int, quota: tuple[int, int], *, is_first: bool
) -> None:
    """Raise an error when the target has no room for what is new.

    Args:
        target: where it is stored.
        new_bytes: size of the files that the target does not have yet.
        quota: how much the target may hold, 0 if it has no limit, and how much it holds.
        is_first: whether no backup succeeded there yet; then what it holds is part of this one.
    """
    limit, used = quota
    if target.kind == "disk":
        there = _size_of_folder(Path(target.repository)) if is_first else 0
        free = shutil.disk_usage(Path(target.repository).parent).free + there
        free = max(0, free - DISK_RESERVE_BYTES)
        if free < new_bytes:
            raise BackupError(
                "no_room", path=target.mount, target=target.name, needed=new_bytes, free=free
            )
    if limit:
        free = max(0, limit - (0 if is_first else used))
        if free < new_bytes:
            raise BackupError("quota_too_small", target=target.name, needed=new_bytes, free=free)


def is_mounted(path: Path) -> bool:
    """Return whether another file system than that of its parent is at `path`.

    The sandbox of the service makes mount points of its own, of the same file system.
    """
    try:
        return path.stat().st_dev != path.parent.stat().st_dev
    except OSError:
        return False


def _boot_mounts_below_root_in_fstab(fstab: Path) -> Iterator[Path]:
    try:
        lines = fstab.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        fields = line.split()
        if len(fields) < 4 or fields[0].startswith("#") or not fields[1].startswith("/"):
            continue
        options = fields[3].split(",")
        if fields[1] != "/" and "noauto" not in options and "bind" not in options:
            yield Path(fields[1].replace("\\040", " "))


def _existing_folder_has_entries(path: Path) -> bool:
    with os.scandir(path) as items:
        return next(items, None) is not None


def _size_of_folder(folder: Path) -> int:
    """Return the size of the files in a folder, 0 if it does not exist."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(parent) / name).lstat().st_size
            except OSError:
                continue
    return total

"""Keep one copy of each repository that its peer cannot change.

The copy is made of hard links: borg never changes a segment that is written, it only deletes it.
So the copy takes room only for what was deleted since.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

from chautari.node.backup_space.settings import SpaceForPeerNode

COPY_DAYS = 35
MARKER = "copied.json"
SEGMENTS = "data"


def time_of_copy(space: SpaceForPeerNode) -> float:
    """Return when the copy was made, 0 if there is none."""
    try:
        return float(json.loads((space.copy / MARKER).read_text())["time"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0.0


def is_copy_due(space: SpaceForPeerNode, now: float) -> bool:
    """Return whether the copy is missing or old."""
    return now - time_of_copy(space) > COPY_DAYS * 24 * 3600


def replace_copy(space: SpaceForPeerNode, now: float = 0.0) -> None:
    """Make a new copy, and only then delete the old one."""
    new = space.copy.with_name(f"{space.copy.name}.new")
    old = space.copy.with_name(f"{space.copy.name}.old")
    for folder in (new, old):
        shutil.rmtree(folder, ignore_errors=True)
    new.mkdir(parents=True, mode=0o700)
    copy_repository_by_hard_links(space.repository, new)
    (new / MARKER).write_text(json.dumps({"time": now or time.time()}))
    if space.copy.exists():
        space.copy.rename(old)
    new.rename(space.copy)
    shutil.rmtree(old, ignore_errors=True)


def copy_repository_by_hard_links(
    source: Path, target: Path, last_linked_segment: int | None = None
) -> None:
    """Copy a repository: segments up to `last_linked_segment` as hard links, the rest as files.

    Without a number, all segments are links and the index is copied too. With one, the index is
    left out: borg makes a new one from the segments.
    """
    for folder, _, names in os.walk(source / SEGMENTS):
        place = target / Path(folder).relative_to(source)
        place.mkdir(mode=0o700, exist_ok=True)
        for name in names:
            if last_linked_segment is None or (
                name.isdecimal() and int(name) <= last_linked_segment
            ):
                os.link(Path(folder) / name, place / name, follow_symlinks=False)
    for path in source.iterdir():
        has_index = path.name.split(".")[0] in ("index", "hints", "integrity", "lock")
        if (
            path.is_file()
            and not path.is_symlink()
            and not (last_linked_segment is not None and has_index)
        ):
            shutil.copy2(path, target / path.name)


def size_deleted_since_copy(space: SpaceForPeerNode) -> int:
    """Return the size of the segments that only the copy still has."""
    files = (path for path in (space.copy / SEGMENTS).rglob("*") if path.is_file())
    return sum(found.st_size for found in (path.stat() for path in files) if found.st_nlink == 1)

"""Lock a node for one run at a time.

`flock` belongs to an open file: the kernel frees it when the last process that has it open ends,
however it ends, so no lock is ever left over.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import struct
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

if TYPE_CHECKING:
    from chautari.node.events import LockHolder

LOCK = Path("/var/lib/chautari/lock")
HOLDER = Path("/var/lib/chautari/holder.json")
RESTORE_UNIT = "chautari-restore.service"
lock_descriptors: list[int] = []  # the open lock, while this process holds it; children inherit it


@contextlib.contextmanager
def hold_lock_or_yield_holder(about: Mapping[str, object]) -> Iterator[LockHolder | None]:
    """Hold the node's lock and yield None; yield its holder when another run has it."""
    with LOCK.open("a") as lock:
        if not _try_lock_with_retries(lock):
            yield _read_holder()
            return
        if about.get("mode") != "restore" and (restore := _resume_interrupted_restore()):
            yield restore
            return
        HOLDER.write_text(json.dumps({**about, "since": time.time()}))
        lock_descriptors.append(lock.fileno())
        try:
            yield None
        finally:
            lock_descriptors.remove(lock.fileno())
            HOLDER.unlink(missing_ok=True)


def _try_lock_with_retries(lock: IO[str]) -> bool:
    # A query for the holder takes the lock for an instant: hence three tries.
    for pause in (0.2, 0.2, 0.0):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(pause)
        else:
            return True
    return False


def lock_holder() -> LockHolder | None:
    """Return whose run holds the lock of this node, or None."""
    if not LOCK.parent.is_dir():
        return None  # nothing was ever deployed here
    with LOCK.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _read_holder()
    return _resume_interrupted_restore()


def _resume_interrupted_restore() -> LockHolder | None:
    """Return who started a restore that is not finished, and let it go on; None if there is none.

    Its unit restarts after a kill, so this matters only after many failures.
    """
    folder = LOCK.parent / "restore"
    if not (folder / "journal.json").exists():
        return None
    for command in (["reset-failed"], ["start", "--no-block"]):
        subprocess.run(["systemctl", *command, RESTORE_UNIT], check=False, capture_output=True)
    holder: LockHolder = {"operator": ""}
    with contextlib.suppress(OSError, ValueError):
        holder.update(json.loads((folder / "holder.json").read_text()))
    return holder


def _read_holder() -> LockHolder:
    # A run writes who it is only after it has the lock, a moment later.
    for pause in (0.1, 0.2, 0.4, 0.8, 0.0):
        try:
            return cast("LockHolder", json.loads(HOLDER.read_text()))
        except (OSError, ValueError):
            time.sleep(pause)
    return {"operator": ""}


APT_LOCK = Path("/var/lib/dpkg/lock-frontend")


def apt_lock_holder() -> str:
    """Return the program that holds apt's lock, with its process id; empty when none does.

    The lock is never deleted: apt itself waits for it.
    """
    if not APT_LOCK.exists():
        return ""
    query = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    with APT_LOCK.open("r+") as stream:
        answer = struct.unpack("hhqqi4x", fcntl.fcntl(stream, fcntl.F_GETLK, query))
    if answer[0] == fcntl.F_UNLCK:
        return ""
    try:
        name = Path(f"/proc/{answer[4]}/comm").read_text().strip()
    except OSError:
        name = "another program"
    return f"{name}, process {answer[4]}"

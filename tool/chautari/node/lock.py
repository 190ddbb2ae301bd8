"""One writer a node: a lock that lives exactly as long as the work it protects.

`flock` belongs to an open file: the kernel frees it when the last process that has it open ends,
however it ends, so no lock is ever left over.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

LOCK = Path("/var/lib/chautari/lock")
HOLDER = Path("/var/lib/chautari/holder.json")
held: list[int] = []  # the open lock, while this process holds it; children inherit it


@contextlib.contextmanager
def locked(about: dict[str, Any]) -> Iterator[dict[str, Any] | None]:
    """Hold the node's lock; give None, or who holds it when somebody else does."""
    with LOCK.open("a") as lock:
        if not _take(lock):
            yield _holder()
            return
        HOLDER.write_text(json.dumps(about | {"since": time.time()}))
        held.append(lock.fileno())
        try:
            yield None
        finally:
            held.remove(lock.fileno())
            HOLDER.unlink(missing_ok=True)


def _take(lock: IO[str]) -> bool:
    # Whoever only asks who is at work holds the lock for an instant: hence three tries.
    for pause in (0.2, 0.2, 0.0):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(pause)
        else:
            return True
    return False


def holder() -> dict[str, Any] | None:
    """Return who is at work on this node, or None."""
    with LOCK.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _holder()
    return None


def _holder() -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(HOLDER.read_text())
    except (OSError, ValueError):
        return {"operator": "somebody"}
    return found


APT_LOCK = Path("/var/lib/dpkg/lock-frontend")


def apt_holder() -> str:
    """Return which program holds apt's lock right now, with its process id; empty when none does.

    Nothing is done about it: apt itself waits for the lock, and a lock is never deleted.
    """
    if not APT_LOCK.exists():
        return ""
    asked = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    with APT_LOCK.open("r+") as stream:
        told = struct.unpack("hhqqi4x", fcntl.fcntl(stream, fcntl.F_GETLK, asked))
    if told[0] == fcntl.F_UNLCK:
        return ""
    try:
        name = Path(f"/proc/{told[4]}/comm").read_text().strip()
    except OSError:
        name = "another program"
    return f"{name}, process {told[4]}"

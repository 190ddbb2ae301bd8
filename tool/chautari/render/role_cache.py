"""Remembers what files of the toolkit say while their sizes, inodes and times stay the same."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from chautari.files import write_atomically
from chautari.paths import state_dir

# A file that changes twice within one tick of the clock may keep its times.
UNSETTLED_NANOSECONDS = 2_000_000_000
_UNREAD = {"__pycache__", "molecule", ".pytest_cache", "checks"}


def load_or_compute(key: str, folders: Callable[[], list[str]], compute: Callable[[], Any]) -> Any:
    """Return the JSON data that `compute` reads from the files below `folders`."""
    entries = _read_cache_entries(cache := state_dir() / "roles.json")
    with contextlib.suppress(KeyError, TypeError, OSError):
        if entries[key]["signature"] == _digest_and_newest_change(entries[key]["folders"])[0]:
            return entries[key]["data"]
    signature, newest = _digest_and_newest_change(folders())
    data = compute()
    if time.time_ns() - newest > UNSETTLED_NANOSECONDS:
        entries[key] = {"signature": signature, "folders": folders(), "data": data}
        with contextlib.suppress(OSError):  # the files can be read again
            write_atomically(cache, json.dumps(entries), durable=False)
    return data


@functools.cache
def _read_cache_entries(cache: Path) -> dict[str, Any]:
    with contextlib.suppress(OSError, ValueError, TypeError, RecursionError):
        return dict(json.loads(cache.read_bytes()))
    return {}


def _digest_and_newest_change(folders: Sequence[str]) -> tuple[str, int]:
    """Return a digest of the state of all files, and when the newest one changed."""
    states = [state for folder in folders for state in _file_states(folder)]
    return hashlib.sha256(repr(states).encode()).hexdigest(), max(max(s[1:3]) for s in states)


@functools.cache
def _file_states(folder: str) -> list[tuple[str, int, int, int, int]]:
    states = []
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.is_dir(follow_symlinks=False):
            states += _file_states(entry.path) if entry.name not in _UNREAD else []
        elif not entry.is_symlink() or entry.is_file():  # no broken link
            s = entry.stat()
            states.append((entry.path, s.st_mtime_ns, s.st_ctime_ns, s.st_size, s.st_ino))
    return states

"""The audit log of a node: who changed what on it, when, and from where.

One line of JSON each, in a file that can only grow where the file system allows that. An error here
never stops the work that it records.
"""

from __future__ import annotations

import contextlib
import fcntl
import grp
import json
import os
import re
import struct
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

LOG = Path("/var/log/chautari/audit.log")
STATE_FILE = "audit-state.json"  # what the last deploy brought
MAX_TEXT = 200  # characters of one value
MAX_ITEMS = 50  # of one list
MAX_LINE = 4000  # bytes
LAST_LINES = 5
MAX_SHOWN = 500  # characters of a line in a report
_GET_FLAGS, _SET_FLAGS, _APPEND_ONLY = 0x80086601, 0x40086602, 0x20  # ioctl_iflags(2)
_LOGIN = re.compile(
    r"Accepted publickey for (\S{1,64}) from (\S{1,64}) port \d+ ssh2: \S+ (SHA256:[\w+/]{43})"
)
# What a deploy brings from the region, and is recorded when it changes.
_TOPICS = ("operators", "secrets", "peers")


def record(what: str, details: Mapping[str, object], login: Sequence[int] = ()) -> None:
    """Append one line; `login` are the processes of the login that asked for the work."""
    entry: dict[str, object] = {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "what": what,
        **{key: _limited(value) for key, value in details.items() if value not in ("", None)},
        **login_of_processes(login),
    }
    line = json.dumps(entry)
    if len(line) > MAX_LINE:
        line = json.dumps({key: entry[key] for key in ("time", "what")} | {"too_long": True})
    with contextlib.suppress(OSError, KeyError):
        _append(f"{line}\n".encode())


def _limited(value: object) -> object:
    """Return a value that is short enough for the log."""
    if isinstance(value, bool | int | float):
        return value
    if isinstance(value, list | tuple | set):
        return [str(item)[:MAX_TEXT] for item in sorted(value, key=str)[:MAX_ITEMS]]
    return str(value)[:MAX_TEXT]


def _append(line: bytes) -> None:
    LOG.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    flags = os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW
    try:
        handle = os.open(LOG, flags)
    except FileNotFoundError:
        handle = _create(flags)
    try:
        os.write(handle, line)  # one call, so that lines of two writers do not mix
        os.fsync(handle)
    finally:
        os.close(handle)


def _create(flags: int) -> int:
    """Create the file, which members of the group adm may read; return its handle."""
    group = grp.getgrnam("adm").gr_gid
    os.chown(LOG.parent, -1, group)
    LOG.parent.chmod(0o750)
    handle = os.open(LOG, flags | os.O_CREAT, 0o640)
    os.fchown(handle, 0, group)
    os.fchmod(handle, 0o640)
    # Not every file system can do this, nor may every container.
    with contextlib.suppress(OSError):
        found = struct.unpack("l", fcntl.ioctl(handle, _GET_FLAGS, struct.pack("l", 0)))[0]
        fcntl.ioctl(handle, _SET_FLAGS, struct.pack("l", found | _APPEND_ONLY))
    return handle


def last_lines() -> list[str]:
    """Return the last lines of the log, each short, for the report of a run."""
    with contextlib.suppress(OSError):
        handle = os.open(LOG, os.O_RDONLY | os.O_NOFOLLOW)
        with os.fdopen(handle, "rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - MAX_LINE * LAST_LINES))
            lines = log.read().decode(errors="replace").splitlines()
        return [line[:MAX_SHOWN] for line in lines[-LAST_LINES:]]
    return []


def login_of_processes(processes: Iterable[int]) -> dict[str, str]:
    """Return which account logged in with which key and from where, by sshd's own record."""
    pids = [f"_PID={int(pid)}" for pid in processes]
    if not pids:
        return {}
    argv = ["journalctl", "--quiet", "--boot", "--output=json", "--identifier=sshd"]
    argv += ["--identifier=sshd-session", *pids]
    with contextlib.suppress(OSError, ValueError, subprocess.SubprocessError):
        done = subprocess.run(argv, check=False, capture_output=True, timeout=20)
        for entry in map(json.loads, done.stdout.splitlines()):
            match = _LOGIN.match(str(entry.get("MESSAGE")))
            if match and entry.get("_UID") == "0":
                return {"account": match[1], "address": match[2], "key": match[3]}
    return {}


def record_run(state: Path, request: Mapping[str, Any]) -> None:
    """Record that a run begins, and what a deploy brings that its predecessor did not."""
    login = list(request.get("login") or ())
    about = {key: request.get(key) for key in ("run", "operator", "origin", "region", "node")}
    mode = str(request.get("mode") or "deploy")
    options = [key for key in ("full", "purge", "interrupt_meetings") if request.get(key)]
    record(mode, about | {"options": options} if options else about, login)
    brought = request.get("brought")
    if mode != "deploy" or not isinstance(brought, Mapping):
        return
    for topic, change in _changes(_last_brought(state), brought):
        record(f"{topic}_changed", {**about, **change}, login)
    with contextlib.suppress(OSError):
        new = state / f"{STATE_FILE}.new"
        new.write_text(json.dumps(brought, sort_keys=True))
        new.replace(state / STATE_FILE)


def _last_brought(state: Path) -> Mapping[str, Any] | None:
    try:
        found = json.loads((state / STATE_FILE).read_text())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _changes(
    before: Mapping[str, Any] | None, after: Mapping[str, Any]
) -> Iterable[tuple[str, dict[str, list[str]]]]:
    """Yield which names were added, changed or removed, by topic; of the first deploy nothing."""
    if before is None:
        return
    for topic in _TOPICS:
        old, new = before.get(topic), after.get(topic)
        if not isinstance(old, dict) or not isinstance(new, dict) or old == new:
            continue
        change = {
            "added": sorted(new.keys() - old.keys()),
            "removed": sorted(old.keys() - new.keys()),
            "changed": sorted(key for key in new.keys() & old.keys() if new[key] != old[key]),
        }
        yield topic, {key: names for key, names in change.items() if names}

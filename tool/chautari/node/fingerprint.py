"""How the things that roles manage stand right now: one pass over files, packages, units, probes.

Every external command is started at once and read afterwards, so a whole node costs about as much
as its slowest question. Standard library only; it runs with the node's own Python.
"""

from __future__ import annotations

import errno
import grp
import hashlib
import os
import pwd
import select
import stat
import time
from collections.abc import Iterable
from glob import glob
from pathlib import Path
from typing import Any

from chautari.node.differences import FUTURE

Item = dict[str, Any]
State = dict[str, Any]
Asked = tuple[int, int]  # a process, and the pipe that its words come through

SHOWN_PROPERTIES = "Id,LoadState,ActiveState,SubState,UnitFileState,Type,RemainAfterExit"
PROBE_SECONDS = 30
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Answers, and beside them those that are passwords.
DEBCONF = (Path("/var/cache/debconf/config.dat"), Path("/var/cache/debconf/passwords.dat"))
SHADOW = Path("/etc/shadow")
MEMINFO = Path("/proc/meminfo")
# What every role may go by, whether its files name it or not.
MACHINE = frozenset({"id", "version_id", "machine", "memory_mb"})
_SIGKILL = 9
_IGNORED_BY_PYTHON = (13, 25)  # SIGPIPE, SIGXFSZ: a shell's pipes rely on the first


def states(items: Iterable[Item]) -> list[State]:
    """Return the state of each item, in their order.

    A state is plain JSON data; two states are equal exactly when nothing that the item watches
    differs. A probe that fails has `"ok": False` in its state, and a path that cannot be read too.
    """
    wanted = list(items)
    questions = _Questions(wanted)
    # What is asked of other programs is read last: they answer while files are hashed.
    order = sorted(range(len(wanted)), key=lambda index: wanted[index]["kind"] in _ASKED)
    found = {index: _KINDS[wanted[index]["kind"]](wanted[index], questions) for index in order}
    return [found[index] for index in range(len(wanted))]


def machine(named: Iterable[str] = ()) -> State:
    """Return what roles know of the machine itself: release, architecture, memory in MB.

    `named` are further facts, as Ansible calls them: those of `node/addresses.py`.
    """
    release = {}
    for line in _lines(Path("/etc/os-release")):
        name, _, value = line.partition("=")
        if name in ("ID", "VERSION_ID"):
            release[name.lower()] = value.strip('"')
    memory = next((line.split()[1] for line in _lines(MEMINFO) if line.startswith("MemTotal")), "0")
    found: State = release | {"machine": os.uname().machine, "memory_mb": int(memory) // 1024}
    wanted = set(named)
    if not wanted:
        return found
    from chautari.node import addresses  # most nodes have no role that asks

    return found | addresses.facts(wanted)


class _Questions:
    """The commands that are asked, all started before the first answer is read."""

    def __init__(self, items: list[Item]) -> None:
        # The slowest are started first.
        scripts = {item["script"] for item in items if item["kind"] == "probe"}
        self._probes = {text: _start("sh", "-eu", "-c", f"cd /\n{text}") for text in scripts}
        units = sorted({item["name"] for item in items if item["kind"] == "unit"})
        shown = ("systemctl", "show", f"--property={SHOWN_PROPERTIES}", "--", *units)
        self._units = _start(*shown) if units else None
        packages = sorted({item["name"] for item in items if item["kind"] == "package"})
        form = "${Package}\t${db:Status-Want}\t${db:Status-Status}\t${Version}\n"
        asked = ("dpkg-query", "--show", f"--showformat={form}", *packages)
        self._packages = _start(*asked) if packages else None
        self._asked_units = units
        self._written: dict[str, list[tuple[str, int]]] = {}
        self._answers: dict[str, Any] = {}

    def written(self, pattern: str) -> list[tuple[str, int]]:
        """Return all that lies under a pattern, with the time it was changed; looked up once."""
        if pattern not in self._written:
            self._written[pattern] = written(pattern)
        return self._written[pattern]

    def packages(self) -> dict[str, State]:
        """Return want, status and version of each package that dpkg knows."""
        if "packages" not in self._answers:
            rows = [line.split("\t") for line in _answer(self._packages)[1].splitlines()]
            self._answers["packages"] = {
                row[0]: {"want": row[1], "status": row[2], "version": row[3]} for row in rows
            }
        found: dict[str, State] = self._answers["packages"]
        return found

    def units(self) -> dict[str, dict[str, str]]:
        """Return the properties of each unit, by the name it was asked for."""
        if "units" not in self._answers:
            blocks = _answer(self._units)[1].strip().split("\n\n")
            shown = [dict(line.partition("=")[::2] for line in b.splitlines()) for b in blocks]
            pairs = zip(self._asked_units, shown, strict=False)
            self._answers["units"] = dict(pairs)
        found: dict[str, dict[str, str]] = self._answers["units"]
        return found

    def probe(self, script: str) -> tuple[int, str]:
        """Return how a probe ended and what it printed."""
        if script not in self._answers:
            self._answers[script] = _answer(self._probes[script])
        found: tuple[int, str] = self._answers[script]
        return found


def _start(*argv: str) -> Asked | None:
    """Start a command in a process group of its own; None when the machine does not have it.

    Only its standard output is read. (`subprocess` would do the same, and takes as long to load as
    it takes to ask.)
    """
    program = _found(argv[0])
    if program is None:
        return None
    reading, writing = os.pipe()
    try:
        pid = os.posix_spawn(
            program, argv, {"PATH": PATH, "LANG": "C.UTF-8", "HOME": "/root"}, setsid=True,
            setsigdef=_IGNORED_BY_PYTHON,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, writing, 1),
                (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
            ],
        )  # fmt: skip
    except OSError:
        os.close(reading)
        return None
    finally:
        os.close(writing)
    return pid, reading


def _found(name: str) -> str | None:
    there = (f"{folder}/{name}" for folder in PATH.split(":"))
    return next((file for file in there if os.access(file, os.X_OK)), None)


def _answer(asked: Asked | None) -> tuple[int, str]:
    """Return how a command ended and what it said; one that takes too long is ended with all."""
    if asked is None:
        return 127, ""
    pid, pipe = asked
    said: list[bytes] = []
    deadline = time.monotonic() + PROBE_SECONDS
    waiting = select.poll()
    waiting.register(pipe, select.POLLIN)
    try:
        while waiting.poll(max(0.0, deadline - time.monotonic()) * 1000):
            if not (part := os.read(pipe, 65_536)):
                return _ended(pid, deadline), b"".join(said).decode(errors="replace")
            said.append(part)
    except TimeoutError:
        pass
    finally:
        os.close(pipe)
    # What it started holds the pipe open as well.
    os.killpg(pid, _SIGKILL)
    os.waitpid(pid, 0)
    return 124, ""


def _ended(pid: int, deadline: float) -> int:
    """Return how a command ended that says no more: most have ended at the same moment."""
    while True:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.0005)


def _path(item: Item, _: _Questions) -> State:
    return path_state(item["name"])


def path_state(name: str) -> State:
    """Return kind, mode, owner and content of what lies at `name`; links are not followed.

    One path that nobody can look at (a loop of links above it, a disk that fails, a mount that is
    gone) must not keep a whole node from being looked at: that is a state like any other.
    """
    try:
        return _path_state(name)
    except (FileNotFoundError, NotADirectoryError):
        return {"is": "absent"}
    except OSError as error:
        why = errno.errorcode.get(error.errno or 0, "EIO")
        return {"is": "unreadable", "why": why, "ok": False}


def _path_state(name: str) -> State:
    found = os.lstat(name)
    state: State = {"uid": found.st_uid, "gid": found.st_gid}
    if stat.S_ISLNK(found.st_mode):
        return state | {"is": "link", "to": os.readlink(name)}
    state["mode"] = oct(stat.S_IMODE(found.st_mode))
    if stat.S_ISDIR(found.st_mode):
        return state | {"is": "directory"}
    if not stat.S_ISREG(found.st_mode):
        return state | {"is": "special"}
    return state | {"is": "file", "sha256": _hashed(name, "sha256")}


# Bytes that are read at once; most managed files are smaller.
_PART = 1 << 18


def digest(name: str, algorithm: str = "sha256") -> str:
    """Return the hexadecimal digest of a file's content; empty when it cannot be read."""
    try:
        return _hashed(name, algorithm)
    except OSError:
        return ""


def _hashed(name: str, algorithm: str) -> str:
    with open(name, "rb") as stream:
        found = hashlib.new(algorithm)
        while part := stream.read(_PART):
            found.update(part)
        return found.hexdigest()


def _paths(item: Item, _: _Questions) -> State:
    """Every file that a pattern finds now: one that comes or goes is a difference, too."""
    return {name: path_state(name) for name in sorted(glob(item["name"]))}


def _exists(item: Item, _: _Questions) -> State:
    return {"exists": os.path.lexists(item["name"])}


def _package(item: Item, questions: _Questions) -> State:
    found = questions.packages().get(item["name"])
    if found is None:
        return {"status": "not-installed"}
    state: State = {"status": found["status"]}
    # Security updates change versions by design; only a pinned one is a promise.
    if item.get("pinned"):
        state["version"] = found["version"]
    if item.get("held"):
        state["want"] = found["want"]
    return state


def _unit(item: Item, questions: _Questions) -> State:
    found = questions.units().get(item["name"], {})
    state: State = {}
    if item.get("enabled"):
        state["enabled"] = found.get("UnitFileState", "")
    once = found.get("Type") == "oneshot" and found.get("RemainAfterExit") != "yes"
    if item.get("active") and not once:
        # Between a death and the next start systemd calls a service "activating": as one that
        # starts slowly.
        dies = found.get("SubState", "").startswith("auto-restart")
        state["active"] = "restarting" if dies else found.get("ActiveState", "")
    return state


def _account(item: Item, _: _Questions) -> State:
    try:
        found = pwd.getpwnam(item["name"])
    except KeyError:
        return {"is": "absent"}
    groups = sorted(group.gr_name for group in grp.getgrall() if item["name"] in group.gr_mem)
    lock = next((line for line in _lines(SHADOW) if line.startswith(f"{item['name']}:")), "")
    fields = lock.split(":")
    return {
        "uid": found.pw_uid, "gid": found.pw_gid, "home": found.pw_dir, "shell": found.pw_shell,
        "groups": groups,
        "password": _short(fields[1]) if len(fields) > 7 else "",
        "expires": fields[7] if len(fields) > 7 else "",
    }  # fmt: skip


def _group(item: Item, _: _Questions) -> State:
    try:
        found = grp.getgrnam(item["name"])
    except KeyError:
        return {"is": "absent"}
    return {"gid": found.gr_gid, "members": sorted(found.gr_mem)}


def _debconf(item: Item, _: _Questions) -> State:
    stanzas = "".join("\n\n" + "\n".join(_lines(file)) for file in DEBCONF)
    _before, there, rest = stanzas.partition(f"\n\nName: {item['name']}\n")
    values = [row[7:] for row in rest.split("\n\n")[0].splitlines() if row.startswith("Value: ")]
    return {"asked": bool(there), "value": _short(values[0]) if values else ""}


def _loaded(item: Item, questions: _Questions) -> State:
    """Whether anything under the settings is newer than the stamp of their loading."""
    stamps = [_changed(name) for name in glob(item["stamp"])]
    if not stamps:
        return {"ok": False, "newer": ["no stamp"]}
    if ahead(min(stamps)):
        return {"ok": False, "newer": [FUTURE]}
    found = [pair for pattern in item["settings"] for pair in questions.written(pattern)]
    newest = [path for path, changed in found if changed > min(stamps)]
    return {"ok": not newest, "newer": sorted(newest)}


def written(pattern: str) -> list[tuple[str, int]]:
    """Return all that lies under a pattern, with the time it was changed."""
    return [(path, _changed(path)) for top in glob(pattern) for path in _tree(top)]


def ahead(moment: int) -> bool:
    """Whether a time in nanoseconds lies in the future, as after the clock was set back."""
    return moment > time.time_ns() + 1_000_000_000


def _changed(path: str) -> int:
    """Return when a file was written last, of a link also what it points to; 0 when it is gone."""
    try:
        found = os.lstat(path)
    except OSError:
        return 0
    if not stat.S_ISLNK(found.st_mode):
        return found.st_mtime_ns
    try:
        return max(found.st_mtime_ns, os.stat(path).st_mtime_ns)
    except OSError:
        return found.st_mtime_ns


def _tree(top: str) -> Iterable[str]:
    yield top
    if os.path.isdir(top) and not os.path.islink(top):
        for folder, folders, files in os.walk(top):
            yield from (os.path.join(folder, name) for name in (*folders, *files))


def _probe(item: Item, questions: _Questions) -> State:
    code, said = questions.probe(item["script"])
    return {"ok": code == 0, "says": said.splitlines()}


def _short(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()[:16]


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(errors="replace").splitlines()
    except OSError:
        return []


_KINDS = {
    "path": _path, "paths": _paths, "exists": _exists, "package": _package, "unit": _unit,
    "account": _account, "group": _group, "debconf": _debconf, "loaded": _loaded, "probe": _probe,
}  # fmt: skip
_ASKED = ("package", "unit", "probe")

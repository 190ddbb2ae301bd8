"""Return the current states of the resources that roles manage: files, packages, units, probes.

All external commands are started at once and read afterwards, so a whole node takes about as long
as its slowest command. Standard library only; it runs with the node's own Python.
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

from chautari.node.changes_since_receipt import FUTURE, NO_MARKER, Item, State

Query = tuple[int, int]  # a process, and the pipe that its output comes through

SHOWN_PROPERTIES = "Id,LoadState,ActiveState,SubState,UnitFileState,Type,RemainAfterExit"
PROBE_SECONDS = 30
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Answers, and those that are passwords.
DEBCONF = (Path("/var/cache/debconf/config.dat"), Path("/var/cache/debconf/passwords.dat"))
SHADOW = Path("/etc/shadow")
MEMINFO = Path("/proc/meminfo")
# Facts that every role uses, whether it declares them or not.
MACHINE = frozenset({"id", "version_id", "machine", "memory_mb"})
_SIGKILL = 9
_IGNORED_BY_PYTHON = (13, 25)  # SIGPIPE, SIGXFSZ: a shell's pipes rely on the first


def current_states(items: Iterable[Item]) -> list[State]:
    """Return the state of each item, in their order.

    A state is plain JSON data; two states are equal exactly when nothing that the item watches
    differs. A probe that fails, or a path that cannot be read, has `"ok": False` in its state.
    """
    watched = list(items)
    queries = _PendingQueries(watched)
    # Other programs are read last: they work while files are hashed.
    order = sorted(range(len(watched)), key=lambda index: watched[index]["kind"] in _QUERIED)
    states = {index: _KINDS[watched[index]["kind"]](watched[index], queries) for index in order}
    return [states[index] for index in range(len(watched))]


def machine_facts(facts: Iterable[str] = ()) -> State:
    """Return facts of the machine: release, architecture, memory in MB.

    `facts` names further ones, those of `node/optional_facts.py`, as Ansible calls them.
    """
    release = {}
    for line in _read_lines(Path("/etc/os-release")):
        name, _, value = line.partition("=")
        if name in ("ID", "VERSION_ID"):
            release[name.lower()] = value.strip('"')
    memory = next(
        (line.split()[1] for line in _read_lines(MEMINFO) if line.startswith("MemTotal")), "0"
    )
    known: State = release | {"machine": os.uname().machine, "memory_mb": int(memory) // 1024}
    further = set(facts)
    if not further:
        return known
    from chautari.node import optional_facts  # most nodes have no role that uses these

    return known | optional_facts.read_requested_facts(further)


class _PendingQueries:
    """The commands that report states, all started before the first output is read."""

    def __init__(self, items: list[Item]) -> None:
        # The slowest are started first.
        scripts = {item["script"] for item in items if item["kind"] == "probe"}
        self._probes = {text: _start_query("sh", "-eu", "-c", f"cd /\n{text}") for text in scripts}
        units = sorted({item["name"] for item in items if item["kind"] == "unit"})
        shown = ("systemctl", "show", f"--property={SHOWN_PROPERTIES}", "--", *units)
        self._units = _start_query(*shown) if units else None
        packages = sorted({item["name"] for item in items if item["kind"] == "package"})
        form = "${Package}\t${db:Status-Want}\t${db:Status-Status}\t${Version}\n"
        query = ("dpkg-query", "--show", f"--showformat={form}", *packages)
        self._packages = _start_query(*query) if packages else None
        self._unit_names = units
        self._mtimes: dict[str, list[tuple[str, int]]] = {}
        self._results: dict[str, Any] = {}

    def cached_mtimes(self, pattern: str) -> list[tuple[str, int]]:
        """Return `mtimes` of a pattern; each pattern is read once."""
        if pattern not in self._mtimes:
            self._mtimes[pattern] = mtimes_under_pattern(pattern)
        return self._mtimes[pattern]

    def package_states(self) -> dict[str, State]:
        """Return want, status and version of each package that dpkg knows."""
        if "packages" not in self._results:
            rows = [line.split("\t") for line in _finish_query(self._packages)[1].splitlines()]
            self._results["packages"] = {
                row[0]: {"want": row[1], "status": row[2], "version": row[3]} for row in rows
            }
        packages: dict[str, State] = self._results["packages"]
        return packages

    def unit_properties(self) -> dict[str, dict[str, str]]:
        """Return the properties of each unit, by its name in the items."""
        if "units" not in self._results:
            blocks = _finish_query(self._units)[1].strip().split("\n\n")
            shown = [dict(line.partition("=")[::2] for line in b.splitlines()) for b in blocks]
            pairs = zip(self._unit_names, shown, strict=False)
            self._results["units"] = dict(pairs)
        units: dict[str, dict[str, str]] = self._results["units"]
        return units

    def probe_result(self, script: str) -> tuple[int, str]:
        """Return the exit code and the output of a probe."""
        if script not in self._results:
            self._results[script] = _finish_query(self._probes[script])
        result: tuple[int, str] = self._results[script]
        return result


def _start_query(*argv: str) -> Query | None:
    """Start a command in its own process group; return None when it is not installed.

    Only its standard output is read. (`subprocess` would do the same, and takes as long to load as
    the command takes.)
    """
    program = _find_program(argv[0])
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


def _find_program(name: str) -> str | None:
    files = (f"{folder}/{name}" for folder in PATH.split(":"))
    return next((file for file in files if os.access(file, os.X_OK)), None)


def _finish_query(query: Query | None) -> tuple[int, str]:
    """Return exit code and output of a command; kill its process group after PROBE_SECONDS."""
    if query is None:
        return 127, ""
    pid, pipe = query
    output: list[bytes] = []
    deadline = time.monotonic() + PROBE_SECONDS
    waiting = select.poll()
    waiting.register(pipe, select.POLLIN)
    try:
        while waiting.poll(max(0.0, deadline - time.monotonic()) * 1000):
            if not (part := os.read(pipe, 65_536)):
                return _wait_for_exit(pid, deadline), b"".join(output).decode(errors="replace")
            output.append(part)
    except TimeoutError:
        pass
    finally:
        os.close(pipe)
    # Its children hold the pipe open as well.
    os.killpg(pid, _SIGKILL)
    os.waitpid(pid, 0)
    return 124, ""


def _wait_for_exit(pid: int, deadline: float) -> int:
    """Return the exit code of a command that closed its output.

    Raises:
        TimeoutError: when it does not exit before the deadline.
    """
    while True:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.0005)


def _state_of_path(item: Item, _: _PendingQueries) -> State:
    return path_state(item["name"])


def path_state(name: str) -> State:
    """Return type, mode, owner and digest of a path; links are not followed.

    A path that cannot be read (a loop of links, a failing disk, a lost mount) has a state like any
    other, so that the rest of the node can still be compared.
    """
    try:
        return _read_path_state(name)
    except (FileNotFoundError, NotADirectoryError):
        return {"is": "absent"}
    except OSError as error:
        why = errno.errorcode.get(error.errno or 0, "EIO")
        return {"is": "unreadable", "why": why, "ok": False}


def _read_path_state(name: str) -> State:
    found = os.lstat(name)
    state: State = {"uid": found.st_uid, "gid": found.st_gid}
    if stat.S_ISLNK(found.st_mode):
        return state | {"is": "link", "to": os.readlink(name)}
    state["mode"] = oct(stat.S_IMODE(found.st_mode))
    if stat.S_ISDIR(found.st_mode):
        return state | {"is": "directory"}
    if not stat.S_ISREG(found.st_mode):
        return state | {"is": "special"}
    return state | {"is": "file", "sha256": _hash_file(name, "sha256")}


# Bytes of one read; most managed files are smaller.
_PART = 1 << 18


def file_digest(name: str, algorithm: str = "sha256") -> str:
    """Return the hexadecimal digest of a file's content; empty when it cannot be read."""
    try:
        return _hash_file(name, algorithm)
    except OSError:
        return ""


def _hash_file(name: str, algorithm: str) -> str:
    with open(name, "rb") as stream:
        found = hashlib.new(algorithm)
        while part := stream.read(_PART):
            found.update(part)
        return found.hexdigest()


def _states_of_matching_paths(item: Item, _: _PendingQueries) -> State:
    """Return the state of every file that a pattern matches: a new file is a difference, too."""
    return {name: path_state(name) for name in sorted(glob(item["name"]))}


def _state_of_existence(item: Item, _: _PendingQueries) -> State:
    return {"exists": os.path.lexists(item["name"])}


def _state_of_package(item: Item, queries: _PendingQueries) -> State:
    found = queries.package_states().get(item["name"])
    if found is None:
        return {"status": "not-installed"}
    state: State = {"status": found["status"]}
    # Security updates change versions by design; only a pinned one is a promise.
    if item.get("pinned"):
        state["version"] = found["version"]
    if item.get("held"):
        state["want"] = found["want"]
    return state


def _state_of_unit(item: Item, queries: _PendingQueries) -> State:
    found = queries.unit_properties().get(item["name"], {})
    state: State = {}
    if item.get("enabled"):
        state["enabled"] = found.get("UnitFileState", "")
    once = found.get("Type") == "oneshot" and found.get("RemainAfterExit") != "yes"
    if item.get("active") and not once:
        # Between a crash and the next start systemd calls a service "activating", as it calls
        # one that starts slowly.
        crashed = found.get("SubState", "").startswith("auto-restart")
        state["active"] = "restarting" if crashed else found.get("ActiveState", "")
    return state


def _state_of_account(item: Item, _: _PendingQueries) -> State:
    try:
        found = pwd.getpwnam(item["name"])
    except KeyError:
        return {"is": "absent"}
    groups = sorted(group.gr_name for group in grp.getgrall() if item["name"] in group.gr_mem)
    lock = next((line for line in _read_lines(SHADOW) if line.startswith(f"{item['name']}:")), "")
    fields = lock.split(":")
    return {
        "uid": found.pw_uid, "gid": found.pw_gid, "home": found.pw_dir, "shell": found.pw_shell,
        "groups": groups,
        "password": _short_digest(fields[1]) if len(fields) > 7 else "",
        "expires": fields[7] if len(fields) > 7 else "",
    }  # fmt: skip


def _state_of_group(item: Item, _: _PendingQueries) -> State:
    try:
        found = grp.getgrnam(item["name"])
    except KeyError:
        return {"is": "absent"}
    return {"gid": found.gr_gid, "members": sorted(found.gr_mem)}


def _state_of_debconf(item: Item, _: _PendingQueries) -> State:
    stanzas = "".join("\n\n" + "\n".join(_read_lines(file)) for file in DEBCONF)
    _before, there, rest = stanzas.partition(f"\n\nName: {item['name']}\n")
    values = [row[7:] for row in rest.split("\n\n")[0].splitlines() if row.startswith("Value: ")]
    return {"asked": bool(there), "value": _short_digest(values[0]) if values else ""}


def _state_of_reload_marker(item: Item, queries: _PendingQueries) -> State:
    """Return the settings that are newer than the marker, which each reload touches."""
    markers = [_mtime(name) for name in glob(item["marker"])]
    if not markers:
        return {"ok": False, "newer": [NO_MARKER]}
    if is_future_time_ns(min(markers)):
        return {"ok": False, "newer": [FUTURE]}
    settings = [pair for pattern in item["settings"] for pair in queries.cached_mtimes(pattern)]
    newer = [path for path, changed in settings if changed > min(markers)]
    return {"ok": not newer, "newer": sorted(newer)}


def mtimes_under_pattern(pattern: str) -> list[tuple[str, int]]:
    """Return each path under a pattern with its modification time in nanoseconds."""
    return [(path, _mtime(path)) for top in glob(pattern) for path in _paths_of_tree(top)]


def is_future_time_ns(moment: int) -> bool:
    """Return whether a time in nanoseconds is later than now, as after the clock was set back."""
    return moment > time.time_ns() + 1_000_000_000


def _mtime(path: str) -> int:
    """Return when a file, or the target of a link, was written last; 0 when it is missing."""
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


def _paths_of_tree(top: str) -> Iterable[str]:
    yield top
    if os.path.isdir(top) and not os.path.islink(top):
        for folder, folders, files in os.walk(top):
            yield from (os.path.join(folder, name) for name in (*folders, *files))


def _state_of_probe(item: Item, queries: _PendingQueries) -> State:
    code, output = queries.probe_result(item["script"])
    return {"ok": code == 0, "says": output.splitlines()}


def _short_digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()[:16]


def _read_lines(file: Path) -> list[str]:
    try:
        return file.read_text(errors="replace").splitlines()
    except OSError:
        return []


_KINDS = {
    "path": _state_of_path,
    "paths": _states_of_matching_paths,
    "exists": _state_of_existence,
    "package": _state_of_package,
    "unit": _state_of_unit,
    "account": _state_of_account,
    "group": _state_of_group,
    "debconf": _state_of_debconf,
    "reload_marker": _state_of_reload_marker,
    "probe": _state_of_probe,
}
_QUERIED = ("package", "unit", "probe")

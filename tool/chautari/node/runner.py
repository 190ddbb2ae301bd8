"""Runs one deploy on the node, whatever becomes of the connection that started it.

It reaches the node on the standard input of one SSH command, so nothing has to be installed and
the code always is that of the deploying side. `start` unpacks the bundle, hands the work to a
transient systemd unit and follows its events; when the connection drops, only the following ends.
The worker and all it starts hold a lock for as long as they live; the kernel frees it when the
last of them dies.

Events are JSON lines in `/var/lib/chautari/runs/RUN/events.jsonl`; the bundle with the node's
secrets lies in `/run` (memory) and is removed at the end.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from chautari.node import converge, journal, lock, logged_process, packages, runs
from chautari.node.bundle import unpack
from chautari.node.drift_timer import keep_the_watch
from chautari.node.runs import CONVERGES, PLANS, RUN_ID

STATE = Path("/var/lib/chautari")
MEMORY = Path("/run/chautari")
VENV = Path("/opt/chautari/venv")
WORKER = (
    # No semicolon: systemd warns of the way its own systemd-run writes one.
    "import sys\nsys.path.insert(0, sys.argv[1])\nfrom chautari.node import runner\n"
    "sys.exit(runner.work(sys.argv[2]))"
)
BUSY = 75  # EX_TEMPFAIL of sysexits.h: somebody else is at work, try again later
POLL_SECONDS = 0.2
ALIVE_SECONDS = 15.0
# A younger folder in memory may be another operator's, whose unit is about to start.
LEFTOVER_SECONDS = 60.0
LITTLE = 100_000  # bytes that are free: no journal goes on for long with less
UNIT_FIX = (
    "see on the node what `systemctl is-system-running` and `journalctl -n 50` say; mend that, or "
    "restart the machine, then deploy again"
)


def main(arguments: dict[str, Any], payload: IO[bytes]) -> int:
    """Start or follow a run, or tell how the last one ended; return the exit code."""
    if arguments["action"] == "status":
        _say(runs.status(STATE))
        return 0
    run = arguments.get("run") or runs.newest(STATE)
    if not run:
        _say({"event": "refused", "message": "there is no run on this node yet"})
        return 1
    is_one, starts = RUN_ID.fullmatch(run), arguments["action"] == "start"
    if is_one and starts:
        return start(run, arguments, payload.read())
    if not is_one or not _places(run)[0].is_dir():
        known = ", ".join(runs.ids(STATE)[-runs.KEPT :]) or "none"
        message = f"there is no run {run} here; there are: {known}"
        # A start whose run is unknown is sent again: never say so of one that no try makes known.
        _say({"event": "refused", "message": message, "unknown": not starts})
        return 1
    if arguments.get("detach"):
        return hand_over(run)
    return follow(run, int(arguments.get("offset", 0)))


def start(run: str, arguments: dict[str, Any], bundle: bytes) -> int:
    """Unpack `bundle`, start the worker as a unit of its own and follow it."""
    if hashlib.sha256(bundle).hexdigest() != arguments["sha256"]:
        _say({"event": "refused", "message": "the bundle arrived damaged; nothing was unpacked"})
        return 1
    if holder := lock.holder():
        _say({"event": "busy", "holder": holder})
        return BUSY
    place, memory = _places(run)
    try:
        place.mkdir(parents=True, exist_ok=True)
        unpack(bundle, memory)
        (place / "about.json").write_text(json.dumps(arguments))
        # A start that was refused before has left its word here; this one tells its own.
        (place / "events.jsonl").unlink(missing_ok=True)
    except OSError as error:
        return _give_up(run, message=f"the run could not be written down: {error}")
    if words := _launch(run, memory):
        return _give_up(run, message=f"systemd did not start the run: {words}", fix=UNIT_FIX)
    return hand_over(run) if arguments.get("detach") else follow(run, 0)


def _give_up(run: str, **told: str) -> int:
    """Refuse a run that did not begin, and take it back; return the exit code.

    What stayed would hold the secrets, and be read as the newest run.
    """
    for folder in _places(run):
        shutil.rmtree(folder, ignore_errors=True)
    _say({"event": "refused"} | told)
    return 1


def _launch(run: str, memory: Path) -> str:
    """Start the worker as a unit of its own; return why that failed, empty when it is started."""
    argv = [
        "systemd-run", "--quiet", "--collect", f"--unit=chautari-run-{run}",
        "--setenv=LANG=C.UTF-8", "--property=KillMode=mixed", "--property=TimeoutStopSec=20",
        sys.executable, "-I", "-c", WORKER, str(memory / "lib"), run,
    ]  # fmt: skip
    try:
        done = subprocess.run(argv, check=False, stdin=subprocess.DEVNULL, capture_output=True)
        # A start that was sent again may find its unit at work: nobody takes its files from it.
        if not done.returncode or _unit_state(run) in (b"active", b"activating"):
            return ""
    except OSError as error:
        return str(error)
    said = " ".join(done.stderr.decode(errors="replace").split())
    return said or f"systemd-run ended with code {done.returncode}"


def work(run: str) -> int:
    """Hold the lock, converge, check, and say how it ended. Runs inside the transient unit."""
    place, memory = _places(run)
    try:
        # systemd stops a unit with SIGTERM: end as an error does, so that the ending is recorded.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        about = json.loads((place / "about.json").read_text())
        with lock.locked(runs.public(about)) as holder:
            if holder:
                _append(place, {"event": "busy", "holder": holder})
                return BUSY
            return 0 if _work_through(place, memory, about) else 1
    finally:
        # Whatever stopped it, also before it began: no secret outlives the run.
        shutil.rmtree(memory, ignore_errors=True)


def _work_through(place: Path, memory: Path, about: dict[str, Any]) -> bool:
    """Do what the run is for, with its beginning and its ending told; return whether it is well."""
    began, run = time.time(), place.name
    _append(place, {"event": "run_started", "run": run, "time": began} | runs.public(about))
    ok, last = False, list[dict[str, Any]]()
    try:
        _forget_leftovers(run)
        ok = _carry_out(place, memory, about, began)
    except SystemExit:
        last = [{"event": "stopped"}]
        raise
    except Exception as error:
        # Nobody expected it: its unit's journal has the whole of it.
        broke = {"event": "broke", "message": f"{type(error).__name__}: {error}"}
        last = [journal.masked(broke, _secrets(place))]
        raise
    finally:
        # The rest is short; a stop that came now would cost the ending.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        shutil.rmtree(memory, ignore_errors=True)
        seconds = round(time.time() - began, 2)
        failed = _failed_checks(place / "events.jsonl")
        ending = {"event": "run_finished", "ok": ok, "failed_checks": failed, "seconds": seconds}
        _tidy_up(place)
        # What follows the run leaves at its ending, and may look at the node again at once. Both
        # lines come after the room that was made: an ending without its cause would help nobody.
        for event in [*last, ending]:
            _append(place, event)
    return ok


def _tidy_up(place: Path) -> None:
    """Delete what is not needed any more; what cannot be deleted costs no run its ending."""
    with contextlib.suppress(OSError):
        journal.trim(place / "log")
    with contextlib.suppress(OSError):
        _forget_leftovers(place.name)
    with contextlib.suppress(OSError):
        runs.forget_old(STATE, but=place.name)


def _carry_out(place: Path, memory: Path, about: dict[str, Any], began: float) -> bool:
    """Do what the run is for and return whether it succeeded."""
    mode = about.get("mode", CONVERGES)
    if mode == PLANS:
        return plan(place, memory, about)
    if mode == CONVERGES and not converge_node(place, memory, about):
        return False
    if about.get("checks", True):
        check(place, memory, began)
    return True


def converge_node(place: Path, memory: Path, about: dict[str, Any]) -> bool:
    """Run the roles that have to run; their events come from the callback plugin."""
    node = _node(place, memory, about, [])
    if holder := lock.apt_holder():
        node.tell("apt_at_work", holder=holder)
    full = bool(about.get("full"))
    idle = converge.nothing_to_do(node, full)
    code = 0 if idle or about.get("even_if_busy") else converge.ask_whether_busy(node)
    if not code and not idle:
        packages.finish(lambda argv: _run_logged(argv, place, memory, {}), node.tell)
    code = code or converge.take_off(node, purge=bool(about.get("purge")))
    code = code or converge.converge(node, full)
    keep_the_watch(STATE, memory, place.name)
    if code:
        _append(
            place,
            {"event": "playbook_failed", "code": code, "log": logged_process.tail(place / "log")},
        )
    return code == 0


def plan(place: Path, memory: Path, about: dict[str, Any]) -> bool:
    """Say which roles would run, and what Ansible's own check finds they would change."""
    from chautari.node import planner

    node = _node(place, memory, about, ["--check", "--diff"])
    planner.foretell(node, bool(about.get("full")), lambda: logged_process.tail(place / "log"))
    return True


def _node(place: Path, memory: Path, about: dict[str, Any], arguments: list[str]) -> converge.Node:
    # Rendered templates pass through Ansible's temporary folders: keep them in memory, too.
    folder = str(memory / "tmp")
    environment = {
        "ANSIBLE_LOCAL_TEMP": folder,
        "ANSIBLE_REMOTE_TEMP": folder,
        "CHAUTARI_CHECKING": "yes" if arguments else "no",
        "CHAUTARI_EVENTS": str(place / "events.jsonl"),
        "CHAUTARI_MANAGED": str(memory / "managed.jsonl"),
        "CHAUTARI_SECRETS": str(memory / "secrets.json"),
        "CHAUTARI_STATE": str(STATE),
        "PYTHONPATH": str(memory / "lib"),
    }

    def tell(event: str, **values: Any) -> None:
        _append(place, {"event": event} | values)

    def ansible(playbook: str) -> int:
        argv = [str(VENV / "bin" / "ansible-playbook"), playbook, *arguments]
        faster = {} if about.get("plain") else _mitogen()
        before = _roles_begun(place)
        code = _run_logged(argv, place, memory, environment | faster)
        if code and faster and _roles_begun(place) == before:
            # It follows Ansible's releases with a delay: where it does not fit, nothing has begun.
            tell("without_mitogen", log=logged_process.tail(place / "log"))
            code = _run_logged(argv, place, memory, environment)
        return code

    return converge.Node(STATE, memory, about["run"], ansible, tell)


def _mitogen() -> dict[str, str]:
    """Return the settings that let Mitogen run the tasks, which takes a third of the time."""
    found = sorted(VENV.glob("lib/python3*/site-packages/ansible_mitogen/plugins/strategy"))
    if not found:
        return {}
    return {"ANSIBLE_STRATEGY": "mitogen_linear", "ANSIBLE_STRATEGY_PLUGINS": str(found[-1])}


def _roles_begun(place: Path) -> int:
    return sum(b'"role_started"' in line for line in journal.lines(place / "events.jsonl"))


def check(place: Path, memory: Path, began: float) -> None:
    """Run the inside checks of the node's roles; each writes its own event."""
    settings = json.loads((memory / "settings.json").read_text())
    # Seconds since the epoch: the run may just have moved the machine to another time zone.
    (memory / "settings.json").write_text(json.dumps(settings | {"since": f"@{int(began)}"}))
    # Roles that are taken off come along for that alone.
    wanted = [inputs["role"] for inputs in json.loads((memory / "roles.json").read_text())]
    there = (memory / "roles" / role / "checks" / "test_inside.py" for role in wanted)
    files = sorted(str(path) for path in there if path.is_file())
    argv = [
        str(VENV / "bin" / "python"), "-m", "pytest", "-q", "-p", "no:cacheprovider",
        "-p", "chautari.checks.inside", "--import-mode=importlib", "--hosts=local://",
        "--rootdir", str(memory), *files,
    ]  # fmt: skip
    extra = {
        "PYTHONPATH": str(memory / "lib"),
        "CHAUTARI_RESULTS": str(place / "events.jsonl"),
        "CHAUTARI_SECRETS": str(memory / "secrets.json"),
        "CHAUTARI_SETTINGS": str(memory / "settings.json"),
    }
    code = _run_logged(argv, place, memory, extra)
    # 0 all passed, 1 some failed: each has its event. Anything else means checks did not run.
    if code not in (0, 1):
        _append(
            place,
            {"event": "checks_broken", "code": code, "log": logged_process.tail(place / "log")},
        )


def _run_logged(argv: list[str], place: Path, memory: Path, extra: dict[str, str]) -> int:
    # Whatever this starts holds the lock as well: when only the runner dies, nobody else begins
    # before systemd has ended the rest.
    held = tuple(lock.held)
    return logged_process.run(
        argv, place / "log", _secrets(place), extra, cwd=memory, pass_fds=held
    )


def hand_over(run: str) -> int:
    """Wait until `run` is at work, or was refused, and leave it to itself."""
    for event in _events(run, _places(run)[0] / "events.jsonl", 0):
        if event["event"] == "run_started":
            _say({"event": "handed_over", "run": run})
            return 0
        if event["event"] in ("busy", "run_lost"):
            _say(event)
            return BUSY if event["event"] == "busy" else 1
    return 1


def follow(run: str, offset: int) -> int:
    """Print the events of `run` from byte `offset` on until it ends, then return how it ended."""
    place, _ = _places(run)
    code = 1
    for event in _events(run, place / "events.jsonl", offset):
        _say(event)
        if event["event"] == "run_finished":
            code = 0 if event["ok"] else 1
        elif event["event"] == "busy":
            code = BUSY
    return code


def _events(run: str, file: Path, offset: int) -> Iterator[dict[str, Any]]:
    position, spoke, gone = offset, time.monotonic(), 0
    while True:
        # Ask before reading: a unit that ended meanwhile has written everything it will write.
        gone = 0 if _unit_is_active(run) else gone + 1
        for line in journal.lines(file, position):
            position += len(line)
            spoke = time.monotonic()
            event = journal.read(line)
            yield event | {"offset": position}
            if event["event"] in ("run_finished", "busy"):
                return
        if gone > 1:  # asked twice, and the journal read after that
            yield {"event": "run_lost", "run": run, "full": _full()}
            return
        if time.monotonic() - spoke > ALIVE_SECONDS:
            spoke = time.monotonic()
            yield {"event": "alive", "offset": position}
        time.sleep(POLL_SECONDS)


def _full() -> str:
    """Return the folder whose disk takes nothing more, where a run cannot write its journal."""
    for folder in (STATE, MEMORY):
        with contextlib.suppress(OSError):
            there = os.statvfs(folder)
            # Some file systems count no files; there, none are said to be left.
            if there.f_bavail * there.f_frsize < LITTLE or (there.f_files and not there.f_favail):
                return str(folder)
    return ""


def _unit_is_active(run: str) -> bool:
    # A unit that is going down still writes, and a question that got no answer tells nothing.
    return _unit_state(run) not in (b"inactive", b"failed", b"unknown")


def _unit_state(run: str) -> bytes:
    argv = ["systemctl", "is-active", f"chautari-run-{run}.service"]
    said = subprocess.run(argv, check=False, stdin=subprocess.DEVNULL, capture_output=True).stdout
    return said.strip()


def _failed_checks(file: Path) -> int:
    checks = (journal.read(line) for line in journal.lines(file) if b'"check"' in line)
    return sum(event.get("outcome") == "failed" for event in checks)


def _forget_leftovers(run: str) -> None:
    """Delete the secrets of other runs that were killed before they could do it."""
    for path in MEMORY.glob("*"):
        if not RUN_ID.fullmatch(path.name) or path.name == run or _unit_is_active(path.name):
            continue
        # A clock that was set back keeps nothing for ever; who was refused deletes it himself.
        with contextlib.suppress(FileNotFoundError):
            if abs(time.time() - path.stat().st_mtime) > LEFTOVER_SECONDS:
                shutil.rmtree(path, ignore_errors=True)


def _places(run: str) -> tuple[Path, Path]:
    return STATE / "runs" / run, MEMORY / run


def _secrets(place: Path) -> list[str]:
    return journal.read_secrets(_places(place.name)[1] / "secrets.json")


def _append(place: Path, event: dict[str, Any]) -> None:
    journal.append(place / "events.jsonl", event, _secrets(place))


def _say(event: dict[str, Any]) -> None:
    print(json.dumps(event), flush=True)

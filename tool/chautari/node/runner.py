"""Run one deploy on the node, independent of the connection that started it.

The code arrives on the standard input of one SSH command, so nothing has to be installed and it is
always that of the deploying side. `start` unpacks the bundle, hands the work to a transient systemd
unit and follows its events; when the connection drops, only the following ends. The worker and all
its children hold a lock while they live; the kernel frees it when the last of them exits.

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
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from chautari.node import (
    audit_log,
    converge,
    download_ahead,
    dpkg_repair,
    dry_run,
    lock,
    logged_process,
    old_formats,
    process_ancestry,
    run_journal,
    runs,
)
from chautari.node.bundle import unpack_bundle
from chautari.node.drift_installer import install_drift_code
from chautari.node.events import JOURNAL_FORMAT, Reason, RunEvent, make_reason
from chautari.node.installed_packages import installed_packages_event
from chautari.node.runs import DEPLOY, DOWNLOAD, PLAN, RUN_ID

STATE = Path("/var/lib/chautari")
MEMORY = Path("/run/chautari")
VENV = Path("/opt/chautari/venv")
WORKER = (
    # No semicolon: systemd warns of the way its own systemd-run writes one.
    "import sys\nsys.path.insert(0, sys.argv[1])\nfrom chautari.node import runner\n"
    "sys.exit(runner.run_worker(sys.argv[2]))"
)
BUSY = 75  # EX_TEMPFAIL of sysexits.h: another run holds the lock, try again later
POLL_SECONDS = 0.2
# A journal that grows has a writer. To query systemd with each look costs a tenth of a deploy.
UNIT_QUERY_SECONDS = 2.0
HEARTBEAT_SECONDS = 15.0
# A newer folder in memory may belong to another operator's run that is about to start.
LEFTOVER_SECONDS = 60.0
FULL_DISK_BYTES = 100_000  # with less free space than this, no journal goes on for long

Request = Mapping[str, Any]  # of a run, as the control side sends it; see runs.PUBLIC_KEYS


def main(arguments: Request, payload: IO[bytes]) -> int:
    """Start or follow a run, or report how the last deploy ended; return the exit code."""
    if arguments["action"] == "status":
        _print_event(runs.status_answer(STATE))
        return 0
    run = arguments.get("run") or runs.newest_run(STATE)
    if not run:
        return _report_refusal(make_reason("no_run"))
    valid, starts = RUN_ID.fullmatch(run), arguments["action"] == "start"
    if starts:
        # "unknown_run" makes the control side send a start again: an invalid id stays invalid.
        return (
            start_and_follow_worker(run, arguments, payload.read())
            if valid
            else _report_refusal(make_reason("invalid_run"))
        )
    if not valid or not _folders_of_run(run)[0].is_dir():
        return _report_refusal(
            make_reason("unknown_run", run=run, known=runs.run_ids(STATE)[-runs.KEPT_RUNS :])
        )
    if arguments.get("detach"):
        return wait_until_started(run)
    return follow_run(run, int(arguments.get("offset", 0)))


def _report_refusal(reason: Reason) -> int:
    _print_event({"event": "refused", "reason": reason})
    return 1


def start_and_follow_worker(run: str, arguments: Request, bundle: bytes) -> int:
    """Unpack `bundle`, start the worker as a unit of its own and follow it."""
    if hashlib.sha256(bundle).hexdigest() != arguments["sha256"]:
        return _report_refusal(make_reason("bundle_damaged"))
    if holder := lock.lock_holder():
        _print_event({"event": "busy", "holder": holder})
        return BUSY
    place, memory = _folders_of_run(run)
    try:
        place.mkdir(parents=True, exist_ok=True)
        unpack_bundle(bundle, memory)
        about = {**arguments, "login": process_ancestry.own_and_ancestor_pids()}
        (place / "about.json").write_text(json.dumps(about))
        # An earlier start of this run may have been refused, and have left its event here.
        (place / "events.jsonl").unlink(missing_ok=True)
    except OSError as error:
        return _refuse_and_clean_up(run, make_reason("run_not_recorded", error=str(error)))
    if error_text := _start_unit_and_return_error(run, memory):
        return _refuse_and_clean_up(run, make_reason("unit_not_started", error=error_text))
    return wait_until_started(run) if arguments.get("detach") else follow_run(run, 0)


def _refuse_and_clean_up(run: str, reason: Reason) -> int:
    """Refuse a run that did not begin and delete its folders; return the exit code.

    They hold secrets, and would be read as those of the newest run.
    """
    for folder in _folders_of_run(run):
        shutil.rmtree(folder, ignore_errors=True)
    return _report_refusal(reason)


def _start_unit_and_return_error(run: str, memory: Path) -> str:
    """Start the worker as a unit of its own; return why that failed, empty when it is started."""
    argv = [
        "systemd-run", "--quiet", "--collect", f"--unit=chautari-run-{run}",
        # By default the command, with line ends that systemd 252 warns of again and again.
        f"--description=Chautari's run {run}",
        "--setenv=LANG=C.UTF-8", "--property=KillMode=mixed", "--property=TimeoutStopSec=20",
        sys.executable, "-I", "-c", WORKER, str(memory / "lib"), run,
    ]  # fmt: skip
    try:
        done = subprocess.run(argv, check=False, stdin=subprocess.DEVNULL, capture_output=True)
        # A start that was sent twice may find its unit active, which needs its files.
        if not done.returncode or _unit_state(run) in (b"active", b"activating"):
            return ""
    except OSError as error:
        return str(error)
    output = " ".join(done.stderr.decode(errors="replace").split())
    return output or f"systemd-run exited with code {done.returncode}"


def run_worker(run: str) -> int:
    """Hold the lock, do the run's work and record how it ended. Runs inside the transient unit."""
    place, memory = _folders_of_run(run)
    try:
        # systemd stops a unit with SIGTERM: exit as after an error, so that it is recorded.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        request = old_formats.upgrade_request(json.loads((place / "about.json").read_text()))
        with lock.hold_lock_or_yield_holder(dict(runs.public_request_fields(request))) as holder:
            if holder:
                _append_event(place, {"event": "busy", "holder": holder})
                return BUSY
            return 0 if _run_and_record(place, memory, request) else 1
    finally:
        # However it ended, also before it began: no secret outlives the run.
        shutil.rmtree(memory, ignore_errors=True)


def _run_and_record(run_folder: Path, memory: Path, request: Request) -> bool:
    """Do the run's work, record its beginning and its ending, and return whether it succeeded."""
    began, run = time.time(), run_folder.name
    started = {"event": "run_started", "run": run, "time": began, "format": JOURNAL_FORMAT}
    _append_event(run_folder, started | runs.public_request_fields(request))
    ok, last = False, list[RunEvent]()
    try:
        _delete_secrets_of_killed_runs(run)
        audit_log.record_run(STATE, request)
        ok = _do_requested_work(run_folder, memory, request, began)
    except SystemExit:
        last = [{"event": "run_terminated"}]
        raise
    except Exception as error:
        # The unit's own journal has the traceback.
        message = run_journal.mask_secrets(
            f"{type(error).__name__}: {error}", _read_run_secrets(run_folder)
        )
        last = [{"event": "run_crashed", "message": message}]
        raise
    finally:
        # The rest is short; a SIGTERM now would cost the ending.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        shutil.rmtree(memory, ignore_errors=True)
        _delete_unneeded_files(run_folder)
        # A listener leaves at the ending and may ask again at once, so it comes last. Both events
        # follow the tidying, which may have made room for them.
        for event in (*last, _finished_event(run_folder, ok, began)):
            _append_event(run_folder, event)
    return ok


def _finished_event(run_folder: Path, ok: bool, began: float) -> RunEvent:
    seconds = round(time.time() - began, 2)
    failed = _count_failed_checks(run_folder / "events.jsonl")
    return {
        "event": "run_finished", "ok": ok, "failed_checks": failed, "seconds": seconds,
        "audit": audit_log.last_lines(),
    }  # fmt: skip


def _delete_unneeded_files(run_folder: Path) -> None:
    """Delete what is not needed any more; an error here must not cost the run its ending."""
    with contextlib.suppress(OSError):
        run_journal.shorten_log_file(run_folder / "log")
    with contextlib.suppress(OSError):
        _delete_secrets_of_killed_runs(run_folder.name)
    with contextlib.suppress(OSError):
        runs.prune_runs(STATE, keep=run_folder.name)


def _do_requested_work(run_folder: Path, memory: Path, request: Request, began: float) -> bool:
    """Do what the run's mode asks for and return whether it succeeded."""
    mode = request.get("mode", DEPLOY)
    if mode == PLAN:
        return report_plan(run_folder, memory, request)
    if mode == DOWNLOAD:
        return try_to_download_for_next_deploy(run_folder, memory, request)
    if mode == DEPLOY and not try_to_converge(run_folder, memory, request):
        return False
    if request.get("checks", True):
        run_checks(run_folder, memory, began)
    return True


def try_to_converge(run_folder: Path, memory: Path, request: Request) -> bool:
    """Run the roles that have to run; the callback plugin writes their events."""
    context = _run_context(run_folder, memory, request, [])
    if holder := lock.apt_lock_holder():
        context.emit({"event": "apt_locked", "holder": holder})
    full = bool(request.get("full"))
    idle = converge.is_up_to_date(context, full)
    code = 0 if idle or request.get("interrupt_meetings") else converge.run_in_use_tasks(context)
    if not code and not idle:
        dpkg_repair.repair_dpkg(
            lambda argv: _run_logged(argv, run_folder, memory, {}), context.emit
        )
    code = code or converge.remove_roles(context, purge=bool(request.get("purge")))
    code = code or converge.converge(context, full)
    install_drift_code(STATE, memory, run_folder.name)
    if code:
        log = logged_process.log_tail(run_folder / "log")
        context.emit({"event": "playbook_failed", "code": code, "log": log})
    else:
        context.emit(installed_packages_event(STATE))
    return code == 0


def report_plan(run_folder: Path, memory: Path, request: Request) -> bool:
    """Report which roles would run, and what Ansible's check mode says they would change."""
    context = _run_context(run_folder, memory, request, ["--check", "--diff"])
    full = bool(request.get("full"))
    dry_run.report_dry_run(context, full, lambda: logged_process.log_tail(run_folder / "log"))
    return True


def try_to_download_for_next_deploy(run_folder: Path, memory: Path, request: Request) -> bool:
    """Download what the next deploy needs; no role runs."""
    # The events and the log of the dry run, which finds the packages, are of no use to people.
    aside = memory / "dry_run" / run_folder.name
    aside.mkdir(parents=True, exist_ok=True)
    return download_ahead.try_to_download_for_roles_to_run(
        _run_context(run_folder, memory, request, []),
        _run_context(aside, memory, request, ["--check"]),
        lambda argv: _run_logged(argv, run_folder, memory, {}),
        lambda: logged_process.log_tail(run_folder / "log"),
        bool(request.get("full")),
    )


def _run_context(
    run_folder: Path, memory: Path, request: Request, arguments: list[str]
) -> converge.RunContext:
    # Rendered templates pass through Ansible's temporary folders: keep them in memory, too.
    folder = str(memory / "tmp")
    environment = {
        "ANSIBLE_LOCAL_TEMP": folder,
        "ANSIBLE_REMOTE_TEMP": folder,
        "CHAUTARI_CHECKING": "yes" if arguments else "no",
        "CHAUTARI_EVENTS": str(run_folder / "events.jsonl"),
        "CHAUTARI_LOGIN": " ".join(map(str, request.get("login", []))),
        "CHAUTARI_MANAGED": str(memory / "managed.jsonl"),
        "CHAUTARI_SECRETS": str(memory / "secrets.json"),
        "CHAUTARI_STATE": str(STATE),
        "PYTHONPATH": str(memory / "lib"),
    }

    def emit(event: RunEvent) -> None:
        _append_event(run_folder, event)

    def ansible(playbook: str) -> int:
        argv = [str(VENV / "bin" / "ansible-playbook"), playbook, *arguments]
        faster = {} if request.get("plain") else _mitogen_settings()
        before = _count_started_roles(run_folder)
        code = _run_logged(argv, run_folder, memory, environment | faster)
        if code and faster and _count_started_roles(run_folder) == before:
            # Mitogen follows Ansible's releases with a delay; no role has begun yet.
            emit({"event": "mitogen_fallback", "log": logged_process.log_tail(run_folder / "log")})
            code = _run_logged(argv, run_folder, memory, environment)
        return code

    return converge.RunContext(STATE, memory, request["run"], ansible, emit)


def _mitogen_settings() -> dict[str, str]:
    """Return the settings that let Mitogen run the tasks, which takes a third of the time."""
    plugins = sorted(VENV.glob("lib/python3*/site-packages/ansible_mitogen/plugins/strategy"))
    if not plugins:
        return {}
    return {"ANSIBLE_STRATEGY": "mitogen_linear", "ANSIBLE_STRATEGY_PLUGINS": str(plugins[-1])}


def _count_started_roles(run_folder: Path) -> int:
    return sum(
        b'"role_started"' in line
        for line in run_journal.read_lines_from(run_folder / "events.jsonl")
    )


def run_checks(run_folder: Path, memory: Path, began: float) -> None:
    """Run the checks of the node's roles; each writes its own event."""
    settings = json.loads((memory / "settings.json").read_text())
    # Seconds since the epoch: the run may have changed the machine's time zone.
    (memory / "settings.json").write_text(json.dumps(settings | {"since": f"@{int(began)}"}))
    # The bundle also holds roles that are only removed.
    roles = [inputs["role"] for inputs in json.loads((memory / "roles.json").read_text())]
    tests = (memory / "roles" / role / "checks" / "test_inside.py" for role in roles)
    files = sorted(str(path) for path in tests if path.is_file())
    argv = [
        str(VENV / "bin" / "python"), "-m", "pytest", "-q", "-p", "no:cacheprovider",
        "-p", "chautari.checks.inside", "--import-mode=importlib", "--hosts=local://",
        "--rootdir", str(memory), *files,
    ]  # fmt: skip
    extra = {
        "PYTHONPATH": str(memory / "lib"),
        "CHAUTARI_RESULTS": str(run_folder / "events.jsonl"),
        "CHAUTARI_SECRETS": str(memory / "secrets.json"),
        "CHAUTARI_SETTINGS": str(memory / "settings.json"),
    }
    code = _run_logged(argv, run_folder, memory, extra)
    # 0 all passed, 1 some failed: each has its event. Any other code means that none ran.
    if code not in (0, 1):
        log = logged_process.log_tail(run_folder / "log")
        _append_event(run_folder, {"event": "checks_errored", "code": code, "log": log})


def _run_logged(argv: list[str], run_folder: Path, memory: Path, extra: dict[str, str]) -> int:
    # Children hold the lock as well: when only the runner dies, no other run begins before systemd
    # has ended the rest.
    descriptors = tuple(lock.lock_descriptors)
    return logged_process.run_logged(
        argv,
        run_folder / "log",
        _read_run_secrets(run_folder),
        extra,
        cwd=memory,
        pass_fds=descriptors,
    )


def wait_until_started(run: str) -> int:
    """Wait until `run` has begun or was refused; return the exit code."""
    for event in _follow_journal(run, _folders_of_run(run)[0] / "events.jsonl", 0):
        if event["event"] == "run_started":
            _print_event({"event": "run_detached", "run": run})
            return 0
        if event["event"] in ("busy", "run_lost"):
            _print_event(event)
            return BUSY if event["event"] == "busy" else 1
    return 1


def follow_run(run: str, offset: int) -> int:
    """Print the events of `run` from byte `offset` on until it ends; return its exit code."""
    place, _ = _folders_of_run(run)
    code = 1
    for event in _follow_journal(run, place / "events.jsonl", offset):
        _print_event(event)
        if event["event"] == "run_finished":
            code = 0 if event["ok"] else 1
        elif event["event"] == "busy":
            code = BUSY
    return code


def _follow_journal(run: str, file: Path, offset: int) -> Iterator[Mapping[str, Any]]:
    position, gone = offset, 0
    spoke = queried = time.monotonic()
    while True:
        if gone or time.monotonic() - max(spoke, queried) > UNIT_QUERY_SECONDS:
            # Ask before reading: a unit that ended meanwhile has written all it will write.
            gone, queried = 0 if _unit_is_active(run) else gone + 1, time.monotonic()
        parse = run_journal.select_event_parser(file)
        for line in run_journal.read_lines_from(file, position):
            position += len(line)
            spoke = time.monotonic()
            event = parse(line)
            yield {**event, "offset": position}
            if event["event"] in ("run_finished", "busy"):
                return
        if gone > 1:  # the unit was inactive twice, and the journal was read after that
            yield {"event": "run_lost", "run": run, "full_folder": _find_folder_on_full_disk()}
            return
        if time.monotonic() - spoke > HEARTBEAT_SECONDS:
            spoke = time.monotonic()
            yield {"event": "heartbeat", "offset": position}
        time.sleep(POLL_SECONDS)


def _find_folder_on_full_disk() -> str:
    """Return a folder of the run whose disk is full; empty when none is."""
    for folder in (STATE, MEMORY):
        with contextlib.suppress(OSError):
            there = os.statvfs(folder)
            free = there.f_bavail * there.f_frsize
            # File systems that do not count files report 0 of 0 as free.
            if free < FULL_DISK_BYTES or (there.f_files and not there.f_favail):
                return str(folder)
    return ""


def _unit_is_active(run: str) -> bool:
    # A unit that is stopping still writes, and systemctl may fail to answer.
    return _unit_state(run) not in (b"inactive", b"failed", b"unknown")


def _unit_state(run: str) -> bytes:
    argv = ["systemctl", "is-active", f"chautari-run-{run}.service"]
    done = subprocess.run(argv, check=False, stdin=subprocess.DEVNULL, capture_output=True)
    return done.stdout.strip()


def _count_failed_checks(file: Path) -> int:
    lines = run_journal.read_lines_from(file)
    checks = (run_journal.parse_event(line) for line in lines if b'"check"' in line)
    return sum(event.get("outcome") == "failed" for event in checks)


def _delete_secrets_of_killed_runs(run: str) -> None:
    """Delete the secrets of other runs that were killed before they could do so."""
    for path in MEMORY.glob("*"):
        if not RUN_ID.fullmatch(path.name) or path.name == run or _unit_is_active(path.name):
            continue
        # The difference is absolute, so a clock that was set back keeps no folder for ever.
        with contextlib.suppress(FileNotFoundError):
            if abs(time.time() - path.stat().st_mtime) > LEFTOVER_SECONDS:
                shutil.rmtree(path, ignore_errors=True)


def _folders_of_run(run: str) -> tuple[Path, Path]:
    return STATE / "runs" / run, MEMORY / run


def _read_run_secrets(run_folder: Path) -> list[str]:
    return run_journal.read_secret_spellings(_folders_of_run(run_folder.name)[1] / "secrets.json")


def _append_event(run_folder: Path, event: Mapping[str, Any]) -> None:
    run_journal.append_event(run_folder / "events.jsonl", event, _read_run_secrets(run_folder))


def _print_event(event: Mapping[str, Any]) -> None:
    print(json.dumps(event), flush=True)

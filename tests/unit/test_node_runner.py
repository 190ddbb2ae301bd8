"""The runner on the node: what it unpacks, who holds its lock, how a run is followed."""

import errno
import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from receipt_samples import inputs, written
from region_samples import ROOT

from chautari.node import lock, main, runner, runs
from chautari.node.bundle import unpack

RUN = "20261123T120000-abcdef"
OLD = "20261122T120000-abcdef"
LATER = "20261123T115959-fedcba"
ABOUT = {
    "run": RUN, "operator": "ana", "origin": "laptop", "region": "andes", "node": "bog1",
    "mode": "deploy", "full": False,
}  # fmt: skip
HOLD = """
import sys, time
from pathlib import Path
from chautari.node import lock
state = Path(sys.argv[1])
lock.LOCK, lock.HOLDER = state / "lock", state / "holder.json"
with lock.locked({"run": sys.argv[2], "operator": "luz", "origin": "cusco"}) as holder:
    print("holds" if holder is None else holder, flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    state = tmp_path / "state"
    state.mkdir()
    monkeypatch.setattr(runner, "STATE", state)
    monkeypatch.setattr(main, "STATE", state)
    monkeypatch.setattr(runner, "MEMORY", tmp_path / "memory")
    monkeypatch.setattr(lock, "LOCK", state / "lock")
    monkeypatch.setattr(lock, "HOLDER", state / "holder.json")
    monkeypatch.setattr(runner, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(runner, "_unit_is_active", lambda _: False)
    # The runner sets its own.
    mask, handler = os.umask(0o022), signal.getsignal(signal.SIGTERM)
    yield state
    os.umask(mask)
    signal.signal(signal.SIGTERM, handler)


def begun(state: Path, run: str = RUN, *events: dict[str, Any]) -> Path:
    folder = state / "runs" / run
    folder.mkdir(parents=True)
    (folder / "about.json").write_text(json.dumps(ABOUT | {"run": run, "sha256": "x"}))
    if events:
        lines = "".join(json.dumps(event) + "\n" for event in events)
        (folder / "events.jsonl").write_text(lines)
    return folder


def bundle(*members: tuple[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, kind in members:
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname, entry.size = kind, "/etc/passwd", 0
            content = b""
            if kind == tarfile.REGTYPE:
                content = b"content"
                entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def said(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_unpack_writes_plain_files_for_root_alone(tmp_path: Path) -> None:
    folder = tmp_path / "memory" / RUN
    before = os.umask(0o077)
    try:
        unpack(bundle(("a", tarfile.REGTYPE), ("b/c", tarfile.REGTYPE)), folder)
    finally:
        os.umask(before)
    assert (folder / "b" / "c").read_bytes() == b"content"
    modes = [oct(path.stat().st_mode & 0o777) for path in (folder, folder / "b", folder / "a")]
    assert modes == ["0o700", "0o700", "0o600"]


def test_unpack_begins_with_an_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "leftover").touch()
    unpack(bundle(("a", tarfile.REGTYPE)), tmp_path / "x")
    assert [path.name for path in (tmp_path / "x").iterdir()] == ["a"]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("../outside", tarfile.REGTYPE),
        ("a/../../outside", tarfile.REGTYPE),
        ("/tmp/chautari-outside", tarfile.REGTYPE),
        (".", tarfile.REGTYPE),
        ("link", tarfile.SYMTYPE),
        ("hard", tarfile.LNKTYPE),
        ("device", tarfile.CHRTYPE),
        ("block", tarfile.BLKTYPE),
        ("pipe", tarfile.FIFOTYPE),
        ("folder", tarfile.DIRTYPE),
    ],
)
def test_unpack_refuses_what_is_no_plain_file_inside(
    name: str, kind: bytes, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="does not belong in a bundle"):
        unpack(bundle((name, kind)), tmp_path / "in" / "x")
    assert not (tmp_path / "in" / "outside").exists()
    assert not Path("/tmp/chautari-outside").exists()
    assert list((tmp_path / "in" / "x").iterdir()) == []


def test_damaged_bundle_is_refused_before_it_is_unpacked(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ABOUT | {"action": "start", "sha256": hashlib.sha256(b"sent").hexdigest()}
    assert runner.main(arguments, io.BytesIO(b"arrived")) == 1
    reason = {"code": "bundle_damaged", "data": {}}
    assert said(capsys) == [{"event": "refused", "reason": reason}]
    assert not runner.MEMORY.exists()
    assert not (place / "runs").exists()


def test_run_that_cannot_be_written_down_is_refused_and_leaves_nothing(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "/x")

    monkeypatch.setattr(runner, "unpack", full)
    sent = b"sent"
    arguments = ABOUT | {"action": "start", "sha256": hashlib.sha256(sent).hexdigest()}
    assert runner.main(arguments, io.BytesIO(sent)) == 1
    [told] = said(capsys)
    assert (
        told["event"] == "refused"
        and "No space left on device: '/x'" in told["reason"]["data"]["error"]
    )
    assert list((place / "runs").iterdir()) == []


@pytest.mark.parametrize("run", ["", "../../etc", "20261123T120000-abcde/", None])
def test_run_that_is_no_run_is_refused(run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert runner.main({"action": "attach", "run": run}, io.BytesIO()) == 1
    assert said(capsys)[0]["event"] == "refused"


def test_attaching_to_a_run_that_never_began_is_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert runner.main({"action": "attach", "run": RUN}, io.BytesIO()) == 1
    assert said(capsys)[0]["reason"]["data"] == {"run": RUN, "known": []}


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def other(place: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(place), OLD],
        stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": str(ROOT / "tool")},
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "holds\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


@pytest.mark.usefixtures("other")
def test_lock_has_one_holder_who_is_told() -> None:
    with lock.locked(ABOUT) as holder:
        assert holder is not None
        assert (holder["operator"], holder["origin"], holder["run"]) == ("luz", "cusco", OLD)
        assert abs(holder["since"] - time.time()) < 60


@pytest.mark.usefixtures("other")
def test_second_start_is_refused_before_anything_is_unpacked(
    capsys: pytest.CaptureFixture[str],
) -> None:
    packed = bundle(("a", tarfile.REGTYPE))
    arguments = ABOUT | {"action": "start", "sha256": hashlib.sha256(packed).hexdigest()}
    assert runner.main(arguments, io.BytesIO(packed)) == runner.BUSY
    [event] = said(capsys)
    assert (event["event"], event["holder"]["operator"]) == ("busy", "luz")
    assert not runner.MEMORY.exists()


def test_lock_is_free_at_once_after_its_holder_was_killed(other: subprocess.Popen[str]) -> None:
    other.send_signal(signal.SIGKILL)
    other.wait()
    assert lock.holder() is None
    with lock.locked(ABOUT) as holder:
        assert holder is None


def test_lock_is_free_again_after_its_holder_s_end() -> None:
    with lock.locked(ABOUT):
        assert json.loads(lock.HOLDER.read_text())["operator"] == "ana"
    assert not lock.HOLDER.exists()
    assert lock.holder() is None


def test_asking_who_is_at_work_does_not_make_the_node_busy(place: Path) -> None:
    asking = lock.LOCK.open("a")
    lock.fcntl.flock(asking, lock.fcntl.LOCK_SH)
    threading.Timer(0.1, asking.close).start()
    with lock.locked(ABOUT) as holder:
        assert holder is None


def test_worker_that_finds_the_lock_taken_says_so_and_keeps_no_secret(
    place: Path, other: subprocess.Popen[str]
) -> None:
    folder = begun(place)
    (runner.MEMORY / RUN).mkdir(parents=True)
    assert runner.run_worker(RUN) == runner.BUSY
    assert json.loads((folder / "events.jsonl").read_text())["event"] == "busy"
    assert not (runner.MEMORY / RUN).exists()
    assert other.poll() is None


def test_worker_records_beginning_and_end_and_deletes_the_secrets(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = begun(place)
    (runner.MEMORY / RUN).mkdir(parents=True)
    monkeypatch.setattr(runner, "converge_node", lambda *_: True)
    monkeypatch.setattr(runner, "run_checks", lambda *_: None)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    assert runner.run_worker(RUN) == 0
    first, last = map(json.loads, (folder / "events.jsonl").read_text().splitlines())
    assert (first["event"], first["operator"], last["event"], last["ok"]) == (
        "run_started", "ana", "run_finished", True,
    )  # fmt: skip
    assert first["sha256"] == "x"  # by it the same command knows its run again
    assert not (runner.MEMORY / RUN).exists()


@pytest.mark.parametrize("stage", ["converge_node", "run_checks"])
def test_worker_that_breaks_still_records_its_end(
    stage: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = begun(place)

    def broken(*_: Any) -> bool:
        raise SystemExit(143)

    monkeypatch.setattr(runner, "converge_node", lambda *_: True)
    monkeypatch.setattr(runner, stage, broken)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    with pytest.raises(SystemExit):
        runner.run_worker(RUN)
    *_, told, last = map(json.loads, _lines(folder / "events.jsonl"))
    assert (told["event"], last["event"], last["ok"]) == ("run_terminated", "run_finished", False)


def test_worker_that_nobody_expected_to_break_says_of_what(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = begun(place)

    def broken(*_: Any) -> bool:
        raise OSError(errno.EIO, "Input/output error", "/etc/x")

    monkeypatch.setattr(runner, "converge_node", broken)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    with pytest.raises(OSError, match="/etc/x"):
        runner.run_worker(RUN)
    *_, told, last = map(json.loads, _lines(folder / "events.jsonl"))
    assert told["event"] == "run_crashed"
    assert told["message"] == "OSError: [Errno 5] Input/output error: '/etc/x'"
    assert (last["event"], last["ok"]) == ("run_finished", False)


def test_line_that_is_spoiled_ends_neither_the_run_nor_who_follows(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = begun(place)

    def spoiled(*_: Any) -> bool:
        with (folder / "events.jsonl").open("a") as stream:
            stream.write('{"event": "check", "outco{"event": "check"}\n')
        return True

    monkeypatch.setattr(runner, "converge_node", spoiled)
    monkeypatch.setattr(runner, "run_checks", lambda *_: None)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    assert runner.run_worker(RUN) == 0
    assert runner.follow(RUN, 0) == 0
    assert [event["event"] for event in said(capsys)][-2:] == ["malformed", "run_finished"]
    assert runs.status(place)["finished"]["ok"] is True


def test_secrets_of_a_killed_run_are_deleted_by_the_next(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun(place)
    for run in (OLD, RUN, LATER):
        (runner.MEMORY / run).mkdir(parents=True)
    os.utime(runner.MEMORY / OLD, (0, time.time() - 2 * runner.LEFTOVER_SECONDS))
    monkeypatch.setattr(runner, "converge_node", lambda *_: False)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    assert runner.run_worker(RUN) == 1
    # What was unpacked just now is another operator's, who will be told who is at work.
    assert [path.name for path in runner.MEMORY.iterdir()] == [LATER]


def test_leftover_that_was_too_young_is_deleted_when_the_run_ends(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun(place)
    for run in (OLD, RUN):
        (runner.MEMORY / run).mkdir(parents=True)
    monkeypatch.setattr(
        runner, "converge_node", lambda *_: bool(os.utime(runner.MEMORY / OLD, (0, 0)))
    )
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    assert runner.run_worker(RUN) == 1
    assert list(runner.MEMORY.iterdir()) == []


@pytest.mark.parametrize(
    ("event", "action"),
    [
        ("playbook_failed", "converge"), ("dry_run_incomplete", "plan"),
        ("mitogen_fallback", "converge"), ("checks_errored", "check"),
    ],
)  # fmt: skip
def test_what_ansible_said_is_told_without_secrets(
    event: str, action: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, memory = begun(place), runner.MEMORY / RUN
    for name, data in {
        "secrets": ["canary-secret"], "roles": [inputs("a")], "settings": {},
        "plays": {"a": {"hosts": "all", "roles": ["a"]}},
    }.items():  # fmt: skip
        written(memory / f"{name}.json", json.dumps(data))
    written(memory / "lib" / "x", "")
    program = "#!/bin/sh\necho 'password: canary-secret'; exit 4\n"
    for name in ("ansible-playbook", "python"):
        written(place / "venv" / "bin" / name, program, 0o755)
    monkeypatch.setattr(runner, "VENV", place / "venv")
    monkeypatch.setattr(runner, "_mitogen_settings", lambda: {"ANSIBLE_STRATEGY": "x"})
    about = {"run": RUN}
    {
        "converge": lambda: runner.converge_node(folder, memory, about),
        "plan": lambda: runner.plan(folder, memory, about),
        "check": lambda: runner.run_checks(folder, memory, 0.0),
    }[action]()
    told = {line["event"]: line for line in map(json.loads, _lines(folder / "events.jsonl"))}
    assert told[event]["log"][0] == "password: ********"
    assert "canary" not in (folder / "events.jsonl").read_text() + (folder / "log").read_text()


def _lines(file: Path) -> list[str]:
    return file.read_text().splitlines()

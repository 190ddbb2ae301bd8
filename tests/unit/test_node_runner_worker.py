"""The worker of a run: its start, its end, their order, and the deletion of secrets."""

import errno
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from receipt_samples import write_file
from run_samples import ENDED, LATER, OLD, RUN, STARTED, printed_events, write_run

from chautari.node import lock, run_journal, runner, runs

pytestmark = pytest.mark.usefixtures("node_state")
# Ids later than that of the run, as after the clock was set back; the run has to stay.
MANY = [f"20261201T1200{number:02}-abcdef" for number in range(runs.KEPT_RUNS + 5)]
NO_ROOM = OSError(errno.ENOSPC, "No space left on device")


def raise_disk_full(*_: Any, **__: Any) -> None:
    raise NO_ROOM


def events(node_state: Path) -> list[dict[str, Any]]:
    file = node_state / "runs" / RUN / "events.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()]


def secrets() -> Path:
    write_file(runner.MEMORY / RUN / "secrets.json", '["canary-secret"]')
    return runner.MEMORY / RUN


@pytest.fixture
def old_runs(node_state: Path) -> list[str]:
    for run in MANY:
        write_run(node_state, run, STARTED, ENDED)
    return MANY


def test_worker_on_a_busy_node_reports_it_and_keeps_no_secret(
    node_state: Path, lock_holder: subprocess.Popen[str]
) -> None:
    write_run(node_state)
    (runner.MEMORY / RUN).mkdir(parents=True)
    assert runner.run_worker(RUN) == runner.BUSY
    assert [event["event"] for event in events(node_state)] == ["busy"]
    assert not (runner.MEMORY / RUN).exists()
    assert lock_holder.poll() is None


def test_worker_records_start_and_end_and_deletes_the_secrets(
    node_state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_run(node_state)
    (runner.MEMORY / RUN).mkdir(parents=True)
    monkeypatch.setattr(runner, "try_to_converge", lambda *_: True)
    monkeypatch.setattr(runner, "run_checks", lambda *_: None)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    assert runner.run_worker(RUN) == 0
    first, last = events(node_state)
    assert (first["event"], first["operator"], last["event"], last["ok"]) == (
        "run_started", "ana", "run_finished", True,
    )  # fmt: skip
    assert first["sha256"] == "x"  # by it the same command knows its run again
    assert not (runner.MEMORY / RUN).exists()


def test_command_of_the_worker_has_no_semicolon() -> None:
    """systemd-run writes it as `\\;` into the unit, and warns of it in the journal: Missing '='."""
    assert ";" not in runner.WORKER


@pytest.mark.parametrize("stage", ["try_to_converge", "run_checks"])
def test_terminated_worker_records_its_end(
    stage: str, node_state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_run(node_state)

    def broken(*_: Any) -> bool:
        raise SystemExit(143)

    monkeypatch.setattr(runner, "try_to_converge", lambda *_: True)
    monkeypatch.setattr(runner, stage, broken)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    with pytest.raises(SystemExit):
        runner.run_worker(RUN)
    *_, ended, last = events(node_state)
    assert (ended["event"], last["event"], last["ok"]) == ("run_terminated", "run_finished", False)


def test_crashed_worker_records_the_error(
    node_state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_run(node_state)

    def broken(*_: Any) -> bool:
        raise OSError(errno.EIO, "Input/output error", "/etc/x")

    monkeypatch.setattr(runner, "try_to_converge", broken)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    with pytest.raises(OSError, match="/etc/x"):
        runner.run_worker(RUN)
    *_, ended, last = events(node_state)
    assert ended["event"] == "run_crashed"
    assert ended["message"] == "OSError: [Errno 5] Input/output error: '/etc/x'"
    assert (last["event"], last["ok"]) == ("run_finished", False)


def test_malformed_line_ends_neither_the_run_nor_its_follower(
    node_state: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_run(node_state)

    def spoiled(*_: Any) -> bool:
        with (folder / "events.jsonl").open("a") as stream:
            stream.write('{"event": "check", "outco{"event": "check"}\n')
        return True

    monkeypatch.setattr(runner, "try_to_converge", spoiled)
    monkeypatch.setattr(runner, "run_checks", lambda *_: None)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    assert runner.run_worker(RUN) == 0
    assert runner.follow_run(RUN, 0) == 0
    assert [event["event"] for event in printed_events(capsys)][-2:] == [
        "malformed",
        "run_finished",
    ]
    assert runs.status_answer(node_state)["finished"]["ok"] is True


def test_worker_deletes_the_secrets_of_a_killed_run(
    node_state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_run(node_state)
    for run in (OLD, RUN, LATER):
        (runner.MEMORY / run).mkdir(parents=True)
    os.utime(runner.MEMORY / OLD, (0, time.time() - 2 * runner.LEFTOVER_SECONDS))
    monkeypatch.setattr(runner, "try_to_converge", lambda *_: False)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    assert runner.run_worker(RUN) == 1
    # A bundle that was unpacked just now belongs to another operator, who will be refused.
    assert [path.name for path in runner.MEMORY.iterdir()] == [LATER]


def test_worker_deletes_a_leftover_that_grew_old_during_the_run(
    node_state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_run(node_state)
    for run in (OLD, RUN):
        (runner.MEMORY / run).mkdir(parents=True)
    monkeypatch.setattr(
        runner, "try_to_converge", lambda *_: bool(os.utime(runner.MEMORY / OLD, (0, 0)))
    )
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    assert runner.run_worker(RUN) == 1
    assert list(runner.MEMORY.iterdir()) == []


@pytest.mark.usefixtures("old_runs")
def test_worker_records_the_end_after_tidying_up(
    node_state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A leftover of the last minute: it stays at the start of the run, and is deleted at its end.
    folder, leftover = write_run(node_state), runner.MEMORY / OLD
    (folder / "log").write_text("x" * (run_journal.LOG_BYTES + 100))
    leftover.mkdir(parents=True)
    monkeypatch.setattr(runner, "_do_requested_work", lambda *_: os.utime(leftover, (0, 0)) is None)
    append, seen = runner._append_event, list[Any]()

    def append_and_look(place: Path, event: dict[str, Any]) -> None:
        if event["event"] == "run_finished":
            stored_runs = len(runs.run_ids(runner.STATE))
            seen.extend([stored_runs, leftover.exists(), b"[cut]" in (folder / "log").read_bytes()])
        append(place, event)

    monkeypatch.setattr(runner, "_append_event", append_and_look)
    assert runner.run_worker(RUN) == 0
    assert seen == [runs.KEPT_RUNS + 1, False, True]
    assert events(node_state)[-1]["event"] == "run_finished"


@pytest.mark.parametrize(
    ("module", "name"),
    [(run_journal, "shorten_log_file"), (runner, "_unit_is_active"), (runs, "prune_runs")],
)
def test_failed_tidying_up_keeps_the_end_event(
    module: Any, name: str, node_state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_run(node_state)
    (runner.MEMORY / OLD).mkdir(parents=True)

    def run_mode(*_: Any) -> bool:
        monkeypatch.setattr(module, name, raise_disk_full)
        return True

    monkeypatch.setattr(runner, "_do_requested_work", run_mode)
    assert runner.run_worker(RUN) == 0
    assert (events(node_state)[-1]["event"], events(node_state)[-1]["ok"]) == ("run_finished", True)


def test_worker_reports_a_full_disk_in_the_space_that_it_frees(
    old_runs: list[str], node_state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_run(node_state)
    secrets()
    append = run_journal.append_event

    def run_mode(*_: Any) -> bool:
        monkeypatch.setattr(run_journal, "append_event", append_with_room)
        raise OSError(errno.ENOSPC, "No space left on device: canary-secret")

    def append_with_room(*given: Any) -> None:
        if len(runs.run_ids(node_state)) > len(old_runs):
            raise NO_ROOM
        append(*given)

    monkeypatch.setattr(runner, "_do_requested_work", run_mode)
    with pytest.raises(OSError, match="canary-secret"):
        runner.run_worker(RUN)
    *_, ended, last = events(node_state)
    assert ended["message"].endswith("No space left on device: ********")
    assert (ended["event"], last["event"], last["ok"]) == ("run_crashed", "run_finished", False)


def test_sigterm_during_tidying_up_keeps_the_end_event(
    node_state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_run(node_state)
    monkeypatch.setattr(runner, "_do_requested_work", lambda *_: True)
    monkeypatch.setattr(
        runner, "_delete_unneeded_files", lambda _: os.kill(os.getpid(), signal.SIGTERM)
    )
    assert runner.run_worker(RUN) == 0
    assert events(node_state)[-1]["ok"] is True


def delete_request(node_state: Path, _: pytest.MonkeyPatch) -> None:
    (node_state / "runs" / RUN / "about.json").unlink()


def fail_holder_file(node_state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "HOLDER", node_state)  # a folder, so writing fails


def fail_start_event(_: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_journal, "append_event", raise_disk_full)


def fail_busy_event(node_state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "_try_lock_with_retries", lambda _: False)
    fail_start_event(node_state, monkeypatch)


def terminate_while_locking(_: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        lock, "_try_lock_with_retries", lambda _: os.kill(os.getpid(), signal.SIGTERM)
    )


@pytest.mark.parametrize(
    "break_start",
    [
        delete_request, fail_holder_file, fail_start_event, fail_busy_event,
        terminate_while_locking,
    ],
)  # fmt: skip
def test_worker_that_cannot_begin_leaves_no_secret(
    break_start: Callable[[Path, pytest.MonkeyPatch], None],
    node_state: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    write_run(node_state)
    bundle = secrets()
    # Without a handler, the signal would end the tests as well.
    signal.signal(signal.SIGTERM, lambda *_: pytest.fail("no handler was set yet"))
    break_start(node_state, monkeypatch)
    with pytest.raises((OSError, SystemExit)):
        runner.run_worker(RUN)
    assert not bundle.exists()

"""The log of a command of a run: complete, masked, limited, and never blocking the command."""

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from chautari.node import logged_process, run_journal


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


def sh(script: str, log: Path, *secrets: str) -> int:
    return logged_process.run_logged(
        ["sh", "-c", script], log, run_journal.secret_spellings(secrets), {"X": "given"}
    )


def test_log_has_both_streams_in_order(log: Path) -> None:
    assert sh('echo one; echo two >&2; echo "$X $HOME"; exit 3', log) == 3
    assert log.read_text() == "one\ntwo\ngiven /root\n"
    assert sh("echo three", log) == 0
    assert logged_process.log_tail(log) == ["one", "two", "given /root", "three"]


def test_log_never_holds_a_secret_even_while_it_is_written(log: Path) -> None:
    seen: list[str] = []
    watch = threading.Timer(0.3, lambda: seen.append(log.read_text()))
    watch.start()
    sh("echo a canary-secret; sleep 0.8; printf 'the end canary-secret'", log, "canary-secret")
    watch.join()
    assert seen == ["a ********\n"]
    assert log.read_text() == "a ********\nthe end ********"


def test_log_stays_within_its_limit_while_the_command_runs(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_journal, "LOG_BYTES", 1000)
    assert sh("i=0; while [ $i -lt 2000 ]; do i=$((i+1)); echo line $i; done", log) == 0
    text = log.read_text()
    assert len(text) <= 2000
    assert text.startswith("line 1\nline 2\n") and text.endswith("line 1999\nline 2000\n")
    assert text.count("[cut]") == 1


def test_command_continues_when_its_log_cannot_be_written(tmp_path: Path) -> None:
    full = tmp_path / "gone" / "log"
    assert sh("i=0; while [ $i -lt 9000 ]; do i=$((i+1)); echo 0123456789$i; done", full) == 0
    assert logged_process.log_tail(full) == []


def test_run_does_not_wait_for_background_children(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logged_process, "LINGER_SECONDS", 0.2)
    began = time.monotonic()
    assert sh("sleep 5 & echo done", log) == 0
    assert time.monotonic() - began < 3
    assert log.read_text() == "done\n"


def test_stopped_run_ends_its_command(log: Path) -> None:
    before = signal.signal(signal.SIGALRM, lambda *_: sys.exit(143))
    signal.setitimer(signal.ITIMER_REAL, 0.4)
    try:
        with pytest.raises(SystemExit):
            sh("echo $$; exec sleep 20", log)
    finally:
        signal.signal(signal.SIGALRM, before)
    with pytest.raises(ProcessLookupError):
        os.kill(int(log.read_text()), 0)

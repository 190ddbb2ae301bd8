"""Following a run on the node."""

import json
import os
import threading
import time
from itertools import pairwise
from pathlib import Path

import pytest
from run_samples import ENDED, OLD, RUN, STARTED, printed_events, write_run

from chautari.node import runner

pytestmark = pytest.mark.usefixtures("node_state")
IS_ACTIVE = runner._unit_is_active


@pytest.fixture
def alive(node_state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "_unit_is_active", lambda _: True)


@pytest.fixture
def systemd(node_state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Install a fake systemctl; each call prints the next line of the returned file."""
    program, says = tmp_path / "bin" / "systemctl", tmp_path / "says"
    program.parent.mkdir()
    program.write_text(
        f"#!/bin/sh\nhead -n1 {says}\nsed -i 1d {says}\n[ -s {says} ] || echo unknown > {says}\n"
        "exit 3\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    monkeypatch.setattr(runner, "_unit_is_active", IS_ACTIVE)
    return says


@pytest.mark.parametrize("answer", ["active", "activating", "deactivating", "reloading", ""])
def test_unit_that_may_still_write_counts_as_active(answer: str, systemd: Path) -> None:
    systemd.write_text(f"{answer}\n")
    assert runner._unit_is_active(RUN)


@pytest.mark.parametrize("answer", ["inactive", "failed", "unknown"])
def test_unit_that_ended_counts_as_inactive(answer: str, systemd: Path) -> None:
    systemd.write_text(f"{answer}\n")
    assert not runner._unit_is_active(RUN)


def test_follow_reports_a_lost_run_only_when_the_unit_is_inactive_twice(
    node_state: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_run(node_state, RUN, STARTED) / "events.jsonl"
    queries: list[str] = []

    def gone(run: str) -> bool:
        queries.append(run)
        if len(queries) == 4:
            with file.open("a") as stream:
                stream.write(json.dumps(ENDED) + "\n")
        return len(queries) == 2

    monkeypatch.setattr(runner, "_unit_is_active", gone)
    assert runner.follow_run(RUN, 0) == 0
    assert [event["event"] for event in printed_events(capsys)] == ["run_started", "run_finished"]


def test_follow_queries_systemd_only_while_the_journal_is_quiet(
    node_state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_run(node_state, RUN, STARTED) / "events.jsonl"
    queries: list[float] = []
    written = [time.monotonic()]

    def pause(_: float) -> None:
        """Write an event a look, then none for a while, then the end."""
        with file.open("a") as stream:
            if len(written) < 20:
                written.append(time.monotonic())
                stream.write(json.dumps({"event": "heartbeat"}) + "\n")
            elif len(queries) == 3:
                stream.write(json.dumps(ENDED) + "\n")

    def active(_: str) -> bool:
        queries.append(time.monotonic())
        return True

    monkeypatch.setattr(runner, "UNIT_QUERY_SECONDS", 0.2)
    monkeypatch.setattr(runner, "_unit_is_active", active)
    monkeypatch.setattr(runner.time, "sleep", pause)
    assert runner.follow_run(RUN, 0) == 0
    assert len(queries) == 3
    assert queries[0] - written[-1] >= 0.2
    assert all(later - earlier >= 0.2 for earlier, later in pairwise(queries))


def test_follow_prints_every_event_and_ends_with_the_run(
    node_state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(node_state, RUN, STARTED, {"event": "heartbeat"}, ENDED, {"event": "never told"})
    assert runner.follow_run(RUN, 0) == 0
    assert [event["event"] for event in printed_events(capsys)] == [
        "run_started",
        "heartbeat",
        "run_finished",
    ]


def test_follow_continues_at_an_offset(
    node_state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(node_state, RUN, STARTED, {"event": "role_message", "role": "a", "text": "ñ"}, ENDED)
    runner.follow_run(RUN, 0)
    first, *rest = printed_events(capsys)
    runner.follow_run(RUN, first["offset"])
    assert printed_events(capsys) == rest


def test_follow_returns_how_the_run_ended(node_state: Path) -> None:
    write_run(node_state, RUN, STARTED, ENDED | {"ok": False})
    assert runner.follow_run(RUN, 0) == 1
    write_run(node_state, OLD, {"event": "busy", "holder": {}})
    assert runner.follow_run(OLD, 0) == runner.BUSY


def test_follow_reports_a_unit_that_ended_without_an_event(
    node_state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(node_state, RUN, STARTED)
    assert runner.follow_run(RUN, 0) == 1
    assert printed_events(capsys)[-1] == {"event": "run_lost", "run": RUN, "full_folder": ""}


def test_follow_reports_a_full_disk(
    node_state: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(node_state, RUN, STARTED)
    there = os.statvfs(node_state)
    monkeypatch.setattr(runner, "FULL_DISK_BYTES", there.f_bavail * there.f_frsize * 2)
    assert runner.follow_run(RUN, 0) == 1
    assert printed_events(capsys)[-1] == {
        "event": "run_lost",
        "run": RUN,
        "full_folder": str(node_state),
    }


@pytest.mark.usefixtures("alive")
def test_follow_waits_for_lines_that_are_still_written(
    node_state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_run(node_state) / "events.jsonl"

    def write() -> None:
        with file.open("a", buffering=1) as stream:
            for text in (json.dumps(STARTED), "\n", '{"event": "half', '"}\n', json.dumps(ENDED)):
                stream.write(text)
                stream.flush()
                time.sleep(0.03)
            stream.write("\n")

    writer = threading.Thread(target=write)
    writer.start()
    assert runner.follow_run(RUN, 0) == 0
    writer.join()
    assert [event["event"] for event in printed_events(capsys)] == [
        "run_started",
        "half",
        "run_finished",
    ]


@pytest.mark.usefixtures("alive")
def test_follow_sends_a_heartbeat_of_a_silent_run(
    node_state: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_run(node_state, RUN, STARTED) / "events.jsonl"
    monkeypatch.setattr(runner, "HEARTBEAT_SECONDS", 0.05)

    def end() -> None:
        with file.open("a") as stream:
            stream.write(json.dumps(ENDED) + "\n")

    threading.Timer(0.3, end).start()
    assert runner.follow_run(RUN, 0) == 0
    events = [event["event"] for event in printed_events(capsys)]
    assert events[0] == "run_started"
    assert "heartbeat" in events

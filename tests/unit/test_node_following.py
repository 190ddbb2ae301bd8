"""Following a run on the node."""

import io
import json
import os
import threading
import time
from pathlib import Path

import pytest
from test_node_runner import OLD, RUN, begun, place, said

from chautari.node import lock, main, runner

__all__ = ["place"]
IS_ACTIVE = runner._unit_is_active
STARTED = {"event": "run_started", "run": RUN}
ENDED = {"event": "run_finished", "ok": True, "seconds": 1}


@pytest.fixture
def alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "_unit_is_active", lambda _: True)


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in for systemctl; it says what is written here, one line each time."""
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


@pytest.mark.parametrize("said", ["active", "activating", "deactivating", "reloading", ""])
def test_unit_that_may_still_write_is_not_taken_for_ended(said: str, systemd: Path) -> None:
    systemd.write_text(f"{said}\n")
    assert runner._unit_is_active(RUN)


@pytest.mark.parametrize("said", ["inactive", "failed", "unknown"])
def test_unit_that_ended_is_known_by_its_state(said: str, systemd: Path) -> None:
    systemd.write_text(f"{said}\n")
    assert not runner._unit_is_active(RUN)


def test_run_is_lost_only_when_its_unit_is_gone_twice(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = begun(place, RUN, STARTED) / "events.jsonl"
    asked: list[str] = []

    def gone(run: str) -> bool:
        asked.append(run)
        if len(asked) == 4:
            with file.open("a") as stream:
                stream.write(json.dumps(ENDED) + "\n")
        return len(asked) == 2

    monkeypatch.setattr(runner, "_unit_is_active", gone)
    assert runner.follow(RUN, 0) == 0
    assert [event["event"] for event in said(capsys)] == ["run_started", "run_finished"]


@pytest.mark.parametrize("run", [RUN, f"{OLD}x", "../lock"])
def test_attaching_to_a_run_that_is_not_here_is_told_as_such(
    run: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begun(place, OLD)
    assert runner.main({"action": "attach", "run": run}, io.BytesIO()) == 1
    [told] = said(capsys)
    assert told["reason"] == {"code": "unknown_run", "data": {"run": run, "known": [OLD]}}


def test_start_that_no_try_makes_known_is_not_sent_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert runner.main({"action": "start", "run": "../lock"}, io.BytesIO()) == 1
    assert said(capsys)[0]["reason"]["code"] == "invalid_run"


def test_whoever_waits_is_told_at_which_role_the_run_is(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    roles = [{"event": "role_started", "role": role} for role in ("base", "php")]
    begun(place, RUN, STARTED, *roles, {"event": "task", "task": "t"})
    assert main.main({"action": "activity"}, io.BytesIO()) == 0
    assert said(capsys) == [{"event": "activity", "busy": None}]
    monkeypatch.setattr(lock, "holder", lambda: {"operator": "luz", "run": RUN})
    main.main({"action": "activity"}, io.BytesIO())
    [told] = said(capsys)
    assert told["busy"] == {"operator": "luz", "run": RUN, "role": "php"}
    monkeypatch.setattr(lock, "holder", lambda: {"operator": "luz", "run": OLD})
    main.main({"action": "activity"}, io.BytesIO())
    assert said(capsys)[0]["busy"]["role"] == ""


def test_follow_prints_every_event_and_ends_with_the_run(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begun(place, RUN, STARTED, {"event": "heartbeat"}, ENDED, {"event": "never told"})
    assert runner.follow(RUN, 0) == 0
    assert [event["event"] for event in said(capsys)] == [
        "run_started",
        "heartbeat",
        "run_finished",
    ]


def test_follow_goes_on_from_an_offset(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    begun(place, RUN, STARTED, {"event": "role_message", "role": "a", "text": "ñ"}, ENDED)
    runner.follow(RUN, 0)
    first, *rest = said(capsys)
    runner.follow(RUN, first["offset"])
    assert said(capsys) == rest


def test_follow_returns_how_the_run_ended(place: Path) -> None:
    begun(place, RUN, STARTED, ENDED | {"ok": False})
    assert runner.follow(RUN, 0) == 1
    begun(place, OLD, {"event": "busy", "holder": {}})
    assert runner.follow(OLD, 0) == runner.BUSY


def test_follow_says_when_the_unit_ended_without_a_word(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begun(place, RUN, STARTED)
    assert runner.follow(RUN, 0) == 1
    assert said(capsys)[-1] == {"event": "run_lost", "run": RUN, "full_folder": ""}


def test_follow_says_so_when_no_room_is_left_for_the_journal(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    begun(place, RUN, STARTED)
    there = os.statvfs(place)
    monkeypatch.setattr(runner, "FULL_DISK_BYTES", there.f_bavail * there.f_frsize * 2)
    assert runner.follow(RUN, 0) == 1
    assert said(capsys)[-1] == {"event": "run_lost", "run": RUN, "full_folder": str(place)}


@pytest.mark.usefixtures("alive")
def test_follow_waits_for_what_is_still_written(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = begun(place) / "events.jsonl"

    def write() -> None:
        with file.open("a", buffering=1) as stream:
            for text in (json.dumps(STARTED), "\n", '{"event": "half', '"}\n', json.dumps(ENDED)):
                stream.write(text)
                stream.flush()
                time.sleep(0.03)
            stream.write("\n")

    writer = threading.Thread(target=write)
    writer.start()
    assert runner.follow(RUN, 0) == 0
    writer.join()
    assert [event["event"] for event in said(capsys)] == ["run_started", "half", "run_finished"]


@pytest.mark.usefixtures("alive")
def test_follow_shows_that_a_silent_run_is_alive(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = begun(place, RUN, STARTED) / "events.jsonl"
    monkeypatch.setattr(runner, "HEARTBEAT_SECONDS", 0.05)

    def end() -> None:
        with file.open("a") as stream:
            stream.write(json.dumps(ENDED) + "\n")

    threading.Timer(0.3, end).start()
    assert runner.follow(RUN, 0) == 0
    events = [event["event"] for event in said(capsys)]
    assert events[0] == "run_started"
    assert "heartbeat" in events


def test_detached_start_is_handed_over_once_the_run_began(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begun(place, RUN, STARTED, ENDED)
    assert runner.wait_until_started(RUN) == 0
    assert json.loads(capsys.readouterr().out) == {"event": "run_detached", "run": RUN}


def test_detached_start_that_came_second_is_told_so(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begun(place, RUN, {"event": "busy", "holder": {"operator": "luz"}})
    assert runner.wait_until_started(RUN) == runner.BUSY
    assert json.loads(capsys.readouterr().out)["holder"] == {"operator": "luz"}


def test_run_that_is_joined_for_a_moment_is_handed_over(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begun(place, RUN, STARTED)
    asked = {"action": "attach", "run": RUN, "offset": 0, "detach": True}
    assert runner.main(asked, io.BytesIO()) == 0
    assert json.loads(capsys.readouterr().out) == {"event": "run_detached", "run": RUN}

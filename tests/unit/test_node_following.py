"""Following a run on the node, and what is told of runs that are over."""

import json
import threading
import time
from pathlib import Path

import pytest
from test_node_runner import ABOUT, OLD, RUN, begun, place, said

from chautari.node import runner

__all__ = ["place"]
STARTED = {"event": "run_started", "run": RUN}
ENDED = {"event": "run_finished", "ok": True, "seconds": 1}


@pytest.fixture
def alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "_unit_is_active", lambda _: True)


def test_follow_prints_every_event_and_ends_with_the_run(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begun(place, RUN, STARTED, {"event": "notice"}, ENDED, {"event": "never told"})
    assert runner.follow(RUN, 0) == 0
    assert [event["event"] for event in said(capsys)] == ["run_started", "notice", "run_finished"]


def test_follow_goes_on_from_an_offset(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    begun(place, RUN, STARTED, {"event": "notice", "message": "ñ"}, ENDED)
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
    assert said(capsys)[-1] == {"event": "run_lost", "run": RUN}


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
    monkeypatch.setattr(runner, "ALIVE_SECONDS", 0.05)

    def end() -> None:
        with file.open("a") as stream:
            stream.write(json.dumps(ENDED) + "\n")

    threading.Timer(0.3, end).start()
    assert runner.follow(RUN, 0) == 0
    events = [event["event"] for event in said(capsys)]
    assert events[0] == "run_started"
    assert "alive" in events


def test_latest_run_is_the_newest_by_its_id(place: Path) -> None:
    assert runner.latest_run() is None
    begun(place, RUN)
    begun(place, OLD)
    (place / "runs" / "zzz").mkdir()
    assert runner.latest_run() == RUN


def test_status_of_a_fresh_node() -> None:
    assert runner.status() == {"event": "status", "busy": None, "run": None, "runs": []}


def test_status_tells_how_the_last_run_ended(place: Path) -> None:
    begun(place, RUN, STARTED, ENDED)
    found = runner.status()
    assert (found["run"], found["finished"], found["busy"]) == (RUN, ENDED, None)
    assert ABOUT.items() <= found["about"].items()


def test_status_tells_that_a_run_did_not_end(place: Path) -> None:
    begun(place, RUN, STARTED)
    assert runner.status()["finished"] is None


def test_status_survives_a_run_that_broke_off_at_its_start(place: Path) -> None:
    (place / "runs" / RUN).mkdir(parents=True)
    assert runner.status()["about"]["operator"] == ""


def test_only_the_last_runs_are_kept(place: Path) -> None:
    for number in range(30):
        begun(place, f"20261101T1200{number:02}-abcdef")
    runner._forget_old_runs()
    kept = sorted(path.name for path in (place / "runs").iterdir())
    assert len(kept) == runner.KEPT_RUNS
    assert kept[-1] == "20261101T120029-abcdef"


def test_detached_start_is_handed_over_once_the_run_began(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begun(place, RUN, STARTED, ENDED)
    assert runner.hand_over(RUN) == 0
    assert json.loads(capsys.readouterr().out) == {"event": "handed_over", "run": RUN}


def test_detached_start_that_came_second_is_told_so(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begun(place, RUN, {"event": "busy", "holder": {"operator": "luz"}})
    assert runner.hand_over(RUN) == runner.BUSY
    assert json.loads(capsys.readouterr().out)["holder"] == {"operator": "luz"}


def test_status_is_of_the_newest_run_that_was_to_change_something(place: Path) -> None:
    folder = begun(place, RUN, STARTED, {"event": "check", "outcome": "failed"}, ENDED)
    begun(place, OLD, STARTED, ENDED)
    (folder / "about.json").write_text(json.dumps(ABOUT | {"mode": "check"}))
    assert runner.latest_run() == RUN
    assert runner.status()["run"] == OLD

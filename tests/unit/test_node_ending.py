"""How a run ends on the node: in which order, with what was in its way, and without secrets."""

import errno
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from receipt_samples import written
from test_node_following import ENDED, STARTED
from test_node_runner import OLD, RUN, begun, place

from chautari.node import journal, lock, runner, runs

__all__ = ["place"]
# A clock that was set back makes the run that ends look like the oldest; it stays all the same.
MANY = [f"20261201T1200{number:02}-abcdef" for number in range(runs.KEPT_RUNS + 5)]
NO_ROOM = OSError(errno.ENOSPC, "No space left on device")


def no_room(*_: Any, **__: Any) -> None:
    raise NO_ROOM


def events(place: Path) -> list[dict[str, Any]]:
    file = place / "runs" / RUN / "events.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()]


def secrets() -> Path:
    written(runner.MEMORY / RUN / "secrets.json", '["canary-secret"]')
    return runner.MEMORY / RUN


@pytest.fixture
def old_runs(place: Path) -> list[str]:
    for run in MANY:
        begun(place, run, STARTED, ENDED)
    return MANY


@pytest.mark.usefixtures("old_runs")
def test_run_ends_when_nothing_is_left_to_do(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A leftover of the last minute: the beginning of the run leaves it, its end does not.
    folder, leftover = begun(place), runner.MEMORY / OLD
    (folder / "log").write_text("x" * (journal.LOG_BYTES + 100))
    leftover.mkdir(parents=True)
    monkeypatch.setattr(runner, "_run_mode", lambda *_: os.utime(leftover, (0, 0)) is None)
    append, seen = runner._append_event, list[Any]()

    def watched(place: Path, event: dict[str, Any]) -> None:
        if event["event"] == "run_finished":
            kept = len(runs.run_ids(runner.STATE))
            seen.extend([kept, leftover.exists(), b"[cut]" in (folder / "log").read_bytes()])
        append(place, event)

    monkeypatch.setattr(runner, "_append_event", watched)
    assert runner.run_worker(RUN) == 0
    assert seen == [runs.KEPT_RUNS + 1, False, True]
    assert events(place)[-1]["event"] == "run_finished"


@pytest.mark.parametrize(
    ("module", "name"),
    [(journal, "trim"), (runner, "_unit_is_active"), (runs, "prune_runs")],
)
def test_what_cannot_be_tidied_up_costs_no_run_its_ending(
    module: Any, name: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun(place)
    (runner.MEMORY / OLD).mkdir(parents=True)

    def carried_out(*_: Any) -> bool:
        monkeypatch.setattr(module, name, no_room)
        return True

    monkeypatch.setattr(runner, "_run_mode", carried_out)
    assert runner.run_worker(RUN) == 0
    assert (events(place)[-1]["event"], events(place)[-1]["ok"]) == ("run_finished", True)


def test_run_that_broke_on_a_full_disk_tells_its_cause_in_the_room_that_is_made(
    old_runs: list[str], place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun(place)
    secrets()
    append = journal.append_event

    def carried_out(*_: Any) -> bool:
        monkeypatch.setattr(journal, "append_event", tight)
        raise OSError(errno.ENOSPC, "No space left on device: canary-secret")

    def tight(*given: Any) -> None:
        if len(runs.run_ids(place)) > len(old_runs):
            raise NO_ROOM
        append(*given)

    monkeypatch.setattr(runner, "_run_mode", carried_out)
    with pytest.raises(OSError, match="canary-secret"):
        runner.run_worker(RUN)
    *_, told, last = events(place)
    assert told["message"].endswith("No space left on device: ********")
    assert (told["event"], last["event"], last["ok"]) == ("run_crashed", "run_finished", False)


def test_stop_that_comes_at_the_end_costs_no_run_its_ending(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun(place)
    monkeypatch.setattr(runner, "_run_mode", lambda *_: True)
    monkeypatch.setattr(runner, "_tidy_up", lambda _: os.kill(os.getpid(), signal.SIGTERM))
    assert runner.run_worker(RUN) == 0
    assert events(place)[-1]["ok"] is True


def unreadable(place: Path, _: pytest.MonkeyPatch) -> None:
    (place / "runs" / RUN / "about.json").unlink()


def no_room_for_the_holder(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "HOLDER", place)  # a folder, which nobody can write into


def no_room_for_the_beginning(_: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "append_event", no_room)


def no_room_for_who_is_at_work(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "_acquire", lambda _: False)
    no_room_for_the_beginning(place, monkeypatch)


def stopped(_: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "_acquire", lambda _: os.kill(os.getpid(), signal.SIGTERM))


@pytest.mark.parametrize(
    "in_the_way",
    [
        unreadable, no_room_for_the_holder, no_room_for_the_beginning, no_room_for_who_is_at_work,
        stopped,
    ],
)  # fmt: skip
def test_run_that_could_not_even_begin_leaves_no_secret(
    in_the_way: Callable[[Path, pytest.MonkeyPatch], None],
    place: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    begun(place)
    left = secrets()
    # What no handler was set for would end the tests as well.
    signal.signal(signal.SIGTERM, lambda *_: pytest.fail("no handler was set yet"))
    in_the_way(place, monkeypatch)
    with pytest.raises((OSError, SystemExit)):
        runner.run_worker(RUN)
    assert not left.exists()

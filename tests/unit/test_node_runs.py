"""What is kept of the runs on a node, and what is told of those that are over."""

import json
from pathlib import Path
from typing import Any

import pytest
from test_node_following import ENDED, STARTED
from test_node_runner import ABOUT, OLD, RUN, begun, place

from chautari.node import runs

__all__ = ["place"]


def test_what_a_run_may_do_is_known_to_the_next(place: Path) -> None:
    folder = begun(place, RUN, STARTED)
    more = {"checks": True, "purge": False, "interrupt_meetings": True}
    (folder / "about.json").write_text(json.dumps(ABOUT | more))
    assert more.items() <= runs.status(place)["about"].items()


def test_latest_run_is_the_newest_by_its_id(place: Path) -> None:
    assert runs.newest_run(place) is None
    begun(place, RUN)
    begun(place, OLD)
    (place / "runs" / "zzz").mkdir()
    assert runs.newest_run(place) == RUN


def test_status_of_a_fresh_node(place: Path) -> None:
    assert runs.status(place) == {"event": "status", "busy": None, "run": None, "runs": []}


def test_status_tells_how_the_last_run_ended(place: Path) -> None:
    begun(place, RUN, STARTED, ENDED)
    found = runs.status(place)
    assert (found["run"], found["finished"], found["busy"]) == (RUN, ENDED, None)
    assert ABOUT.items() <= found["about"].items()


def test_status_tells_that_a_run_did_not_end(place: Path) -> None:
    begun(place, RUN, STARTED)
    assert runs.status(place)["finished"] is None


def test_status_survives_a_run_that_broke_off_at_its_start(place: Path) -> None:
    (place / "runs" / RUN).mkdir(parents=True)
    assert runs.status(place)["about"]["operator"] == ""


def many(place: Path, day: int, **about: Any) -> list[str]:
    """Leave thirty runs of one day and return their ids."""
    names = [f"202611{day:02}T1200{number:02}-abcdef" for number in range(30)]
    for name in names:
        folder = begun(place, name, STARTED, ENDED)
        (folder / "about.json").write_text(json.dumps(ABOUT | {"run": name} | about))
    return names


@pytest.mark.parametrize("mode", ["check", "plan"])
def test_what_only_looks_pushes_no_deploy_out(mode: str, place: Path) -> None:
    deploys, looks = many(place, 1), many(place, 2, mode=mode)
    runs.prune_runs(place, keep=looks[-1])
    assert runs.run_ids(place) == deploys[-runs.KEPT_RUNS :] + looks[-runs.KEPT_RUNS :]
    assert runs.status(place)["run"] == deploys[-1]


def test_run_that_just_ended_stays_although_the_clock_was_set_back(place: Path) -> None:
    later = many(place, 23)
    begun(place, OLD, STARTED, ENDED)
    assert runs.run_ids(place)[0] == OLD and len(later) > runs.KEPT_RUNS
    runs.prune_runs(place, keep=OLD)
    assert OLD in runs.run_ids(place)
    runs.prune_runs(place, keep=later[-1])
    assert OLD not in runs.run_ids(place)


def test_run_that_found_somebody_at_work_is_nobody_s_newest(place: Path) -> None:
    begun(place, OLD, STARTED, ENDED)
    begun(place, RUN, {"event": "busy", "holder": {"operator": "luz", "run": OLD}})
    assert runs.newest_run(place) == runs.status(place)["run"] == OLD
    assert runs.run_ids(place) == [OLD, RUN], "its own operator may still have to be told"


def test_runs_that_found_somebody_at_work_push_no_deploy_out(place: Path) -> None:
    begun(place, OLD, STARTED, ENDED)
    for name in many(place, 30):
        refused = json.dumps({"event": "busy", "holder": {}}) + "\n"
        (place / "runs" / name / "events.jsonl").write_text(refused)
    runs.prune_runs(place, keep=OLD)
    assert (len(runs.run_ids(place)), runs.newest_run(place)) == (1 + runs.KEPT_RUNS, OLD)


def test_operator_s_name_does_not_make_a_run_one_that_never_began(place: Path) -> None:
    begun(place, RUN, STARTED | {"operator": "busy"}, ENDED)
    assert runs.newest_run(place) == RUN


def test_status_is_of_the_newest_run_that_was_to_change_something(place: Path) -> None:
    folder = begun(place, RUN, STARTED, {"event": "check", "outcome": "failed"}, ENDED)
    begun(place, OLD, STARTED, ENDED)
    (folder / "about.json").write_text(json.dumps(ABOUT | {"mode": "check"}))
    assert runs.newest_run(place) == RUN
    assert runs.status(place)["run"] == OLD

"""The runs that a node keeps, and their status."""

import json
from pathlib import Path
from typing import Any

import pytest
from run_samples import (
    ABOUT,
    ENDED,
    OLD,
    RUN,
    STARTED,
    write_run,
)

from chautari.node import runs

pytestmark = pytest.mark.usefixtures("node_state")


def test_status_has_the_options_of_the_last_run(node_state: Path) -> None:
    folder = write_run(node_state, RUN, STARTED)
    more = {"checks": True, "purge": False, "interrupt_meetings": True}
    (folder / "about.json").write_text(json.dumps(ABOUT | more))
    assert more.items() <= runs.status_answer(node_state)["about"].items()


def test_newest_run_is_the_latest_id(node_state: Path) -> None:
    assert runs.newest_run(node_state) is None
    write_run(node_state, RUN)
    write_run(node_state, OLD)
    (node_state / "runs" / "zzz").mkdir()
    assert runs.newest_run(node_state) == RUN


def test_status_of_a_fresh_node(node_state: Path) -> None:
    assert runs.status_answer(node_state) == {
        "event": "status",
        "busy": None,
        "run": None,
        "runs": [],
    }


def test_status_says_how_the_last_run_ended(node_state: Path) -> None:
    write_run(node_state, RUN, STARTED, ENDED)
    found = runs.status_answer(node_state)
    assert (found["run"], found["finished"], found["busy"]) == (RUN, ENDED, None)
    assert ABOUT.items() <= found["about"].items()


def test_status_says_that_a_run_did_not_end(node_state: Path) -> None:
    write_run(node_state, RUN, STARTED)
    assert runs.status_answer(node_state)["finished"] is None


def test_status_survives_a_run_without_metadata(node_state: Path) -> None:
    (node_state / "runs" / RUN).mkdir(parents=True)
    assert runs.status_answer(node_state)["about"]["operator"] == ""


def write_many_runs(node_state: Path, day: int, **about: Any) -> list[str]:
    """Leave thirty runs of one day and return their ids."""
    names = [f"202611{day:02}T1200{number:02}-abcdef" for number in range(30)]
    for name in names:
        folder = write_run(node_state, name, STARTED, ENDED)
        (folder / "about.json").write_text(json.dumps(ABOUT | {"run": name} | about))
    return names


@pytest.mark.parametrize("mode", ["check", "plan"])
def test_prune_runs_counts_plans_and_checks_separately(mode: str, node_state: Path) -> None:
    deploys, looks = write_many_runs(node_state, 1), write_many_runs(node_state, 2, mode=mode)
    runs.prune_runs(node_state, keep=looks[-1])
    assert runs.run_ids(node_state) == deploys[-runs.KEPT_RUNS :] + looks[-runs.KEPT_RUNS :]
    assert runs.status_answer(node_state)["run"] == deploys[-1]


def test_prune_runs_keeps_the_run_that_just_ended(node_state: Path) -> None:
    later = write_many_runs(node_state, 23)
    write_run(node_state, OLD, STARTED, ENDED)
    assert runs.run_ids(node_state)[0] == OLD and len(later) > runs.KEPT_RUNS
    runs.prune_runs(node_state, keep=OLD)
    assert OLD in runs.run_ids(node_state)
    runs.prune_runs(node_state, keep=later[-1])
    assert OLD not in runs.run_ids(node_state)


def test_newest_run_ignores_a_run_that_found_the_node_busy(node_state: Path) -> None:
    write_run(node_state, OLD, STARTED, ENDED)
    write_run(node_state, RUN, {"event": "busy", "holder": {"operator": "luz", "run": OLD}})
    assert runs.newest_run(node_state) == runs.status_answer(node_state)["run"] == OLD
    assert runs.run_ids(node_state) == [OLD, RUN], "its own operator may still attach to it"


def test_prune_runs_counts_busy_runs_separately(node_state: Path) -> None:
    write_run(node_state, OLD, STARTED, ENDED)
    for name in write_many_runs(node_state, 30):
        refused = json.dumps({"event": "busy", "holder": {}}) + "\n"
        (node_state / "runs" / name / "events.jsonl").write_text(refused)
    runs.prune_runs(node_state, keep=OLD)
    assert (len(runs.run_ids(node_state)), runs.newest_run(node_state)) == (1 + runs.KEPT_RUNS, OLD)


def test_newest_run_accepts_an_operator_called_busy(node_state: Path) -> None:
    write_run(node_state, RUN, STARTED | {"operator": "busy"}, ENDED)
    assert runs.newest_run(node_state) == RUN


def test_status_is_that_of_the_newest_deploy(node_state: Path) -> None:
    folder = write_run(node_state, RUN, STARTED, {"event": "check", "outcome": "failed"}, ENDED)
    write_run(node_state, OLD, STARTED, ENDED)
    (folder / "about.json").write_text(json.dumps(ABOUT | {"mode": "check"}))
    assert runs.newest_run(node_state) == RUN
    assert runs.status_answer(node_state)["run"] == OLD


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('{"others": ["root: SHA256:x (eva)"]}', ["root: SHA256:x (eva)"]),
        ('{"others": [7]}', ["7"]),
        ('{"others": []}', None),
        ('{"others": null}', None),
        ("[]", None),
        ("{", None),
    ],
)
def test_status_names_keys_that_no_operator_has(
    tmp_path: Path, content: str, expected: list[str] | None
) -> None:
    (tmp_path / "login-keys.json").write_text(content)
    assert runs.status_answer(tmp_path).get("other_keys") == expected


def test_status_has_a_limit_for_other_keys(tmp_path: Path) -> None:
    others = json.dumps({"others": ["x" * 1000] * 1000})
    (tmp_path / "login-keys.json").write_text(others)
    assert runs.status_answer(tmp_path)["other_keys"] == ["x" * 200] * 20

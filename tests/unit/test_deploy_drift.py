"""What nodes answer when they are asked what changed."""

from pathlib import Path
from typing import Any

import pytest
from region_samples import inventory

from chautari.deploy import drift
from chautari.deploy.request import Request
from chautari.deploy.status import NO_PYTHON

Data = dict[str, Any]


class Answered:
    def __init__(self, code: int = 0, stderr: str = "") -> None:
        self.code, self.stderr = code, stderr


def found(
    folder: Path, monkeypatch: pytest.MonkeyPatch, event: Data | None, answered: Answered
) -> Data:
    """Return what is told of a node that gives this one event."""
    asked: list[Data] = []

    def ask(_: Any, arguments: Data) -> tuple[list[Data], Answered]:
        asked.append(arguments)
        return ([event] if event else []), answered

    monkeypatch.setattr(drift, "ask", ask)
    wanted = Request(inventory(folder), "deploy drift andes", nodes=("bog1",))
    [node] = drift.found_on_nodes(wanted)
    assert asked == [{"action": "drift"}]
    return node


@pytest.mark.parametrize("roles", [{}, {"web": [{"kind": "path", "name": "/x", "text": "/x"}]}])
def test_node_is_well_when_nothing_changed(
    roles: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = {"roles": roles, "deployed": 1.0, "known": 3, "busy": None}
    node = found(tmp_path, monkeypatch, {"event": "drift"} | told, Answered())
    assert node == {"node": "bog1", "reachable": True, "ok": not roles} | told


def test_bare_machine_answered_and_has_nothing_that_could_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = found(tmp_path, monkeypatch, None, Answered(NO_PYTHON))
    assert (node["reachable"], node["ok"], node["known"]) == (True, True, 0)
    assert drift.text_of(node).startswith("bog1: Nothing was deployed here yet")


@pytest.mark.parametrize(("stderr", "message"), [("a\ntimed out", "timed out"), ("", "no answer")])
def test_node_that_does_not_answer_is_not_well(
    stderr: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = found(tmp_path, monkeypatch, None, Answered(255, stderr))
    assert node == {"node": "bog1", "reachable": False, "ok": False, "message": message}

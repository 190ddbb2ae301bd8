"""The answers of nodes to a query for drift."""

from pathlib import Path
from typing import Any

import pytest
from deploy_samples import Silent, fake_call_runner
from region_samples import load_sample_region

from chautari.deploy import drift
from chautari.deploy.request import Request
from chautari.deploy.status import NO_PYTHON

Data = dict[str, Any]


def found(
    folder: Path, monkeypatch: pytest.MonkeyPatch, event: Data | None, ending: Silent
) -> drift.NodeDrift:
    """Return what is reported of a node that sends this one event."""
    requests: list[Data] = []

    def ask(_: Any, arguments: Data, __: Any) -> tuple[list[Data], Silent]:
        requests.append(arguments)
        return ([event] if event else []), ending

    monkeypatch.setattr(drift, "call_runner", fake_call_runner(ask))
    request = Request(load_sample_region(folder), "deploy drift andes", nodes=("bog1",))
    [node] = drift.drift_of_nodes(request)
    assert requests == [{"action": "drift"}]
    return node


CHANGE = {"code": "path_missing", "data": {"path": "/x"}}


@pytest.mark.parametrize("roles", [{}, {"web": [CHANGE]}])
def test_node_without_changes_is_up_to_date(
    roles: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = {"event": "drift", "roles": roles, "deployed": 1.0, "known": 3, "busy": None}
    node = found(tmp_path, monkeypatch, answer, Silent("", 0))
    assert node.ok is not bool(roles)
    assert node.as_object() == {
        "node": "bog1", "reachable": True, "ok": not roles, "deployed": 1.0, "known": 3,
        "busy": None, "roles": {role: [CHANGE | {"text": "/x: is missing"}] for role in roles},
    }  # fmt: skip


def test_bare_machine_has_no_drift(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    node = found(tmp_path, monkeypatch, None, Silent("", NO_PYTHON))
    assert node.ok
    assert node.describe().startswith("bog1: Nothing has been deployed here yet")


@pytest.mark.parametrize(("stderr", "message"), [("a\ntimed out", "timed out"), ("", "no answer")])
def test_node_without_an_answer_is_unreachable(
    stderr: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = found(tmp_path, monkeypatch, None, Silent(stderr, 255))
    assert node.as_object() == {
        "node": "bog1", "reachable": False, "ok": False,
        "message": f"203.0.113.10 does not respond over SSH ({message}). Check in the provider's "
        "console that the machine is switched on, and compare its address with `address` of bog1 "
        "in region.yml. To see whether it responds, run: ping -c 3 203.0.113.10",
    }  # fmt: skip

"""Attaching to a run: the newest one of a node, or a named one."""

from pathlib import Path
from typing import Any

import pytest
from deploy_samples import FINISHED, STARTED, TARGET, Link, Silent, actions, clock, fake_call_runner
from region_samples import load_sample_region

from chautari.deploy import newest_runs, remote_run, status
from chautari.deploy.request import Request
from chautari.node.events import StatusAnswer
from chautari.report.model import NodeReport
from chautari.ssh import runner_client
from chautari.ssh.runner_client import RunnerReply

__all__ = ["clock"]


def test_attach_refuses_an_unknown_run(monkeypatch: pytest.MonkeyPatch) -> None:
    unknown = {
        "event": "refused",
        "reason": {"code": "unknown_run", "data": {"run": "q", "known": []}},
    }
    monkeypatch.setattr(runner_client, "RunningCommand", Link(([unknown], 1)))
    report = NodeReport("bog1", "203.0.113.10", "failed")
    remote_run.follow_existing_run(TARGET, "q", report, lambda *_: None)
    [refusal] = report.refusals
    assert refusal.reason == "There is no run q on this node; known runs: none."
    assert "with `--run`" in refusal.fix and "omit `--run`" in refusal.fix
    assert "deploy" not in refusal.fix


@pytest.mark.parametrize("run", ["", "q"])
def test_attach_names_a_run_that_died_before_it_began(
    run: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        runner_client,
        "RunningCommand",
        Link(([{"event": "run_lost", "run": "q", "full_folder": ""}], 1)),
    )
    report = NodeReport("bog1", "203.0.113.10", "failed")
    remote_run.follow_existing_run(TARGET, run, report, lambda *_: None)
    assert report.run == "q"
    assert "journalctl -u chautari-run-q`" in report.refusals[0].fix


@pytest.mark.parametrize(
    ("mode", "state"), [("plan", "planned"), ("verify", "verified"), ("download", "downloaded")]
)
def test_attach_reports_a_run_by_its_mode(
    mode: str, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        runner_client, "RunningCommand", Link(([STARTED | {"mode": mode}, FINISHED], 0))
    )
    report = NodeReport("bog1", "203.0.113.10", "failed")
    remote_run.follow_existing_run(TARGET, "", report, lambda *_: None)
    assert (report.state, report.run) == (state, "r")


def test_attach_stays_with_the_same_run_after_a_disconnection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    link = Link(([], 255), ([STARTED], 255), ([FINISHED], 0))
    monkeypatch.setattr(runner_client, "RunningCommand", link)
    remote_run.follow_existing_run(
        TARGET, "", NodeReport("bog1", "203.0.113.10", "failed"), lambda *_: None
    )
    assert actions(link) == [("attach", ""), ("attach", ""), ("attach", "r")]


@pytest.mark.parametrize(
    ("holder", "what", "fix"),
    [
        ({"operator": "luz", "run": "q"}, "luz was deploying to this node (run q)", "--run q"),
        ({}, "another operator was deploying to this node", "deploy again"),
    ],
)
def test_attach_to_a_busy_run_names_the_holder(
    holder: Any, what: str, fix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        runner_client, "RunningCommand", Link(([{"event": "busy", "holder": holder}], 75))
    )
    report = NodeReport("bog1", "203.0.113.10", "failed")
    events: list[Any] = []
    remote_run.follow_existing_run(TARGET, "", report, lambda _, event: events.append(event))
    assert (report.state, report.ok) == ("busy", False)
    [refusal] = report.refusals
    assert refusal.reason == f"This run did not start: {what}."
    assert fix in refusal.fix
    assert events[-1]["event"] == "busy"


def test_attach_uses_the_named_identity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys: list[Any] = []

    def ask(target: Any, *_: Any) -> tuple[list[Any], Silent]:
        keys.append(target.key)
        return [], Silent("")

    monkeypatch.setattr(
        remote_run, "follow_existing_run", lambda target, *_: keys.append(target.key) or []
    )
    monkeypatch.setattr(status, "call_runner", fake_call_runner(ask))
    monkeypatch.setattr(newest_runs, "call_runner", lambda *_: RunnerReply(NO_RUNS, 0, ""))
    key = tmp_path / "key"
    request = Request(load_sample_region(tmp_path), "deploy attach andes", ("bog1",), (key,))
    newest_runs.follow_newest_run_of_each_node(request, lambda *_: None, lambda _: None)
    status.node_statuses(request)
    assert keys == [key, key]


NO_RUNS: StatusAnswer = {"event": "status", "busy": None, "run": None, "runs": []}


def test_node_that_cannot_be_reached_has_no_run_to_wait_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without an answer no run is known: the command ends at once with the reason."""
    error = "ssh: connect to host 203.0.113.10 port 2222: No route to host"
    monkeypatch.setattr(newest_runs, "call_runner", lambda *_: RunnerReply(None, 255, error))
    monkeypatch.setattr(
        remote_run, "follow_existing_run", lambda *_: pytest.fail("there is no run")
    )
    events: list[Any] = []
    request = Request(load_sample_region(tmp_path), "deploy attach andes", ("bog1",))
    report = newest_runs.follow_newest_run_of_each_node(
        request, lambda _, event: events.append(event), lambda _: None
    )
    [node] = report.nodes
    assert node.state == "unreachable" and not report.ok
    assert "does not respond over SSH" in node.refusals[0].reason
    assert events == [{"event": "unreachable"}]

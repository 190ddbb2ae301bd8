"""A busy node: refused at once, joined, or waited for and surveyed again."""

import threading
from typing import Any

import pytest
from deploy_samples import (
    CHANGED,
    FINISHED,
    FREE,
    LUZ,
    OURS,
    ROLE,
    STARTED,
    Clock,
    Data,
    Nodes,
    actions,
    answer,
    answer_surveys,
    busy_answer,
    clock,
    fake_call_runner,
    nodes,
    removed_roles,
    run,
    states,
    use_link,
)

from chautari.deploy import survey

__all__ = ["clock", "nodes", "removed_roles", "run"]


@pytest.mark.parametrize("venv", ["", "of another toolkit"])
def test_busy_node_is_refused_before_anything_changes(venv: str, nodes: Nodes, run: Any) -> None:
    nodes.answers["bog1"] = busy_answer(LUZ, venv=venv)
    report = run(checks=False)
    assert (nodes.prepared, nodes.converged) == ([], [])
    assert states(report) == {"bog1": "busy", "med1": "converged"}
    assert ("bog1", "busy") in nodes.reported
    [refusal] = report.nodes[0].refusals
    assert refusal.reason.startswith("luz is deploying to this node (since ")
    assert "--wait" in refusal.fix
    assert not report.ok


def test_wait_surveys_again_prepares_and_removes_roles(
    nodes: Nodes, run: Any, removed_roles: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    new = [{"code": "receipt_missing", "data": {}}]
    free = answer("debian-12", reasons={"base": new}, obsolete_roles=["framadate"])
    answer_surveys(nodes, busy_answer(LUZ), free, monkeypatch=monkeypatch)
    link = use_link(monkeypatch, FREE, ([STARTED, ROLE, FINISHED], 0))
    report = run(nodes=("bog1",), wait=True)
    assert [action for action, _ in actions(link)] == ["activity", "start"]
    assert nodes.prepared == ["bog1"]
    assert removed_roles[-1] == ["framadate"]
    assert (report.nodes[0].state, report.nodes[0].changed) == ("converged", 2)


def test_wait_for_an_equal_run_leaves_nothing_to_do(
    nodes: Nodes, run: Any, removed_roles: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    answer_surveys(nodes, busy_answer(LUZ), answer("debian-12"), monkeypatch=monkeypatch)
    link = use_link(monkeypatch, FREE)
    report = run(nodes=("bog1",), wait=True, checks=False)
    assert [action for action, _ in actions(link)] == ["activity"]
    assert report.ok and ("bog1", "node_up_to_date") in nodes.reported


def test_run_that_started_after_the_survey_is_reported(
    nodes: Nodes, run: Any, removed_roles: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes.answers["bog1"] = answer("debian-12", reasons={"base": CHANGED})
    use_link(monkeypatch, ([{"event": "busy", "holder": LUZ}], 75))
    report = run(nodes=("bog1",))
    assert (report.nodes[0].state, len(report.nodes[0].refusals)) == ("busy", 1)
    assert nodes.events == [{"event": "busy", "holder": LUZ}]


def test_run_that_started_after_the_survey_is_waited_for(
    nodes: Nodes, run: Any, removed_roles: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    stale = answer("debian-12", reasons={"base": CHANGED})
    answer_surveys(nodes, stale, answer("debian-12"), monkeypatch=monkeypatch)
    use_link(monkeypatch, ([{"event": "busy", "holder": LUZ}], 75), FREE)
    report = run(nodes=("bog1",), wait=True, checks=False)
    assert report.ok
    assert nodes.events == [{"event": "waiting", "holder": LUZ}, {"event": "node_up_to_date"}]


@pytest.mark.parametrize(("wait", "kind"), [(False, "busy"), (True, "waiting")])
def test_holder_is_reported_before_other_nodes_answer(
    wait: bool, kind: str, nodes: Nodes, run: Any, removed_roles: list[list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    answer_surveys(nodes, busy_answer(LUZ), answer("debian-12"), monkeypatch=monkeypatch)
    use_link(monkeypatch, FREE)
    ask, tell, heard, in_time = nodes.ask, nodes.tell, threading.Event(), []

    def slowly(target: Any, *rest: Any) -> Any:
        if target.name == "med1":
            in_time.append(heard.wait(5))
        return ask(target, *rest)

    def report_event(node: str, event: Data) -> None:
        tell(node, event)
        if event == {"event": kind, "holder": LUZ}:
            heard.set()

    monkeypatch.setattr(survey, "call_runner", fake_call_runner(slowly))
    monkeypatch.setattr(nodes, "tell", report_event)
    run(wait=wait, checks=False)
    assert in_time == [True]
    assert [name for node, name in nodes.reported if node == "bog1"][:2] == (
        [kind, "node_up_to_date"] if wait else [kind]
    )


def test_same_command_joins_the_running_run(
    nodes: Nodes, run: Any, removed_roles: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes.answers["bog1"] = busy_answer(OURS)
    link = use_link(monkeypatch, ([STARTED | {"run": "q"}, ROLE, FINISHED], 0))
    report = run(nodes=("bog1",))
    assert actions(link) == [("attach", "q")]
    assert (nodes.prepared, report.nodes[0].run, report.nodes[0].changed) == ([], "q", 2)
    assert ("bog1", "joined") in nodes.reported


def test_detached_command_does_not_follow_the_running_run(
    nodes: Nodes, run: Any, removed_roles: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes.answers["bog1"] = busy_answer(OURS | {"sha256": "other"})
    link = use_link(monkeypatch, ([{"event": "run_detached", "run": "q"}], 0))
    report = run(nodes=("bog1",), detach=True)
    assert actions(link) == [("attach", "q")]
    assert (report.nodes[0].state, report.nodes[0].run) == ("detached", "q")


@pytest.mark.parametrize("less", [{"sha256": "other"}, {"checks": False}, {"mode": "plan"}])
def test_joined_run_that_did_less_is_followed_by_a_full_one(
    less: Data,
    nodes: Nodes,
    run: Any,
    removed_roles: list[list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answer_surveys(nodes, busy_answer(OURS | less), answer("debian-12"), monkeypatch=monkeypatch)
    link = use_link(monkeypatch, ([STARTED, ROLE, FINISHED], 0), ([STARTED, FINISHED], 0))
    report = run(nodes=("bog1",))
    assert [action for action, _ in actions(link)] == ["attach", "start"]
    assert (report.nodes[0].changed, report.nodes[0].roles) == (0, [])
    assert report.ok


def test_nothing_follows_a_disconnected_joined_run(
    nodes: Nodes,
    run: Any,
    removed_roles: list[list[str]],
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    nodes.answers["bog1"] = busy_answer(OURS | {"sha256": "other"})
    use_link(monkeypatch, ([STARTED], 255), *[([], 255)] * 100)
    report = run(nodes=("bog1",))
    assert (report.nodes[0].state, report.ok) == ("disconnected", False)
    assert nodes.surveyed == ["bog1"]


def test_disconnected_canary_skips_the_other_nodes(
    nodes: Nodes, run: Any, removed_roles: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes.answers["med1"] = answer("debian-13", reasons={"base": CHANGED})
    use_link(monkeypatch, ([STARTED], 255), *[([], 255)] * 100)
    report = run(canary="med1")
    assert states(report) == {"med1": "disconnected", "bog1": "refused"}
    assert nodes.surveyed == ["med1"]

"""From the survey of a node to its next step: prepare, converge, or nothing."""

import contextlib
import json
import threading
from pathlib import Path
from typing import Any

import pytest
from deploy_samples import CHANGED, NEW, Data, Nodes, answer, facts, nodes, run, states

from chautari.deploy import node_run, pipeline, request
from chautari.report.model import CheckResult, Refusal

__all__ = ["nodes", "run"]


def test_up_to_date_region_needs_one_answer_of_each_node(nodes: Nodes, run: Any) -> None:
    report = run(checks=False)
    assert sorted(nodes.surveyed) == ["bog1", "med1"]
    assert (nodes.prepared, nodes.converged) == ([], [])
    assert states(report) == {"bog1": "converged", "med1": "converged"}
    assert report.ok
    assert sorted(nodes.reported) == [("bog1", "node_up_to_date"), ("med1", "node_up_to_date")]
    [role] = report.nodes[0].roles
    assert (role.name, role.up_to_date) == ("base", True)
    assert [notice.text for notice in report.nodes[0].notices] == ["make an A record"]


def test_checks_run_on_an_up_to_date_node(nodes: Nodes, run: Any) -> None:
    run()
    assert (nodes.prepared, sorted(nodes.converged)) == ([], ["bog1", "med1"])
    assert nodes.about["bog1"]["checks"] is True


@pytest.fixture
def order(nodes: Nodes, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the order in which the checks begin and end; each waits for the other to begin."""
    steps: list[str] = []
    both = threading.Barrier(2)

    def look(name: str, found: list[CheckResult]) -> list[CheckResult]:
        steps.append(f"{name} begins")
        with contextlib.suppress(threading.BrokenBarrierError):
            both.wait(0.3)
        steps.append(f"{name} ends")
        return found

    outcome = CheckResult("bog1", "base", "answers", "passed", "It answers", side="outside")
    monkeypatch.setattr(
        node_run, "converge_nodes_and_collect_checks", lambda *_: look("inside", [])
    )
    monkeypatch.setattr(
        "chautari.deploy.outside_checks.run_outside_checks", lambda *_: look("outside", [outcome])
    )
    return steps


@pytest.mark.parametrize("verb", [pipeline.deploy, pipeline.verify])
def test_inside_and_outside_checks_run_together_without_changes(
    order: list[str], run: Any, verb: Any
) -> None:
    report = run(verb)
    assert {text.split()[1] for text in order[:2]} == {"begins"}
    assert [result.side for result in report.checks] == ["outside"]


@pytest.mark.parametrize("options", [{"full": True}, {}])
def test_outside_checks_follow_the_changes(
    nodes: Nodes, order: list[str], run: Any, options: Data
) -> None:
    if not options:
        nodes.answers["bog1"] = answer("debian-12", reasons={"base": CHANGED}, up_to_date=[])
    run(**options)
    assert order == ["inside begins", "inside ends", "outside begins", "outside ends"]


def test_plan_of_an_unchanged_region_starts_nothing(nodes: Nodes, run: Any) -> None:
    report = run(pipeline.plan)
    assert (nodes.prepared, nodes.converged) == ([], [])
    assert states(report) == {"bog1": "planned", "med1": "planned"}


def test_download_prepares_a_new_node_without_claiming_it_and_runs_no_check(
    nodes: Nodes, run: Any, order: list[str]
) -> None:
    reasons = {"base": [{"code": "receipt_missing", "data": {}}]}
    nodes.answers["bog1"] = answer("debian-12", reasons=reasons, up_to_date=[])
    report = run(download_only=True)
    assert (nodes.prepared, nodes.preparations) == (["bog1"], ["install"])
    assert order == ["inside begins", "inside ends"]
    assert states(report) == {"bog1": "downloaded", "med1": "downloaded"}


def test_download_starts_a_run_only_on_outdated_nodes(nodes: Nodes, run: Any) -> None:
    nodes.answers["bog1"] = answer("debian-12", reasons={"base": CHANGED}, up_to_date=[])
    run(download_only=True)
    assert (nodes.prepared, nodes.converged) == ([], ["bog1"])
    assert nodes.about["bog1"]["mode"] == "download"


def test_machines_are_prepared_and_no_role_runs(
    nodes: Nodes, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline.child_process, "run_preflight_and_prepare", nodes.prepare)
    nodes.outcome["med1"] = "unreachable"
    report = run(pipeline.prepare_nodes)
    assert states(report) == {"bog1": "prepared", "med1": "unreachable"}
    assert (nodes.converged, report.nodes[0].ok) == ([], True)


def test_outdated_node_converges_without_preparation(nodes: Nodes, run: Any) -> None:
    nodes.answers["bog1"] = answer("debian-12", reasons={"base": CHANGED}, up_to_date=[])
    run(checks=False)
    assert (nodes.prepared, nodes.converged) == ([], ["bog1"])
    about = nodes.about["bog1"]
    assert (about["mode"], about["full"], about["checks"]) == ("deploy", False, False)


@pytest.mark.parametrize(
    "change",
    [
        {"reasons": {"base": NEW}},
        {"reasons": {"base": [NEW[0] | {"code": "receipt_damaged"}]}},
        {"venv": "of another toolkit"},
        {"venv": ""},
    ],
    ids=["new role", "damaged receipt", "other environment", "bare"],
)
def test_unprepared_node_is_prepared_first(change: Data, nodes: Nodes, run: Any) -> None:
    # The clock is part of the facts, so they are made when the test runs.
    machine = {"venv": change["venv"]} if "venv" in change else {}
    given = {key: value for key, value in change.items() if key != "venv"}
    nodes.answers["bog1"] = answer("debian-12", facts=facts("debian-12", **machine)) | given
    run(checks=False)
    assert (nodes.prepared, nodes.converged) == (["bog1"], ["bog1"])


def test_node_without_a_survey_is_prepared(nodes: Nodes, run: Any) -> None:
    nodes.answers["bog1"], nodes.outcome["bog1"] = None, "unreachable"
    report = run(checks=False)
    assert (nodes.prepared, nodes.converged) == (["bog1"], [])
    assert states(report) == {"bog1": "unreachable", "med1": "converged"}


@pytest.mark.parametrize("mode", [pipeline.deploy, pipeline.verify, pipeline.plan])
def test_unreachable_node_is_reported_at_once(mode: Any, nodes: Nodes, run: Any) -> None:
    nodes.answers["bog1"] = None
    nodes.error = "Warning: x\nssh: connect to host 203.0.113.10 port 2222: Connection timed out"
    report = run(mode, checks=False)
    assert "bog1" not in nodes.prepared + nodes.converged
    assert states(report)["bog1"] == "unreachable"
    assert ("bog1", "unreachable") in nodes.reported
    [refusal] = report.nodes[0].refusals
    assert refusal.reason == "203.0.113.10 does not respond over SSH (Connection timed out)."
    assert not report.ok


@pytest.mark.parametrize(
    "error",
    [
        "ssh: connect to host 198.51.100.1 port 22: Connection timed out",
        "ssh: connect to host 203.0.113.10 port 22: Connection refused",
        "Host key verification failed.",
        "Connection closed by UNKNOWN port 65535",
    ],
    ids=["another machine", "another port", "another key", "another way"],
)
def test_unclear_survey_error_leads_to_the_preparation(error: str, nodes: Nodes, run: Any) -> None:
    nodes.answers["bog1"], nodes.error = None, error
    run(checks=False)
    assert nodes.prepared == ["bog1"]


def test_node_without_a_known_host_key_is_not_surveyed(
    nodes: Nodes, run: Any, tmp_path: Path
) -> None:
    (tmp_path / "andes" / "known_hosts").write_text("203.0.113.11 k\n")
    run(checks=False)
    assert (nodes.surveyed, nodes.prepared) == (["med1", "bog1"], ["bog1"])
    assert nodes.converged == [], "every receipt holds there"


def test_full_converges_every_node(nodes: Nodes, run: Any) -> None:
    run(full=True, checks=False)
    assert (nodes.prepared, sorted(nodes.converged)) == ([], ["bog1", "med1"])
    assert nodes.about["med1"]["full"] is True


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"os": "debian-13"}, "The node runs debian-13, not debian-12"),
        ({"init": "sh"}, "The init system of the node is sh, not systemd"),
        ({"uid": 1000}, "The account cannot become root without a password"),
        ({"memory_kb": 1000}, "The node has 0 MB of memory; 400 MB are needed"),
        ({"free_kb:/": 1000}, "0 MB are free on /; 1000 MB are needed"),
        ({"now": 0}, "behind the clock of your machine"),
    ],
)
def test_survey_refuses_what_the_preflight_refuses(
    changed: Data, what: str, nodes: Nodes, run: Any
) -> None:
    found = answer("debian-12", reasons={"base": CHANGED}, facts=facts("debian-12", **changed))
    nodes.answers["bog1"] = found
    report = run(checks=False)
    assert (nodes.prepared, nodes.converged) == ([], [])
    assert states(report) == {"bog1": "refused", "med1": "converged"}
    [refusal] = report.nodes[0].refusals
    assert what in refusal.reason and refusal.fix
    assert ("bog1", "refused") in nodes.reported


def test_verify_runs_no_role(nodes: Nodes, run: Any) -> None:
    report = run(pipeline.verify)
    assert {about["mode"] for about in nodes.about.values()} == {"verify"}
    assert states(report) == {"bog1": "verified", "med1": "verified"}


def test_canary_converges_first_and_the_rest_follow(nodes: Nodes, run: Any) -> None:
    report = run(canary="med1", full=True)
    assert (nodes.surveyed, nodes.converged) == (["med1", "bog1"], ["med1", "bog1"])
    assert list(states(report)) == ["med1", "bog1"]


@pytest.mark.parametrize("trouble", ["failed task", "unreachable", "check"])
def test_failed_canary_skips_the_other_nodes(trouble: str, nodes: Nodes, run: Any) -> None:
    nodes.outcome["med1"] = trouble
    if trouble == "unreachable":
        nodes.answers["med1"] = None
    if trouble == "check":
        nodes.outcome.clear()
        nodes.checks["med1"] = [CheckResult("med1", "base", "test_x", "failed")]
    report = run(canary="med1", full=True)
    assert nodes.surveyed == ["med1"]
    assert "bog1" not in nodes.prepared + nodes.converged
    [held] = [node for node in report.nodes if node.name == "bog1"]
    assert held.state == "refused"
    assert held.refusals == [Refusal("canary_failed", {"canary": "med1"})]
    assert not report.ok


def test_canary_of_chosen_nodes_adds_no_other_node(nodes: Nodes, run: Any) -> None:
    run(canary="med1", nodes=("bog1",), full=True)
    assert nodes.surveyed == ["med1", "bog1"]
    nodes.surveyed.clear()
    run(canary="med1", nodes=("med1",), full=True)
    assert nodes.surveyed == ["med1"]


def test_failure_of_one_node_keeps_the_result_of_the_other(nodes: Nodes, run: Any) -> None:
    nodes.outcome["bog1"] = "failed task"
    report = run(full=True)
    assert states(report) == {"bog1": "failed", "med1": "converged"}


def test_bug_at_one_node_keeps_the_result_of_the_other(nodes: Nodes, run: Any) -> None:
    nodes.outcome |= {"bog1": "bug"}
    report = run(full=True)
    assert states(report) == {"bog1": "failed", "med1": "converged"}
    failure = report.nodes[0].failure
    assert failure.message.startswith("AssertionError: a bug")
    assert any("deploy_samples.py" in line for line in failure.journal)
    assert not report.ok


def test_expected_error_at_one_node_has_a_next_step(nodes: Nodes, run: Any) -> None:
    nodes.outcome |= {"bog1": "error"}
    report = run(full=True)
    assert states(report) == {"bog1": "failed", "med1": "converged"}
    assert report.nodes[0].refusals == [
        Refusal("error", {"message": "no room", "fix": "make room"})
    ]


def test_key_of_receipts_is_never_sent_to_a_node(nodes: Nodes, run: Any) -> None:
    run(full=True)
    assert "canary-receipts" not in json.dumps(list(nodes.about.values()))
    assert request.RECEIPT_KEY == "receipt_key"

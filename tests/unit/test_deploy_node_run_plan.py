"""Downloads in a plan that the run on the node cannot count."""

import json
from typing import Any

import pytest
from deploy_samples import Data, Nodes, answer, facts, nodes, run

from chautari.deploy import node_run, pipeline, remote_run
from chautari.deploy.node_events import NodeReportBuilder
from chautari.report.model import NodeReport, Notice, Refusal

__all__ = ["nodes", "run"]


OUTDATED = Notice("environment_outdated", {"megabytes": 11})


def plan_with_downloads(
    _: Any, __: bytes, ___: Data, report: NodeReport, tell: Any, ____: bool
) -> Any:
    """Fake a plan that counted every known download."""
    event = {
        "event": "download_estimate",
        "bytes": 7,
        "packages": 7,
        "unknown_urls": [],
        "unknown_packages": [],
        "partial": False,
    }
    NodeReportBuilder(report, tell).feed_line(json.dumps(event))
    return [], None


@pytest.mark.parametrize("other", [True, False])
def test_plan_reports_that_the_environment_is_replaced(
    other: bool, nodes: Nodes, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fake_prepare(*arguments: Any) -> dict[str, NodeReport]:
        found = Nodes.prepare(nodes, *arguments)
        found["bog1"].notices += [
            Notice("small_machine"),
            *([OUTDATED] if other else []),
        ]
        return found

    nodes.answers["bog1"] = answer("debian-12", facts=facts("debian-12", venv="of another toolkit"))
    monkeypatch.setattr(node_run, "run_preflight_and_prepare", fake_prepare)
    monkeypatch.setattr(remote_run, "start_run_and_collect_checks", plan_with_downloads)
    bog1 = run(pipeline.plan).nodes[0]
    assert (bog1.download_bytes, bog1.download_at_least) == (7, other)
    assert bog1.notices == [OUTDATED] * other


def test_verify_reports_no_downloads(
    nodes: Nodes, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = NodeReport("bog1", "", "converged", notices=[OUTDATED])
    nodes.answers["bog1"] = answer("debian-12", facts=facts("debian-12", venv="of another toolkit"))
    monkeypatch.setattr(node_run, "run_preflight_and_prepare", lambda *_: {"bog1": report})
    bog1 = run(pipeline.verify).nodes[0]
    assert (bog1.notices, bog1.download_at_least) == ([], False)


def test_first_plan_of_a_node_names_the_downloads_of_preparation(
    nodes: Nodes, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusal = Refusal("nothing_deployed")
    report = NodeReport("bog1", "", "refused", refusals=[refusal])
    nodes.answers["bog1"] = answer("debian-12", facts=facts("debian-12", venv=""))
    monkeypatch.setattr(node_run, "run_preflight_and_prepare", lambda *_: {"bog1": report})
    [notice] = run(pipeline.plan).nodes[0].notices
    assert (
        "deploy prepare andes --node bog1\nThis command downloads" in notice.text
        and "about 11 MB" in notice.text
    )


def test_plan_refuses_what_a_deploy_of_a_new_role_would_refuse(
    nodes: Nodes, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = [{"code": "receipt_missing", "data": {}}]
    nodes.answers["bog1"] = answer("debian-12", reasons={"jitsi": new})
    refusal = Refusal("existing_state", {"role": "jitsi", "paths": ["/etc/jitsi/meet"]})
    preparations: list[str] = []

    def fake_prepare(_: Any, __: Any, ___: Any, preparation: str, *____: Any) -> Any:
        preparations.append(preparation)
        return {"bog1": NodeReport("bog1", "", "refused", refusals=[refusal])}

    monkeypatch.setattr(node_run, "run_preflight_and_prepare", fake_prepare)
    bog1 = run(pipeline.plan).nodes[0]
    assert (bog1.state, [item.code for item in bog1.refusals]) == ("refused", ["existing_state"])
    assert preparations == ["check"] and nodes.converged == []

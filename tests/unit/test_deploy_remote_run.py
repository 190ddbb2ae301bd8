"""The events of a node become its report; a dropped connection is resumed."""

import base64
import json
from typing import Any

import pytest
from deploy_samples import (
    CHECK,
    FINISHED,
    ROLE,
    STARTED,
    TARGET,
    Clock,
    Link,
    actions,
    clock,
    follow,
)

from chautari.deploy import node_events, remote_run
from chautari.deploy.node_events import _HANDLERS, NodeReportBuilder
from chautari.report.model import NodeReport
from chautari.ssh import runner_client

__all__ = ["clock"]


def test_converge_fills_the_report_of_a_successful_run(monkeypatch: pytest.MonkeyPatch) -> None:
    report, checks, events = follow(monkeypatch, Link(([STARTED, ROLE, CHECK, FINISHED], 0)))
    assert (report.state, report.run, report.changed, report.failed) == ("converged", "r", 2, 0)
    assert [(role.name, role.ok, role.skipped) for role in report.roles] == [("base", 3, 1)]
    assert [(check.check, check.outcome, check.journal) for check in checks] == [
        ("test_x", "failed", ["line"])
    ]
    assert [event["event"] for event in events][-1] == "run_finished"


def test_converge_resumes_a_dropped_connection_at_its_offset(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    link = Link(([STARTED], 255), ([], 255), ([ROLE, FINISHED], 0))
    report, _, events = follow(monkeypatch, link)
    assert report.state == "converged"
    assert [event["event"] for event in events].count("reconnecting") == 2
    packed = [base64.b64decode(argv[-1].split()[-1]) for argv in link.commands]
    requests = [json.loads(item) for item in packed]
    assert [item["action"] for item in requests] == ["start", "attach", "attach"]
    assert requests[2] == {"action": "attach", "run": "r", "offset": 10}


def test_converge_reports_a_lost_connection(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    link = Link(([STARTED], 255), *[([], 255)] * 100)
    report, _, _ = follow(monkeypatch, link)
    assert (report.state, report.ok) == ("disconnected", False)
    assert "the run continues on the node" in report.refusals[0].reason
    # Each try failed at once, as without a route; a cut of five minutes is over long before.
    assert 600 <= clock.now < 660


def test_each_outage_has_its_own_time_limit(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    outage = [([], 255)] * 15  # about seven minutes
    alive = {"event": "heartbeat", "offset": 10}
    link = Link(
        ([STARTED], 255), *outage, ([ROLE | {"offset": 20}], 255), *outage, ([alive], 255),
        *outage, ([FINISHED], 0),
    )  # fmt: skip
    report, _, _ = follow(monkeypatch, link)
    assert report.state == "converged"
    assert clock.now > 1000


def test_converge_sends_a_start_again_that_did_not_arrive(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    unknown = {"event": "refused", "reason": {"code": "unknown_run", "data": {"run": "r"}}}
    link = Link(([], 255), ([unknown], 1), ([STARTED, FINISHED], 0))
    report, _, _ = follow(monkeypatch, link)
    assert (report.state, report.refusals) == ("converged", [])
    assert actions(link) == [("start", "r"), ("attach", "r"), ("start", "r")]


def test_converge_gives_up_a_start_that_never_arrives(
    monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    unknown = {"event": "refused", "reason": {"code": "unknown_run", "data": {"run": "r"}}}
    link = Link(*[([], 255), ([unknown], 1)] * 100, ([], 255))
    report, _, _ = follow(monkeypatch, link)
    assert (report.state, report.ok) == ("disconnected", False)
    assert clock.now < 660


@pytest.mark.usefixtures("account_with_key")
def test_converge_does_not_retry_a_refused_login(monkeypatch: pytest.MonkeyPatch) -> None:
    link = Link(([], 255), stderr="root@203.0.113.10: Permission denied (publickey).")
    report, _, _ = follow(monkeypatch, link)
    assert report.state == "unreachable"
    assert "does not accept your SSH key" in report.refusals[0].reason


@pytest.mark.parametrize(
    "line",
    [
        '{"event": "role_fin',
        '{"no": "event"}',
        '{"event": ["run_started"]}',
        '{"event": "role_finished", "role": "base"}',
        '{"event": "run_finished"}',
        '{"event": "role_message", "role": "r", "text": "m", "offset": "x"}',
        '{"event": "failure", "role": "r", "task": "t", "message": "m", "journal": 1}',
        '{"event": "busy", "holder": 1}',
        json.dumps(CHECK | {"outcome": "splendid"}),
        '{"event":' * 100_000,
    ],
)
def test_converge_fails_on_a_malformed_line(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    report, _, events = follow(monkeypatch, Link(([STARTED, line, FINISHED], 0)))
    assert (report.state, report.ok) == ("failed", False)
    assert "The node sent an unreadable message" in report.refusals[0].reason
    assert events == [STARTED]


def test_converge_dispatches_an_event_only_to_its_handler(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_init__", "fill", "_class__"):
        report, _, _ = follow(monkeypatch, Link(([STARTED, {"event": name}, FINISHED], 0)))
        assert report.ok
    own = {name[4:] for name in vars(NodeReportBuilder) if name.startswith("_on_")}
    assert set(_HANDLERS) == own


def test_converge_reports_why_a_run_did_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    report, _, _ = follow(monkeypatch, Link(([], 126), stderr="x\npython3: Permission denied"))
    assert report.state == "failed"
    what = "The node did not accept the command (python3: Permission denied)."
    assert report.refusals[0].reason == what
    assert report.refusals[0].fix == "Log in and check the machine: ssh -p 22 root@203.0.113.10"


def test_busy_node_is_reported_with_holder_time_and_origin() -> None:
    holder = {"operator": "luz", "origin": "laptop", "since": 0.0, "run": "q"}
    what = remote_run.busy_refusal(holder).reason
    assert what.startswith("luz is deploying to this node (since ")
    assert what.endswith(", from laptop, run q).")


@pytest.mark.parametrize("holder", [{}, {"since": "x"}, {"since": 1e300}, {"since": float("nan")}])
def test_busy_node_without_a_known_holder_is_reported(holder: dict[str, Any]) -> None:
    assert remote_run.busy_refusal(holder).reason == "another operator is deploying to this node."


def test_converge_starts_nothing_on_a_busy_node(monkeypatch: pytest.MonkeyPatch) -> None:
    holder = {"operator": "luz"}
    _, checks, events = follow(monkeypatch, Link(([{"event": "busy", "holder": holder}], 75)))
    assert (checks, events[-1]) == ([], holder)


def test_failed_task_is_reported_with_its_journal(monkeypatch: pytest.MonkeyPatch) -> None:
    failure = {"event": "failure", "role": "php", "task": "T", "message": "m", "journal": ["j"]}
    broken = {"event": "playbook_failed", "code": 2, "log": ["l"]}
    ending = FINISHED | {"ok": False}
    report, _, _ = follow(monkeypatch, Link(([STARTED, failure, broken, ending], 1)))
    assert (report.state, report.ok, report.failed) == ("failed", False, 1)
    assert report.failure is not None
    assert (report.failure.role, report.failure.task, report.failure.journal) == ("php", "T", ["j"])


def test_first_failure_is_the_one_that_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    failures = [
        {"event": "failure", "role": "php", "task": task, "message": "m", "journal": []}
        for task in ("Write half of it", "Restart")
    ]
    link = Link(([STARTED, *failures, FINISHED | {"ok": False}], 1))
    report, _, _ = follow(monkeypatch, link)
    assert report.failure is not None
    assert report.failure.task == "Write half of it"


def test_playbook_that_cannot_start_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = {"event": "playbook_failed", "code": 4, "log": ["no such role"]}
    report, _, _ = follow(monkeypatch, Link(([STARTED, broken, FINISHED | {"ok": False}], 1)))
    assert report.failure is not None
    assert report.failure.journal == ["no such role"]


def test_checks_that_could_not_run_fail_the_node(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = {"event": "checks_errored", "code": 4, "log": ["usage error"]}
    report, _, _ = follow(monkeypatch, Link(([STARTED, broken, FINISHED], 0)))
    assert not report.ok


def test_incomplete_receipt_is_reported_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    why = "x.service was restarted, but is failed"
    data = {"unit": "x.service", "action": "restarted", "state": "failed"}
    reason = {"code": "unit_not_active", "data": data}
    left = {"event": "receipt_incomplete", "role": "mail", "reason": reason}
    report, _, _ = follow(monkeypatch, Link(([STARTED, left, FINISHED], 0)))
    assert [notice.text for notice in report.notices] == [
        f"mail: {why}; the next deploy runs this role again"
    ]


def test_notices_reach_the_report(monkeypatch: pytest.MonkeyPatch) -> None:
    notice = {"event": "role_message", "role": "tls", "text": "make an A record"}
    report, _, _ = follow(monkeypatch, Link(([STARTED, notice, FINISHED], 0)))
    assert [notice.text for notice in report.notices] == ["make an A record"]


@pytest.mark.parametrize(
    ("unknown", "partial", "least"),
    [([], False, False), (["the image x"], False, True), ([], True, True)],
)
def test_partly_known_download_is_a_minimum(
    unknown: list[str], partial: bool, least: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    budget = {
        "event": "download_estimate",
        "bytes": 7,
        "packages": 0,
        "unknown_urls": unknown,
        "unknown_packages": [],
        "partial": partial,
    }
    report, _, _ = follow(monkeypatch, Link(([STARTED, budget, FINISHED], 0)))
    assert (report.download_bytes, report.download_at_least) == (7, least)
    assert [notice.text for notice in report.notices] == [
        f"The size of {x} is unknown, so it is not included in the total." for x in unknown
    ]


def test_followup_role_is_reported_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    later = {"a": [{"code": "change_expected", "data": {"role": "b", "name": "/x"}}]}
    event = {"event": "followup_roles", "roles": later}
    report, _, _ = follow(monkeypatch, Link(([STARTED, event, FINISHED], 0)))
    assert [notice.text for notice in report.notices] == [
        "a would run afterwards, in a second pass: b would change /x"
    ]


@pytest.mark.parametrize(("ok", "words"), [(True, "was completed"), (False, "apt-get -f")])
def test_interrupted_installation_is_reported(
    ok: bool, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = {"event": "dpkg_repaired", "packages": ["nginx"], "ok": ok}
    report, _, _ = follow(monkeypatch, Link(([STARTED, event, FINISHED], 0)))
    [notice] = report.notices
    assert "(nginx)" in notice.text and words in notice.text


@pytest.mark.parametrize(
    ("event", "what"),
    [
        ({"event": "refused", "reason": {"code": "bundle_damaged", "data": {}}}, "arrived damaged"),
        (
            {
                "event": "refused",
                "reason": {
                    "code": "run_not_recorded",
                    "data": {"error": "[Errno 28] No space left on device: '/x'"},
                },
            },
            "Errno 28",
        ),
        ({"event": "run_lost", "run": "r", "full_folder": ""}, "without reporting a result"),
        ({"event": "run_lost", "run": "r", "full_folder": "/var/lib/chautari"}, "chautari is full"),
    ],
)
def test_run_without_an_end_event_fails(
    event: dict[str, Any], what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    report, _, _ = follow(monkeypatch, Link(([STARTED, event], 1)))
    assert report.state == "failed"
    assert what in report.refusals[0].reason
    no_room = "full" in what or "Errno 28" in what
    assert ("df -i" in report.refusals[0].fix) is no_room
    assert ("Deploy again" in report.refusals[0].fix) or no_room


def test_event_of_a_newer_runner_is_skipped_with_a_notice(monkeypatch: pytest.MonkeyPatch) -> None:
    new = {"event": "something_new", "value": 1}
    report, _, events = follow(monkeypatch, Link(([STARTED, new, new, FINISHED], 0)))
    assert new not in events
    assert report.ok
    assert [notice.code for notice in report.notices] == ["newer_version"]


def test_detached_run_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    link = Link(([{"event": "run_detached", "run": "r"}], 0))
    report, _, _ = follow(monkeypatch, link, detach=True)
    assert (report.state, report.ok, report.refusals) == ("detached", True, [])


def test_detached_run_is_reported_after_a_disconnection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    link = Link(([], 255), ([{"event": "run_detached", "run": "r"}], 0))
    report, _, _ = follow(monkeypatch, link, detach=True)
    assert (report.state, report.refusals) == ("detached", [])
    assert json.loads(base64.b64decode(link.commands[1][-1].split()[-1]))["detach"] is True


def wait_for_lock(
    monkeypatch: pytest.MonkeyPatch, *answers: tuple[list[Any], int]
) -> tuple[bool, NodeReport, list[Any], Link]:
    events: list[Any] = []
    link = Link(*answers)
    monkeypatch.setattr(runner_client, "RunningCommand", link)
    report = NodeReport("bog1", "203.0.113.10", "converged")
    free = remote_run.wait_until_node_is_free(
        TARGET, HOLDER, report, lambda node, event: events.append(event)
    )
    return free, report, events, link


HOLDER = {"operator": "luz", "origin": "lima", "run": "q", "since": 0.0}


def activity(role: str | None) -> tuple[list[Any], int]:
    return [{"event": "activity", "busy": HOLDER | {"role": role} if role else None}], 0


def test_wait_reports_each_new_role_of_the_holder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers = [activity("base"), activity("base"), ([], 255), activity("php"), activity(None)]
    free, _, events, link = wait_for_lock(monkeypatch, *answers)
    assert free
    assert [event["holder"].get("role") for event in events] == ["base", "php"]
    assert {event["event"] for event in events} == {"waiting"}
    assert {action for action, _ in actions(link)} == {"activity"}


def test_wait_ends_when_the_node_stays_unreachable(
    monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    free, report, _, _ = wait_for_lock(monkeypatch, *[([], 255)] * 200)
    assert (free, report.state) == (False, "unreachable")
    assert 600 <= clock.now < 660


MORE = {"sha256": "s", "mode": "deploy", "full": True, "checks": True, "purge": True,
        "interrupt_meetings": True}  # fmt: skip


@pytest.mark.parametrize("key", ["full", "checks", "purge", "interrupt_meetings"])
def test_covers_request_is_false_for_a_run_that_does_less(key: str) -> None:
    less = MORE | {key: False}
    old = {name: value for name, value in MORE.items() if name != key}
    assert remote_run.covers_request(MORE, MORE)
    assert remote_run.covers_request(MORE, less) and remote_run.covers_request(less, less)
    assert not remote_run.covers_request(less, MORE)
    assert not remote_run.covers_request(old, MORE)


@pytest.mark.parametrize("other", [{"sha256": "t"}, {"mode": "plan"}])
def test_covers_request_is_false_for_another_bundle(other: dict[str, Any]) -> None:
    assert not remote_run.covers_request(MORE | other, MORE)


def test_converge_limits_the_logins_that_a_node_asks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    logins: list[Any] = []
    monkeypatch.setattr(
        remote_run, "try_new_login_and_return_error", lambda one: logins.append(one) or ""
    )
    follow(monkeypatch, Link(([STARTED, *[LOGIN] * 1000, FINISHED], 0)))
    assert len(logins) == node_events.MAX_LOGINS


LOGIN = {"event": "login_requested", "role": "ssh", "offset": 20}


@pytest.mark.parametrize("error", ["", "no matching key exchange method found"])
def test_converge_logs_in_again_when_the_node_asks_for_it(
    monkeypatch: pytest.MonkeyPatch, error: str
) -> None:
    logins: list[Any] = []
    monkeypatch.setattr(
        remote_run, "try_new_login_and_return_error", lambda one: logins.append(one) or error
    )
    link = Link(([STARTED, LOGIN, ROLE, FINISHED], 0))
    report, _, _ = follow(monkeypatch, link)
    assert logins == [TARGET]
    assert report.state == "converged"
    texts = [notice.text for notice in report.notices if notice.code == "new_login_failed"]
    assert len(texts) == bool(error)
    assert all(error in text and "restores the old settings" in text for text in texts)

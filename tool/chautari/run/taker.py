"""Fills a node's report from the events of its run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chautari.report.model import CheckResult, Failure, NodeReport, Refusal, RoleReport

Event = dict[str, Any]
Listener = Callable[[str, Event], None]


class Taker:
    """Fills a node's report from its events."""

    def __init__(self, report: NodeReport, tell: Listener) -> None:
        """Fill `report`, and hand every event on to `tell`."""
        self.report, self.tell = report, tell
        self.checks: list[CheckResult] = []
        self.offset = 0
        self.begun = self.ended = False
        self.error = ""
        self.holder: Event | None = None
        self.code: int | None = None

    def take(self, event: Event) -> None:
        """Take one event: into the report, and to the listener."""
        self.offset = event.get("offset", self.offset)
        handler = getattr(self, f"_{event['event']}", None)
        if handler is not None:
            handler(event)
        self.tell(self.report.name, event)

    def _run_started(self, event: Event) -> None:
        self.begun = True
        self.report.run = event.get("run", self.report.run)

    def _role_finished(self, event: Event) -> None:
        numbers = {key: event.get(key, 0) for key in ("ok", "changed", "failed", "skipped")}
        self.report.roles.append(RoleReport(event["role"], **numbers, seconds=event["seconds"]))
        self.report.changed += event["changed"]
        self.report.failed += event["failed"]

    def _notice(self, event: Event) -> None:
        self.report.notices.append(event["message"])

    def _failure(self, event: Event) -> None:
        fields = {key: event[key] for key in ("role", "task", "message", "journal")}
        self.report.failure = Failure(**fields)

    def _playbook_failed(self, event: Event) -> None:
        if self.report.failure is None:
            message = "Ansible could not run the playbook"
            self.report.failure = Failure("playbook", "start", message, event["log"])

    def _checks_broken(self, event: Event) -> None:
        self.report.failed += 1
        message = f"the checks could not run (pytest ended with {event['code']})"
        self.report.failure = Failure("checks", "run", message, event["log"])

    def _check(self, event: Event) -> None:
        self.checks.append(check_result(event))

    def _busy(self, event: Event) -> None:
        self.ended = True
        self.holder = event["holder"]

    def _handed_over(self, _: Event) -> None:
        self.begun = self.ended = True
        self.report.state = "detached"

    def _refused(self, event: Event) -> None:
        self.ended = True
        self.report.state = "failed"
        self.report.refusals.append(Refusal(event["message"], "deploy again"))

    def _run_lost(self, _: Event) -> None:
        self.ended = True
        self.report.state = "failed"
        reason = "the run ended without a word: the node restarted, or somebody stopped its unit"
        self.report.refusals.append(Refusal(reason, "deploy again; it goes on from there"))

    def _run_finished(self, event: Event) -> None:
        self.ended = True
        self.report.state = "converged" if event["ok"] else "failed"
        if not event["ok"] and not self.report.failed:
            self.report.failed = 1


def check_result(event: Event) -> CheckResult:
    """Return the check that an event tells of."""
    fields = ("node", "service", "check", "outcome", "title", "seconds", "message", "advice")
    known = {key: event[key] for key in fields}
    return CheckResult(**known, journal=event.get("journal", []), side=event["side"])

"""Fills a node's report from the events of its run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chautari.report import summary
from chautari.report.model import CheckResult, Failure, NodeReport, Refusal, RoleReport

Event = dict[str, Any]
Listener = Callable[[str, Event], None]


class Taker:
    """Fills a node's report from its events."""

    def __init__(self, report: NodeReport, tell: Listener) -> None:
        """Fill `report`, and hand every event on to `tell`."""
        self.report, self.tell = report, tell
        self.checks: list[CheckResult] = []
        self.why: dict[str, list[str]] = {}
        self.differences: dict[str, list[str]] = {}
        self.mode = ""
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
        self.mode = event.get("mode", "")
        self.report.run = event.get("run", self.report.run)

    def _chosen(self, event: Event) -> None:
        for role, reasons in event["roles"].items():
            self.why[role] = [reason["text"] for reason in reasons]

    def _kept(self, event: Event) -> None:
        self.report.roles.append(RoleReport(event["role"], kept=True))
        self.report.notices += event["notices"]

    def _role_finished(self, event: Event) -> None:
        name = event["role"]
        # A play may come back to its role, as for restarts that an earlier run owed.
        role = next((role for role in self.report.roles if role.name == name), None)
        if role is None:
            role = RoleReport(name, why=self.why.get(name, []))
            self.report.roles.append(role)
        role.ok += event.get("ok", 0)
        role.changed += event.get("changed", 0)
        role.failed += event.get("failed", 0)
        role.skipped += event.get("skipped", 0)
        role.seconds += event["seconds"]
        role.differences += self.differences.pop(name, [])
        self.report.changed += event["changed"]
        self.report.failed += event["failed"] if self.mode != "plan" else 0

    def _stays(self, event: Event) -> None:
        self.report.notices.append(
            f"{event['role']} is wanted on this node no more, but this toolkit does not know how "
            "to take it off: stop its services by hand"
        )

    def _without_mitogen(self, _: Event) -> None:
        self.report.notices.append(
            "Mitogen does not fit the node's Ansible: the run went on without it, only slower"
        )

    def _apt_at_work(self, event: Event) -> None:
        holder = event["holder"]
        self.report.notices.append(
            f"apt is at work on the node ({holder}): the run waits for it, ten minutes at most"
        )

    def _packages_finished(self, event: Event) -> None:
        names = ", ".join(event["packages"])
        self.report.notices.append(
            f"an installation had been cut short ({names}): it was brought to its end"
            if event["ok"]
            else f"an installation had been cut short ({names}) and could not be brought to its "
            "end: see what `dpkg --configure -a` and `apt-get -f install` say on the node"
        )

    def _accepted(self, event: Event) -> None:
        for text in event["items"]:
            self.report.notices.append(
                f"{event['role']}: {text}\nThis was changed by hand, and the role leaves it so; "
                "from now on it counts as it is. Put it back yourself if it should not be so."
            )

    def _difference(self, event: Event) -> None:
        text = f"{event['task']}\n{event['diff']}".rstrip()
        self.differences.setdefault(event["role"], []).append(text)

    def _budget(self, event: Event) -> None:
        self.report.download_bytes = event["bytes"]
        self.report.download_at_least = bool(event["unknown"] or event.get("partial"))
        for what in event["unknown"]:
            self.report.notices.append(f"nobody tells the size of {what}; it comes on top")

    def _may_follow(self, event: Event) -> None:
        for role, reasons in event["roles"].items():
            why = "\n".join(reason["text"] for reason in reasons[: summary.MOST_REASONS])
            self.report.notices.append(f"{role} would run afterwards, in a second pass: {why}")

    def _check_ended_early(self, event: Event) -> None:
        self.report.notices.append(
            "Ansible's check could not go on to its end, since what one task makes the next one "
            "needs; the roles named here run all the same, and may download more than is counted"
        )

    def _notice(self, event: Event) -> None:
        self.report.notices.append(event["message"])

    def _failure(self, event: Event) -> None:
        # Handlers still run after a failure and may fail in its wake: the first one is the cause.
        if self.mode == "plan" or self.report.failure is not None:
            return
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
        if self.mode == "plan":
            self._add_roles_without_a_word()
        if not event["ok"] and not self.report.failed:
            self.report.failed = 1

    def _add_roles_without_a_word(self) -> None:
        """A plan names every role that would run, also when Ansible's check ended before it."""
        told = {role.name for role in self.report.roles}
        for role, why in self.why.items():
            if role not in told:
                self.report.roles.append(RoleReport(role, why=why))


def check_result(event: Event) -> CheckResult:
    """Return the check that an event tells of."""
    fields = ("node", "service", "check", "outcome", "title", "seconds", "message", "advice")
    known = {key: event[key] for key in fields}
    return CheckResult(**known, journal=event.get("journal", []), side=event["side"])

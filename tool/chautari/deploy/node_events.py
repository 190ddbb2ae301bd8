"""Fills a node's report from the events of its run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any, get_args

from chautari.report import causes, messages, summary
from chautari.report.model import (
    ENDINGS,
    CheckResult,
    Failure,
    NodeReport,
    Notice,
    Outcome,
    Reason,
    Refusal,
    RoleReport,
)

Event = dict[str, Any]
Listener = Callable[[str, Event], None]


# What comes of an event that is not as the runner tells it.
_GARBLED = (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError)
_SHOWN = 120  # characters of such a line that the report shows


def cause_step(message: str) -> str:
    """Return a known cause with what to do; empty when it is unknown."""
    code = causes.find_in(message)
    return messages.cause(code) if code else ""


class NodeReportBuilder:
    """Fills a node's report from its events.

    Attributes:
        offset: how much of the run's journal was taken, in bytes.
        heard: how many events came.
        begun: whether the run is known to have begun.
        ended: whether nothing more is to come.
        unknown: whether the node knows no such run.
        holder: who is at work on the node, when that is somebody else.
        code: how the last connection ended.
        error: what SSH last said of it.
    """

    def __init__(self, report: NodeReport, tell: Listener) -> None:
        """Fill `report`, and hand every event on to `tell`."""
        self.report, self.tell = report, tell
        self.checks: list[CheckResult] = []
        self.why: dict[str, list[Reason]] = {}
        self.differences: dict[str, list[str]] = {}
        self.mode = ""
        self.offset = self.heard = 0
        self.begun = self.ended = self.unknown = False
        self.error = ""
        self.holder: Event | None = None
        self.code: int | None = None

    def take(self, line: str) -> None:
        """Take one event: into the report, and to the listener.

        That somebody else is at work is told by whoever decides whether to wait for them.
        A line that is none, or not as the runner tells it, fails this node, and no other.
        """
        try:
            event = json.loads(line)
            self._fill(event)
        except _GARBLED:
            self.ended = True
            self.report.state = "failed"
            what = f"the node told what is no word of a run: {line[:_SHOWN]}"
            fix = "read its run with deploy attach; if it is told again, report it with this line"
            self.report.refusals.append(Refusal.plain(what, fix))
            return
        if self.holder is None:
            self.tell(self.report.name, event)

    def _fill(self, event: Event) -> None:
        offset = int(event.get("offset", self.offset))
        handler = _HANDLERS.get(event["event"])
        if handler is not None:
            handler(self, event)
        self.offset = offset
        self.heard += 1

    def add_notice(self, text: str) -> None:
        """Add a notice whose text has no code yet."""
        self.report.notices.append(Notice.plain(text))

    def _run_started(self, event: Event) -> None:
        self.begun = True
        self.mode = str(event.get("mode", ""))
        self.report.run = str(event.get("run", self.report.run))

    def _chosen(self, event: Event) -> None:
        for role, reasons in event["roles"].items():
            self.why[role] = [Reason.plain(str(reason["text"])) for reason in reasons]

    def _kept(self, event: Event) -> None:
        name = str(event["role"])
        # One that was only asked whether people are using it did not run.
        self.report.roles = [role for role in self.report.roles if role.name != name]
        self.report.roles.append(RoleReport(name, up_to_date=True))
        self.report.notices += [
            Notice("role_message", {"role": name, "text": text})
            for text in _texts(event["notices"])
        ]

    def _role_finished(self, event: Event) -> None:
        name = str(event["role"])
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
        self.add_notice(
            f"{event['role']} is wanted on this node no more, but this toolkit does not know how "
            "to take it off: stop its services by hand"
        )

    def _without_mitogen(self, _: Event) -> None:
        self.add_notice(
            "Mitogen does not fit the node's Ansible: the run went on without it, only slower"
        )

    def _apt_at_work(self, event: Event) -> None:
        holder = event["holder"]
        self.add_notice(
            f"apt is at work on the node ({holder}): the run waits for it, ten minutes at most"
        )

    def _packages_unfinished(self, event: Event) -> None:
        names = ", ".join(event["packages"])
        self.add_notice(
            f"an installation was cut short ({names}): a deploy brings it to its end first; what "
            "that downloads is not counted here"
        )

    def _packages_finished(self, event: Event) -> None:
        names = ", ".join(event["packages"])
        self.add_notice(
            f"an installation had been cut short ({names}): it was brought to its end"
            if event["ok"]
            else f"an installation had been cut short ({names}) and could not be brought to its "
            "end: see what `dpkg --configure -a` and `apt-get -f install` say on the node"
        )

    def _accepted(self, event: Event) -> None:
        for text in event["items"]:
            self.add_notice(
                f"{event['role']}: {text}\nThis was changed by hand, and the role leaves it so; "
                "from now on it counts as it is. Put it back yourself if it should not be so."
            )

    def _open(self, event: Event) -> None:
        self.add_notice(f"{event['role']}: {event['why']}; the role runs again at the next deploy")

    def _difference(self, event: Event) -> None:
        text = f"{event['task']}\n{event['diff']}".rstrip()
        self.differences.setdefault(str(event["role"]), []).append(text)

    def _budget(self, event: Event) -> None:
        self.report.download_bytes = int(event["bytes"])
        # Something that the run cannot count may be known before it.
        self.report.download_at_least |= bool(event["unknown"] or event.get("partial"))
        for what in event["unknown"]:
            self.add_notice(f"nobody tells the size of {what}; it comes on top")

    def _may_follow(self, event: Event) -> None:
        for role, reasons in dict(event["roles"]).items():
            why = "\n".join(reason["text"] for reason in reasons[: summary.MOST_REASONS])
            self.add_notice(f"{role} would run afterwards, in a second pass: {why}")

    def _check_ended_early(self, event: Event) -> None:
        self.add_notice(
            "Ansible's check could not go on to its end, since what one task makes the next one "
            "needs; the roles named here run all the same, and may download more than is counted"
        )

    def _notice(self, event: Event) -> None:
        data = {"role": str(event.get("role", "")), "text": str(event["message"])}
        self.report.notices.append(Notice("role_message", data))

    def _failure(self, event: Event) -> None:
        # Handlers still run after a failure and may fail in its wake: the first one is the cause.
        if self.mode == "plan" or self.report.failure is not None:
            return
        fields = {key: str(event[key]) for key in ("role", "task", "message")}
        self.report.failure = Failure(**fields, journal=_texts(event["journal"]))

    def _playbook_failed(self, event: Event) -> None:
        if self.report.failure is None:
            message = "Ansible could not run the playbook"
            self.report.failure = Failure("playbook", "start", message, _texts(event["log"]))

    def _checks_broken(self, event: Event) -> None:
        self.report.failed += 1
        message = f"the checks could not run (pytest ended with {event['code']})"
        self.report.failure = Failure("checks", "run", message, _texts(event["log"]))

    def _check(self, event: Event) -> None:
        self.checks.append(check_result(event))

    def _busy(self, event: Event) -> None:
        self.ended = True
        self.holder = dict(event["holder"])

    def _handed_over(self, _: Event) -> None:
        self.begun = self.ended = True
        self.report.state = "detached"

    def _refused(self, event: Event) -> None:
        self.ended = True
        self.unknown = bool(event.get("unknown"))
        self.report.state = "failed"
        message = str(event["message"])
        fix = cause_step(message) or str(event.get("fix", "deploy again"))
        if self.unknown:
            fix = "name one of those that are there with --run, or leave --run out for the newest"
        self.report.refusals.append(Refusal.plain(message, fix))

    def _run_lost(self, event: Event) -> None:
        self.ended = True
        self.report.state = "failed"
        # Whoever reads the newest run learns here which it is, when it died before it began.
        self.report.run = str(event.get("run", self.report.run))
        if full := str(event.get("full", "")):
            reason = f"the run ended without a word: there is no room left under {full}"
            fix = f"`df -h {full}; df -i {full}` on the node; make room there, then deploy again"
            self.report.refusals.append(Refusal.plain(reason, fix))
            return
        reason = (
            "the run ended without a word: the node restarted, its memory ran out, or somebody "
            "stopped or killed it"
        )
        fix = (
            "deploy again; it goes on from there. What the node itself says of it: "
            f"journalctl -u chautari-run-{self.report.run}, and journalctl -k"
        )
        self.report.refusals.append(Refusal.plain(reason, fix))

    def _stopped(self, _: Event) -> None:
        reason = "the run was stopped: the node was shut down, or somebody ended it"
        self.report.refusals.append(Refusal.plain(reason, "deploy again; it goes on from there"))

    def _broke(self, event: Event) -> None:
        message = str(event["message"])
        fix = cause_step(message) or (
            "deploy again; if it stays, report it with what the node says of it: "
            f"journalctl -u chautari-run-{self.report.run}"
        )
        self.report.refusals.append(Refusal.plain(f"the run broke off: {message}", fix))

    def _run_finished(self, event: Event) -> None:
        self.ended = True
        self.report.state = ENDINGS.get(self.mode, "converged") if event["ok"] else "failed"
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


_HANDLERS: dict[str, Callable[[NodeReportBuilder, Event], None]] = {
    "run_started": NodeReportBuilder._run_started,
    "chosen": NodeReportBuilder._chosen,
    "kept": NodeReportBuilder._kept,
    "role_finished": NodeReportBuilder._role_finished,
    "stays": NodeReportBuilder._stays,
    "without_mitogen": NodeReportBuilder._without_mitogen,
    "apt_at_work": NodeReportBuilder._apt_at_work,
    "packages_unfinished": NodeReportBuilder._packages_unfinished,
    "packages_finished": NodeReportBuilder._packages_finished,
    "accepted": NodeReportBuilder._accepted,
    "open": NodeReportBuilder._open,
    "difference": NodeReportBuilder._difference,
    "budget": NodeReportBuilder._budget,
    "may_follow": NodeReportBuilder._may_follow,
    "check_ended_early": NodeReportBuilder._check_ended_early,
    "notice": NodeReportBuilder._notice,
    "failure": NodeReportBuilder._failure,
    "playbook_failed": NodeReportBuilder._playbook_failed,
    "checks_broken": NodeReportBuilder._checks_broken,
    "check": NodeReportBuilder._check,
    "busy": NodeReportBuilder._busy,
    "handed_over": NodeReportBuilder._handed_over,
    "refused": NodeReportBuilder._refused,
    "run_lost": NodeReportBuilder._run_lost,
    "stopped": NodeReportBuilder._stopped,
    "broke": NodeReportBuilder._broke,
    "run_finished": NodeReportBuilder._run_finished,
}


def check_result(event: Event) -> CheckResult:
    """Return the check that an event tells of.

    Raises:
        KeyError: when something is missing in it.
        ValueError: when it has another outcome than a check can have.
    """
    if event["outcome"] not in get_args(Outcome) or event["side"] not in ("inside", "outside"):
        raise ValueError(f"a check with an outcome that none has: {event['outcome']}")
    fields = ("node", "service", "check", "title", "message", "advice")
    known = {key: str(event[key]) for key in fields}
    return CheckResult(
        **known,
        outcome=event["outcome"],
        seconds=float(event["seconds"]),
        journal=_texts(event.get("journal", [])),
        side=event["side"],
    )


def _texts(items: Iterable[Any]) -> list[str]:
    return [str(item) for item in items]

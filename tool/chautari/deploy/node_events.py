"""Fill a node's report from the events of its run."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from chautari.checks.advice import advice_for_failed_check
from chautari.language import N_
from chautari.node import events
from chautari.node.events import LockHolder, RunEvent
from chautari.report import causes, messages
from chautari.report.model import (
    ENDINGS,
    CheckResult,
    InstalledPackage,
    NodeReport,
    Notice,
    Reason,
    Refusal,
    RoleReport,
    TaskFailure,
)
from chautari.ssh.message_validation import MalformedMessage, parse_known_event
from chautari.ssh.runner_client import MAX_EVENTS, NODE_LIMITS

# What a listener gets: an event of a node's run, or one of this side's own.
Event = Mapping[str, Any]
Listener = Callable[[str, Event], None]

_SHOWN = 120  # characters of an unreadable line that the report shows
# A faulty node must not fill this machine's memory with what a report holds.
MAX_NOTICES = 500
MAX_ROLES = 100
MAX_REASONS = 20  # of one role
MAX_DATA_VALUES = 500  # of one reason; real ones have some twenty
MAX_CHECKS = 5_000
MAX_PACKAGES = 3_000
MAX_PACKAGE_ROLES = 30
_PACKAGE_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]{1,99}")
_PACKAGE_VERSION = re.compile(r"[0-9][A-Za-z0-9.+:~-]{0,99}")
_ARCHITECTURE = re.compile(r"[a-z0-9-]{1,30}")
_ROLE_NAME = re.compile(r"[a-z][a-z0-9_]{0,40}")
# A run asks for one; each takes this machine up to two minutes.
MAX_LOGINS = 3
MAX_AUDIT_LINES = 10
MAX_AUDIT_LINE = 1000  # characters


class NodeReportBuilder:
    """Fills a node's report from its events.

    Attributes:
        offset: how many bytes of the run's journal were read.
        event_count: how many events arrived.
        started: whether the run is known to have started.
        ended: whether no further events are read.
        unknown: whether the node knows no such run.
        holder: whose run holds the node's lock, when it is another one.
        code: SSH's exit code at the end of the last connection.
        error: what SSH printed last.
    """

    def __init__(self, report: NodeReport, tell: Listener) -> None:
        """Fill `report`, and pass every event on to `tell`."""
        self.report, self.tell = report, tell
        self.checks: list[CheckResult] = []
        self.why: dict[str, list[Reason]] = {}
        self.differences: dict[str, list[str]] = {}
        self.mode = ""
        self.offset = self.event_count = self.received = 0
        self.started = self.ended = self.unknown = self._login_requested = False
        self.own_login_requested = False
        self._logins = 0
        self.error = ""
        self.holder: LockHolder | None = None
        self.code: int | None = None

    def feed_line(self, line: str) -> None:
        """Read one line: add its event to the report, and pass it on.

        A malformed line, or more data than a run can have, fails this node and no other. An error
        in our own handling of an event is raised. The event that another run holds the lock is not
        passed on: the caller decides whether to wait.
        """
        self.event_count += 1
        self.received += len(line)
        if self.event_count > MAX_EVENTS or self.received > NODE_LIMITS.total_bytes:
            self.report_excessive_output()
            return
        try:
            event = parse_known_event(line)
        except MalformedMessage:
            self._stop_with_refusal(Refusal("unreadable_message", {"line": line[:_SHOWN]}))
            return
        if event is None:
            self._note_unknown_event()
            return
        self._dispatch(event)
        if self.holder is None:
            self.tell(self.report.name, event)

    def report_excessive_output(self) -> None:
        """Report that the node sent more data than a run can have."""
        self._stop_with_refusal(Refusal("too_much_output"))

    def take_login_requested_flag(self) -> bool:
        """Return whether the last event asks for a new login; once for each such event."""
        requested, self._login_requested = self._login_requested, False
        self._logins += requested
        return requested and self._logins <= MAX_LOGINS

    def report_new_login_error(self, error: str) -> None:
        """Report why a new login failed, if it did; the node then restores its settings of SSH.

        If it waited for a login with the operator's own account, it keeps the other keys.
        """
        code = "own_login_failed" if self.own_login_requested else "new_login_failed"
        if error:
            self._add_notice(code, error=error)

    def _stop_with_refusal(self, refusal: Refusal) -> None:
        self.ended = True
        self.report.state = "failed"
        self.report.refusals.append(refusal)

    def _note_unknown_event(self) -> None:
        notice = Notice("newer_version")
        if notice not in self.report.notices:
            self._add_notices([notice])

    def _dispatch(self, event: RunEvent) -> None:
        if handler := _HANDLERS.get(event["event"]):
            handler(self, event)
        self.offset = event.get("offset", self.offset)

    def _add_notices(self, notices: Iterable[Notice]) -> None:
        self.report.notices += list(notices)
        if len(self.report.notices) > MAX_NOTICES:
            del self.report.notices[MAX_NOTICES:]
            self.report.notices[-1] = Notice("too_many_notices", {"limit": MAX_NOTICES})

    def _add_notice(self, code: str, **data: object) -> None:
        self._add_notices([Notice(code, data)])

    def _on_run_started(self, event: events.RunStarted) -> None:
        self.started = True
        self.mode = event.get("mode", "")
        self.report.run = event["run"]

    def _on_roles_selected(self, event: events.RolesSelected) -> None:
        for role, reasons in event["roles"].items():
            if len(self.why) < MAX_ROLES:
                # A second pass has reasons of its own; the first ones say why the role ran at all.
                self.why.setdefault(
                    role, [Reason(**item) for item in _limit_reasons_and_their_data(reasons)]
                )

    def _on_role_up_to_date(self, event: events.RoleUpToDate) -> None:
        name = event["role"]
        # A role of which only `in_use.yml` ran did not run.
        self.report.roles = [role for role in self.report.roles if role.name != name]
        self._add_role(RoleReport(name, up_to_date=True))
        self._add_notices(
            Notice(**notice) for notice in _limit_reasons_and_their_data(event["notices"])
        )

    def _add_role(self, role: RoleReport) -> None:
        if len(self.report.roles) < MAX_ROLES:
            self.report.roles.append(role)

    def _on_role_finished(self, event: events.RoleFinished) -> None:
        name = event["role"]
        # A play may return to its role, as for handlers that an earlier run skipped.
        role = next((role for role in self.report.roles if role.name == name), None)
        if role is None:
            role = RoleReport(name)
            self._add_role(role)
        # A role whose `in_use.yml` ran is here before the run selects its roles.
        role.why = self.why.get(name, [])
        role.ok += event.get("ok", 0)
        role.changed += event.get("changed", 0)
        role.failed += event.get("failed", 0)
        role.skipped += event.get("skipped", 0)
        role.seconds += event["seconds"]
        role.differences += self.differences.pop(name, [])
        self.report.changed += event.get("changed", 0)
        self.report.failed += event.get("failed", 0) if self.mode != "plan" else 0

    def _on_role_not_removable(self, event: events.RoleNotRemovable) -> None:
        self._add_notice("role_not_removable", role=event["role"])

    def _on_mitogen_fallback(self, _: events.MitogenFallback) -> None:
        self._add_notice("mitogen_fallback")

    def _on_apt_locked(self, event: events.AptLocked) -> None:
        self._add_notice("apt_locked", holder=event["holder"])

    def _on_dpkg_interrupted(self, event: events.DpkgInterrupted) -> None:
        self._add_notice("dpkg_interrupted", packages=event["packages"])

    def _on_dpkg_repaired(self, event: events.DpkgRepairFinished) -> None:
        code = "dpkg_repaired" if event["ok"] else "dpkg_not_repaired"
        self._add_notice(code, packages=event["packages"])

    def _on_manual_change_kept(self, event: events.ManualChangeKept) -> None:
        for change in _limit_reasons_and_their_data(event["changes"]):
            self._add_notice("manual_change_kept", role=event["role"], change=change)

    def _on_receipt_incomplete(self, event: events.RoleReceiptIncomplete) -> None:
        [reason] = _limit_reasons_and_their_data([event["reason"]])
        self._add_notice("receipt_incomplete", role=event["role"], reason=reason)

    def _on_difference(self, event: events.PlannedFileDiff) -> None:
        text = f"{event['task']}\n{event['diff']}".rstrip()
        self.differences.setdefault(event["role"], []).append(text)

    def _on_download_estimate(self, event: events.DownloadEstimate) -> None:
        self.report.download_bytes = event["bytes"]
        unknown = event["unknown_urls"] + event["unknown_packages"]
        # The preparation may already know of a download that the run cannot count.
        self.report.download_at_least |= bool(unknown or event["partial"])
        for url in event["unknown_urls"][:MAX_NOTICES]:
            self._add_notice("download_size_unknown", download=url)
        if event["unknown_packages"]:
            self._add_notice("package_size_unknown", packages=event["unknown_packages"])

    def _on_download_finished(self, event: events.DownloadAheadFinished) -> None:
        self.report.download_bytes = event["bytes"]
        self._add_notice("download_finished", megabytes=round(event["bytes"] / 1e6, 1))
        if event["remaining"]:
            self._add_notice("download_remaining", downloads=event["remaining"])
        if event["partial"]:
            self._add_notice("download_partial")

    def _on_installed_packages(self, event: events.InstalledPackages) -> None:
        """Keep the packages whose names and versions are valid; Debian's policy says which are."""
        found = [
            InstalledPackage(
                item["name"], item["version"], item["architecture"],
                tuple(filter(_ROLE_NAME.fullmatch, item["roles"][:MAX_PACKAGE_ROLES])),
            )
            for item in event["packages"][:MAX_PACKAGES]
            if _PACKAGE_NAME.fullmatch(item["name"])
            and _PACKAGE_VERSION.fullmatch(item["version"])
            and _ARCHITECTURE.fullmatch(item["architecture"])
        ]  # fmt: skip
        self.report.packages = found
        if len(found) < len(event["packages"]):
            self._add_notice("packages_not_listed", number=len(event["packages"]) - len(found))

    def _on_followup_roles(self, event: events.FollowupRoles) -> None:
        for role, reasons in event["roles"].items():
            self._add_notice(
                "followup_role", role=role, reasons=_limit_reasons_and_their_data(reasons)
            )

    def _on_dry_run_incomplete(self, _: events.DryRunIncomplete) -> None:
        self._add_notice("dry_run_incomplete")

    def _on_role_message(self, event: events.RoleMessage) -> None:
        self._add_notice("role_message", role=event["role"], text=event["text"])

    def _on_login_requested(self, event: events.SSHLoginTestRequested) -> None:
        self._login_requested, self.own_login_requested = True, event.get("own", False)

    def _on_failure(self, event: events.TaskFailed) -> None:
        # Handlers still run after a failure and may fail because of it: the first one is the cause.
        if self.mode == "plan" or self.report.failure is not None:
            return
        self.report.failure = TaskFailure(
            event["role"], event["task"], event["message"], event["journal"]
        )

    def _on_playbook_failed(self, event: events.PlaybookFailed) -> None:
        if self.report.failure is None:
            message = messages.failure_text("playbook_failed", {})
            self.report.failure = TaskFailure("playbook", N_("start"), message, event["log"])

    def _on_checks_errored(self, event: events.ChecksErrored) -> None:
        self.report.failed += 1
        message = messages.failure_text("checks_errored", {"code": event["code"]})
        self.report.failure = TaskFailure("checks", N_("run"), message, event["log"])

    def _on_check(self, event: events.CheckFinished) -> None:
        if len(self.checks) < MAX_CHECKS:
            # A node is believed about itself only, and checks from outside run on this machine.
            result = check_result_from_event(event)
            advice = advice_for_failed_check(result.service, result.check)
            node = self.report.name
            self.checks.append(replace(result, node=node, side="inside", advice=advice))

    def _on_busy(self, event: events.NodeBusy) -> None:
        self.ended = True
        self.holder = event["holder"]

    def _on_run_detached(self, _: events.RunDetached) -> None:
        self.started = self.ended = True
        self.report.state = "detached"

    def _on_refused(self, event: events.RunRefused) -> None:
        [reason] = _limit_reasons_and_their_data([event["reason"]])
        code, data = reason["code"], reason["data"]
        self.unknown = code == "unknown_run"
        self._stop_with_refusal(
            Refusal(code, {**data, "cause": causes.match_cause_code(str(data.get("error", "")))})
        )

    def _on_run_lost(self, event: events.RunLost) -> None:
        # When the newest run was requested, its id arrives here if it did not start.
        self.report.run = event["run"]
        if folder := event["full_folder"]:
            self._stop_with_refusal(Refusal("run_disk_full", {"folder": folder}))
        else:
            self._stop_with_refusal(Refusal("run_lost", {"run": event["run"]}))

    def _on_run_terminated(self, _: events.RunTerminated) -> None:
        self.report.refusals.append(Refusal("run_terminated"))

    def _on_run_crashed(self, event: events.RunCrashed) -> None:
        message = event["message"]
        data = {
            "message": message,
            "cause": causes.match_cause_code(message),
            "run": self.report.run,
        }
        self.report.refusals.append(Refusal("run_crashed", data))

    def _on_run_finished(self, event: events.RunFinished) -> None:
        self.ended = True
        lines = event.get("audit", [])[-MAX_AUDIT_LINES:]
        self.report.audit = [line[:MAX_AUDIT_LINE] for line in lines]
        self.report.state = ENDINGS.get(self.mode, "converged") if event["ok"] else "failed"
        if self.mode == "plan":
            self._add_roles_the_dry_run_did_not_reach()
        # A run that ends well has a failure if a role reported that it kept its old settings.
        if (self.report.failure or not event["ok"]) and not self.report.failed:
            self.report.failed = 1

    def _add_roles_the_dry_run_did_not_reach(self) -> None:
        """Add the roles that a plan selected and that Ansible's check mode did not reach."""
        reported = {role.name for role in self.report.roles}
        for role, why in self.why.items():
            if role not in reported:
                self._add_role(RoleReport(role, why=why))


_HANDLERS: dict[str, Callable[[NodeReportBuilder, Any], None]] = {
    "run_started": NodeReportBuilder._on_run_started,
    "roles_selected": NodeReportBuilder._on_roles_selected,
    "role_up_to_date": NodeReportBuilder._on_role_up_to_date,
    "role_finished": NodeReportBuilder._on_role_finished,
    "role_not_removable": NodeReportBuilder._on_role_not_removable,
    "mitogen_fallback": NodeReportBuilder._on_mitogen_fallback,
    "apt_locked": NodeReportBuilder._on_apt_locked,
    "dpkg_interrupted": NodeReportBuilder._on_dpkg_interrupted,
    "dpkg_repaired": NodeReportBuilder._on_dpkg_repaired,
    "manual_change_kept": NodeReportBuilder._on_manual_change_kept,
    "receipt_incomplete": NodeReportBuilder._on_receipt_incomplete,
    "difference": NodeReportBuilder._on_difference,
    "download_estimate": NodeReportBuilder._on_download_estimate,
    "download_finished": NodeReportBuilder._on_download_finished,
    "installed_packages": NodeReportBuilder._on_installed_packages,
    "followup_roles": NodeReportBuilder._on_followup_roles,
    "dry_run_incomplete": NodeReportBuilder._on_dry_run_incomplete,
    "role_message": NodeReportBuilder._on_role_message,
    "login_requested": NodeReportBuilder._on_login_requested,
    "failure": NodeReportBuilder._on_failure,
    "playbook_failed": NodeReportBuilder._on_playbook_failed,
    "checks_errored": NodeReportBuilder._on_checks_errored,
    "check": NodeReportBuilder._on_check,
    "busy": NodeReportBuilder._on_busy,
    "run_detached": NodeReportBuilder._on_run_detached,
    "refused": NodeReportBuilder._on_refused,
    "run_lost": NodeReportBuilder._on_run_lost,
    "run_terminated": NodeReportBuilder._on_run_terminated,
    "run_crashed": NodeReportBuilder._on_run_crashed,
    "run_finished": NodeReportBuilder._on_run_finished,
}


def _limit_reasons_and_their_data(reasons: list[events.Reason]) -> list[events.Reason]:
    """Return the first reasons; one with far too much data loses it."""
    return [
        item if _has_few_values(item["data"]) else {"code": item["code"], "data": {}}
        for item in reasons[:MAX_REASONS]
    ]


def _has_few_values(data: object) -> bool:
    """Return whether JSON data has at most MAX_DATA_VALUES values."""
    left, waiting = MAX_DATA_VALUES, [data]
    while waiting and left:
        value, left = waiting.pop(), left - 1
        if isinstance(value, Mapping):
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
    return not waiting


def check_result_from_event(event: events.CheckFinished) -> CheckResult:
    """Return the result of a check from its event."""
    return CheckResult(
        node=event["node"],
        service=event["service"],
        check=event["check"],
        outcome=event["outcome"],
        title=event["title"],
        seconds=event["seconds"],
        message=event["message"],
        advice=event["advice"],
        journal=event.get("journal", []),
        side=event["side"],
    )

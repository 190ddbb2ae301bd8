"""Start a run on a node and follow it; the run belongs to the node and survives this side."""

from __future__ import annotations

import time

from chautari.deploy.node_events import Listener, NodeReportBuilder
from chautari.language import _
from chautari.node.events import LockHolder, RunActivityAnswer
from chautari.preflight.facts import short_login_text
from chautari.prepare.child_process import other_login_refusal, unreachable_refusal
from chautari.report.message_templates import Data
from chautari.report.model import CheckResult, NodeReport, Refusal
from chautari.ssh.account_fallback import current_login
from chautari.ssh.login_proof import (
    try_new_login_and_return_error,
    try_own_login_and_return_error,
)
from chautari.ssh.runner_client import SSH_FAILED, Arguments, call_runner, start_runner_action
from chautari.ssh.target import SSHTarget

PAUSES = (2, 5, 10, 20, 30)  # seconds before each new connection; the last one repeats
MAX_OUTAGE_SECONDS = 600
WAIT_SECONDS = 5
NO_PYTHON = 127  # the shell found no python3: the machine was never prepared
# SSH's errors that a new connection would meet again.
_LASTING_ERRORS = ("permission denied", "host key verification failed")
# Options with which a run does more than one without them.
_EXTENDING_OPTIONS = ("full", "checks", "purge", "interrupt_meetings")


class OutageTimeBudget:
    """The time that one outage may take, whether its attempts fail quickly or slowly."""

    def __init__(self) -> None:
        """Begin without an outage."""
        self.reset()

    def reset(self) -> None:
        """End the outage: the next one has the whole time again."""
        self._since: float | None = None
        self._pauses = iter(PAUSES)

    def next_delay(self) -> int | None:
        """Return the seconds to wait before the next attempt; None when the time is used up."""
        now = time.monotonic()
        self._since = now if self._since is None else self._since
        if now - self._since >= MAX_OUTAGE_SECONDS:
            return None
        return next(self._pauses, PAUSES[-1])


def start_run_and_collect_checks(
    target: SSHTarget,
    bundle: bytes,
    metadata: Arguments,
    report: NodeReport,
    tell: Listener,
    detach: bool = False,
) -> tuple[list[CheckResult], LockHolder | None]:
    """Start a run on the node, follow it until it ends, and fill `report`.

    When the connection drops, the run continues and this side attaches again. With `detach`, return
    as soon as the run has started.

    Returns the results of the run's checks, and the holder of the node's lock if another run has
    it: then no run was started.
    """
    report.run = metadata["run"]
    arguments = metadata | {"action": "start", "detach": detach}
    builder = _follow_run(target, arguments, bundle, NodeReportBuilder(report, tell))
    return builder.checks, builder.holder


def follow_existing_run(
    target: SSHTarget, run: str, report: NodeReport, tell: Listener, detach: bool = False
) -> list[CheckResult]:
    """Follow an existing run from its first event; return the results of its checks.

    An empty `run` stands for the newest one on the node. A run that did not start because another
    run held the lock is refused as busy. With `detach`, return at once.
    """
    tell(target.name, {"event": "joined", "run": run})
    report.run = run
    arguments = {"action": "attach", "run": run, "offset": 0} | _detach_argument(detach)
    builder = _follow_run(target, arguments, b"", NodeReportBuilder(report, tell))
    if builder.holder is not None:
        report.state = "busy"
        report.refusals.append(Refusal("run_not_started", holder_message_data(builder.holder)))
        tell(target.name, {"event": "busy"})
    return builder.checks


def wait_until_node_is_free(
    target: SSHTarget, holder: LockHolder, report: NodeReport, tell: Listener
) -> bool:
    """Wait until no run holds the node's lock; pass on each later run and role.

    Returns whether the node is free; when it stops answering, `report` says so.
    """
    budget, shown = OutageTimeBudget(), (holder.get("run"), holder.get("role"))
    busy: LockHolder | None = holder
    while busy is not None:
        if (now := (busy.get("run"), busy.get("role"))) != shown:
            tell(target.name, {"event": "waiting", "holder": busy})
            shown = now
        time.sleep(WAIT_SECONDS)
        reply = call_runner(target, {"action": "activity"}, RunActivityAnswer)
        if reply.answer is not None:
            busy = reply.answer["busy"]
            budget.reset()
        elif budget.next_delay() is None:
            report_no_answer(target, report, SSH_FAILED, _last_line(reply.error))
            return False
    return True


def _follow_run(
    target: SSHTarget, arguments: Arguments, payload: bytes, builder: NodeReportBuilder
) -> NodeReportBuilder:
    """Follow a run until it ends, attaching again when the connection drops."""
    budget = OutageTimeBudget()
    attempt, body, detach = arguments, payload, bool(arguments.get("detach"))
    while True:
        events_before = builder.event_count
        _feed_events_of_connection(target, attempt, body, builder)
        if builder.unknown and payload:
            # The connection broke before the bundle arrived, so there is no run to attach to.
            builder.report.refusals.clear()
            builder = NodeReportBuilder(builder.report, builder.tell)
            attempt, body = arguments, payload
            continue
        if builder.ended or not _has_transient_ssh_error(builder):
            break
        if builder.started and builder.event_count > events_before:
            budget.reset()
        pause = budget.next_delay()
        if pause is None:
            break
        builder.tell(target.name, {"event": "reconnecting", "seconds": pause})
        time.sleep(pause)
        # "The newest run" may be another one by now: attach to the same one by its id.
        run = builder.report.run or arguments["run"]
        attempt = {
            "action": "attach",
            "run": run,
            "offset": builder.offset,
        } | _detach_argument(detach)
        body = b""
    if not builder.ended:
        _report_unfinished_run(target, builder, bool(payload))
    return builder


def _detach_argument(detach: bool) -> Arguments:
    return {"detach": True} if detach else {}


def _feed_events_of_connection(
    target: SSHTarget, arguments: Arguments, payload: bytes, builder: NodeReportBuilder
) -> None:
    """Feed the events of one connection to `builder`, and record how the connection ended."""
    stream = start_runner_action(current_login(target), arguments, payload)
    try:
        for line in stream:
            if line.startswith("{") and not builder.ended:
                builder.feed_line(line)
                if builder.take_login_requested_flag():
                    own = builder.own_login_requested
                    log_in = (
                        try_own_login_and_return_error if own else try_new_login_and_return_error
                    )
                    builder.report_new_login_error(log_in(target))
    except BaseException:
        stream.stop()
        raise
    if stream.flooded and not builder.ended:
        builder.report_excessive_output()
    builder.code = stream.code
    builder.error = _last_line(stream.stderr)


def same_operator(holder: LockHolder, metadata: Arguments) -> bool:
    """Return whether the same person started that run from the same machine."""
    return all(holder.get(key) == metadata.get(key) for key in ("operator", "origin", "region"))


def covers_request(holder: LockHolder, metadata: Arguments) -> bool:
    """Return whether that run has the same bundle and mode, and every requested option."""
    same = all(holder.get(key) == metadata.get(key) for key in ("sha256", "mode"))
    return same and all(holder.get(key) or not metadata.get(key) for key in _EXTENDING_OPTIONS)


def _has_transient_ssh_error(builder: NodeReportBuilder) -> bool:
    return is_transient_ssh_error(builder.code, builder.error)


def is_transient_ssh_error(code: int | None, error: str) -> bool:
    """Return whether the connection broke and a new one may succeed; `error` is SSH's last line."""
    return code == SSH_FAILED and not any(words in error.lower() for words in _LASTING_ERRORS)


def _last_line(text: str) -> str:
    return text.splitlines()[-1] if text else ""


def _report_unfinished_run(
    target: SSHTarget, builder: NodeReportBuilder, sent_bundle: bool
) -> None:
    """Report a run whose end was not seen."""
    report = builder.report
    if builder.started or (sent_bundle and _has_transient_ssh_error(builder)):
        report.state = "disconnected"
        code = "connection_lost" if builder.started else "connection_lost_before_start"
        report.refusals.append(Refusal(code))
    else:
        report_no_answer(target, report, builder.code, builder.error)


def report_no_answer(target: SSHTarget, report: NodeReport, code: int | None, error: str) -> None:
    """Report a node that did not answer; `code` is SSH's exit code, `error` its last line."""
    report.state = "unreachable" if code == SSH_FAILED else "failed"
    report.refusals.append(no_answer_refusal(target, code, error))


def no_answer_refusal(target: SSHTarget, code: int | None, error: str) -> Refusal:
    """Return why a node did not answer; `code` is SSH's exit code, `error` its last line."""
    if code == SSH_FAILED:
        return unreachable_refusal(error or _("no answer"), target)
    if code == NO_PYTHON:
        return Refusal("nothing_deployed")
    if other := other_login_refusal(current_login(target), error):
        return other
    data: Data = {"message": short_login_text(error), "port": target.port, "user": target.user}
    return Refusal("command_not_accepted", {**data, "address": target.address})


def holder_message_data(holder: LockHolder) -> Data:
    """Return the data of a holder that messages show; `since` is in seconds since the epoch."""
    data = {key: holder.get(key) for key in ("operator", "since", "origin", "run", "role")}
    # A restore has no run of a deploy that others could attach to.
    return data | {"run": None, "restore": True} if holder.get("mode") == "restore" else data


def busy_refusal(holder: LockHolder) -> Refusal:
    """Return the refusal of a node whose lock another run holds."""
    return Refusal("node_locked", holder_message_data(holder))

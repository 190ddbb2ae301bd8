"""Sends each node its bundle and follows the run there; the run itself belongs to the node."""

from __future__ import annotations

import time

from chautari.deploy.node_events import Listener, NodeReportBuilder
from chautari.node.events import ActivityAnswer, Holder
from chautari.prepare.supervisor import unreachable_refusal
from chautari.report.messages import Data
from chautari.report.model import CheckResult, NodeReport, Refusal
from chautari.ssh.runner_client import SSH_FAILED, Arguments, call_runner, open_stream
from chautari.ssh.target import SSHTarget

PAUSES = (2, 5, 10, 20, 30)  # seconds before each try to attach; the last one again and again
MAX_OUTAGE_SECONDS = 600
WAIT_SECONDS = 5
# What SSH says of a connection that no patience brings about.
_FINAL = ("permission denied", "host key verification failed")
# What a run may do beyond another one that is given the same.
_MORE = ("full", "checks", "purge", "interrupt_meetings")


class _RetryBudget:
    """How long to try again: ten minutes of one outage, however quickly each try fails."""

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """Take the outage for over."""
        self._since: float | None = None
        self._pauses = iter(PAUSES)

    def pause(self) -> int | None:
        """Return how many seconds to wait before the next try; None when patience is at its end."""
        now = time.monotonic()
        self._since = now if self._since is None else self._since
        if now - self._since >= MAX_OUTAGE_SECONDS:
            return None
        return next(self._pauses, PAUSES[-1])


def converge(
    target: SSHTarget,
    bundle: bytes,
    about: Arguments,
    report: NodeReport,
    tell: Listener,
    detach: bool = False,
) -> tuple[list[CheckResult], Holder | None]:
    """Start a run on the node, follow it to its end and fill `report`.

    When the link drops the run goes on; this side attaches again. With `detach` it comes back once
    the run is at work.

    Returns the run's checks, and who is at work on the node when somebody is: then none was begun.
    """
    report.run = about["run"]
    arguments = about | {"action": "start", "detach": detach}
    taker = _through(target, arguments, bundle, NodeReportBuilder(report, tell))
    return taker.checks, taker.holder


def attach(
    target: SSHTarget, run: str, report: NodeReport, tell: Listener, detach: bool = False
) -> list[CheckResult]:
    """Follow a run that is there already, from its first event on; return its checks.

    An empty `run` stands for the newest one on the node. One that never began, since somebody else
    came first, is refused as busy. With `detach` it comes back at once.
    """
    tell(target.name, {"event": "joined", "run": run})
    report.run = run
    arguments = {"action": "attach", "run": run, "offset": 0} | _detached(detach)
    taker = _through(target, arguments, b"", NodeReportBuilder(report, tell))
    if taker.holder is not None:
        report.state = "busy"
        report.refusals.append(Refusal("run_not_started", holder_data(taker.holder)))
        tell(target.name, {"event": "busy"})
    return taker.checks


def wait_for(target: SSHTarget, holder: Holder, report: NodeReport, tell: Listener) -> bool:
    """Wait until nobody is at work on the node; tell who is, and at which role.

    That `holder` is, was told before.

    Returns whether the node is free; when it answers no more, `report` says so.
    """
    budget, told = _RetryBudget(), (holder.get("run"), holder.get("role"))
    busy: Holder | None = holder
    while busy is not None:
        if (now := (busy.get("run"), busy.get("role"))) != told:
            tell(target.name, {"event": "waiting", "holder": busy})
            told = now
        time.sleep(WAIT_SECONDS)
        reply = call_runner(target, {"action": "activity"}, ActivityAnswer)
        if reply.answer is not None:
            busy = reply.answer["busy"]
            budget.renew()
        elif budget.pause() is None:
            _report_unreachable(report, reply.error)
            return False
    return True


def _through(
    target: SSHTarget, arguments: Arguments, payload: bytes, taker: NodeReportBuilder
) -> NodeReportBuilder:
    """Follow a run to its end, attaching again when the link drops."""
    budget = _RetryBudget()
    attempt, body, detach = arguments, payload, bool(arguments.get("detach"))
    while True:
        heard = taker.heard
        _follow(target, attempt, body, taker)
        if taker.unknown and payload:
            # The link was cut while the bundle was under way: there is nothing to attach to.
            taker.report.refusals.clear()
            taker, attempt, body = NodeReportBuilder(taker.report, taker.tell), arguments, payload
            continue
        if taker.ended or taker.code != SSH_FAILED or _is_final(taker.error):
            break
        if taker.begun and taker.heard > heard:
            budget.renew()
        pause = budget.pause()
        if pause is None:
            break
        taker.tell(target.name, {"event": "reconnecting", "seconds": pause})
        time.sleep(pause)
        # Whoever reads the newest run stays with it, although a newer one may have begun meanwhile.
        run = taker.report.run or arguments["run"]
        attempt = {"action": "attach", "run": run, "offset": taker.offset} | _detached(detach)
        body = b""
    if not taker.ended:
        _report_lost(target, taker, bool(payload))
    return taker


def _detached(detach: bool) -> Arguments:
    return {"detach": True} if detach else {}


def _follow(
    target: SSHTarget, arguments: Arguments, payload: bytes, taker: NodeReportBuilder
) -> None:
    stream = open_stream(target, arguments, payload)
    try:
        for line in stream:
            if line.startswith("{") and not taker.ended:
                taker.feed_line(line)
    except BaseException:
        stream.stop()
        raise
    if stream.flooded and not taker.ended:
        taker.report_flood()
    taker.code = stream.code
    taker.error = _last_line(stream.stderr)


def same_operator(holder: Holder, about: Arguments) -> bool:
    """Return whether the same person began that run from the same machine."""
    return all(holder.get(key) == about.get(key) for key in ("operator", "origin", "region"))


def covers_request(holder: Holder, about: Arguments) -> bool:
    """Return whether that run is given the same, and does all that is asked for now."""
    same = all(holder.get(key) == about.get(key) for key in ("sha256", "mode"))
    return same and all(holder.get(key) or not about.get(key) for key in _MORE)


def _is_final(said: str) -> bool:
    return any(words in said.lower() for words in _FINAL)


def _last_line(said: str) -> str:
    return said.splitlines()[-1] if said else ""


def _report_unreachable(report: NodeReport, said: str) -> None:
    report.state = "unreachable"
    report.refusals.append(unreachable_refusal(_last_line(said) or "no answer", report.address))


def _report_lost(target: SSHTarget, taker: NodeReportBuilder, started: bool) -> None:
    """Report what is known of a run that was not followed to its end."""
    report, cut = taker.report, taker.code == SSH_FAILED and not _is_final(taker.error)
    if taker.begun or (started and cut):
        report.state = "disconnected"
        code = "connection_lost" if taker.begun else "connection_lost_before_start"
        report.refusals.append(Refusal(code))
    else:
        report_no_answer(target, report, taker.code, taker.error)


def report_no_answer(target: SSHTarget, report: NodeReport, code: int | None, said: str) -> None:
    """Report a node that gave no answer; `code` is SSH's exit code, `said` its last line."""
    if code == SSH_FAILED:
        _report_unreachable(report, said)
        return
    report.state = "failed"
    data: Data = {
        "message": said,
        "port": target.port,
        "user": target.user,
        "address": target.address,
    }
    report.refusals.append(Refusal("command_not_accepted", data))


def holder_data(holder: Holder) -> Data:
    """Return who runs on a node, since when (Unix time), from where and at which role."""
    return {key: holder.get(key) for key in ("operator", "since", "origin", "run", "role")}


def busy_refusal(holder: Holder) -> Refusal:
    """Return who deploys to a node, since when and from where, and what to do."""
    return Refusal("node_locked", holder_data(holder))

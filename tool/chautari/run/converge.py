"""Sends each node its bundle and follows the run there; the run itself belongs to the node."""

from __future__ import annotations

import hashlib
import json
import time

from chautari.report.model import CheckResult, NodeReport, Refusal
from chautari.run.manner import PATIENT, Manner
from chautari.run.remote import Event, open_stream
from chautari.run.taker import Listener, Taker
from chautari.run.target import Target

SSH_FAILED = 255  # ssh(1): the exit status of the remote command, or 255 if an error occurred
RECONNECT_SECONDS = (2, 5, 10, 20, 30, 30, 30, 30, 30, 30)
WAIT_SECONDS = 5


def converge(
    target: Target,
    bundle: bytes,
    about: Event,
    report: NodeReport,
    tell: Listener,
    manner: Manner = PATIENT,
) -> list[CheckResult]:
    """Start a run on the node, follow it to its end and fill `report`; return its checks.

    When the link drops the run goes on; this side attaches again, for about four minutes. A run of
    the same person from the same machine that is still at work is joined; when it does something
    else than what is asked for now, another one follows it.
    """
    started = time.monotonic()
    arguments = about | {
        "action": "start",
        "sha256": hashlib.sha256(bundle).hexdigest(),
        "detach": manner.detach,
    }
    try:
        while True:
            report.run = about["run"]
            taker = _through(target, arguments, bundle, Taker(report, tell))
            if taker.holder is None:
                return taker.checks
            if _is_ours(taker.holder, about):
                checks = attach(target, taker.holder["run"], report, tell)
                if _does_the_same(taker.holder, arguments):
                    return checks
                _start_over(report)
            elif not manner.wait:
                report.state = "busy"
                report.refusals.append(busy_refusal(taker.holder))
                return []
            else:
                tell(target.name, {"event": "waiting", "holder": taker.holder})
                time.sleep(WAIT_SECONDS)
    finally:
        report.seconds = time.monotonic() - started


def attach(target: Target, run: str, report: NodeReport, tell: Listener) -> list[CheckResult]:
    """Follow a run that is there already, from its first event on; return its checks.

    An empty `run` stands for the newest one on the node.
    """
    tell(target.name, {"event": "joined", "run": run})
    report.run = run
    arguments = {"action": "attach", "run": run, "offset": 0}
    return _through(target, arguments, b"", Taker(report, tell)).checks


def _through(target: Target, arguments: Event, payload: bytes, taker: Taker) -> Taker:
    """Follow a run to its end, attaching again when the link drops."""
    _follow(target, arguments, payload, taker)
    for pause in RECONNECT_SECONDS:
        if taker.ended or taker.code != SSH_FAILED:
            break
        taker.tell(target.name, {"event": "reconnecting", "seconds": pause})
        time.sleep(pause)
        again = {"action": "attach", "run": arguments["run"], "offset": taker.offset}
        _follow(target, again, b"", taker)
    if not taker.ended:
        taker.report.state = "detached" if taker.begun else "failed"
        taker.report.refusals.append(_lost(target, taker))
    return taker


def _follow(target: Target, arguments: Event, payload: bytes, taker: Taker) -> None:
    stream = open_stream(target, arguments, payload)
    try:
        for line in stream:
            if line.startswith("{"):
                taker.take(json.loads(line))
    except BaseException:
        stream.stop()
        raise
    taker.code = stream.code
    taker.error = stream.stderr.splitlines()[-1] if stream.stderr else ""


def _is_ours(holder: Event, about: Event) -> bool:
    return all(holder.get(key) == about.get(key) for key in ("operator", "origin", "region"))


def _does_the_same(holder: Event, arguments: Event) -> bool:
    return all(holder.get(key) == arguments.get(key) for key in ("sha256", "mode", "full"))


def _start_over(report: NodeReport) -> None:
    """Forget what a joined run told, since another run follows it."""
    report.roles.clear()
    report.notices.clear()
    report.refusals.clear()
    report.changed = report.failed = 0
    report.failure = None


def _lost(target: Target, taker: Taker) -> Refusal:
    if taker.begun:
        return Refusal(
            "the link was lost; the run goes on there by itself",
            "when the link is back, give the same command again: it joins the run",
        )
    return Refusal(
        f"the run could not be started ({taker.error or 'no answer'})",
        f"look at the node: ssh -p {target.port} {target.user}@{target.address}",
    )


def busy_refusal(holder: Event) -> Refusal:
    """Return who is at work on a node, since when and from where, and what to do."""
    since = ""
    if "since" in holder:
        since = time.strftime(" since %H:%M", time.localtime(holder["since"]))
    who = holder.get("operator") or "somebody"
    origin = f" from {holder['origin']}" if holder.get("origin") else ""
    run = f" (run {holder['run']})" if holder.get("run") else ""
    return Refusal(
        f"{who} is deploying to this node{since}{origin}{run}",
        "wait until that run has ended, or give the command with --wait",
    )

"""Sends each node its bundle and follows the run there; the run itself belongs to the node."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from collections.abc import Callable
from importlib import resources
from typing import Any

from chautari.process import Stream
from chautari.report.model import (
    CheckResult,
    Failure,
    NodeReport,
    Refusal,
    RoleReport,
)
from chautari.run.target import Target, as_root, ssh_argv

Event = dict[str, Any]
Listener = Callable[[str, Event], None]
# Reads the runner's source from standard input, so that no file has to be there before.
_BOOTSTRAP = (
    "import base64,json,sys;i=sys.stdin.buffer;s=i.read(int(i.readline()));"
    "g={'__name__':'runner'};exec(compile(s,'runner','exec'),g);"
    "sys.exit(g['main'](json.loads(base64.b64decode(sys.argv[1])),i,s))"
)
SSH_FAILED = 255  # ssh(1): the exit status of the remote command, or 255 if an error occurred
RECONNECT_SECONDS = (2, 5, 10, 20, 30, 30, 30, 30, 30, 30)


def new_run_id() -> str:
    """Return an id that sorts by time and that two operators do not share."""
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    tail = "".join(secrets.choice(letters) for _ in range(6))
    return time.strftime("%Y%m%dT%H%M%S-", time.gmtime()) + tail


def remote_command(arguments: Event) -> str:
    """Return the command line that runs the runner with `arguments` on a node."""
    packed = base64.b64encode(json.dumps(arguments, sort_keys=True).encode()).decode()
    return f'python3 -I -c "{_BOOTSTRAP}" {packed}'


def runner_stdin(payload: bytes = b"") -> bytes:
    """Return what the remote command reads: the runner's source, then the payload."""
    source = resources.files("chautari.node").joinpath("runner.py").read_bytes()
    return str(len(source)).encode() + b"\n" + source + payload


def ask(target: Target, arguments: Event) -> tuple[list[Event], Stream]:
    """Run one short action of the runner on the node and return its events."""
    command = as_root(target, remote_command(arguments))
    stream = Stream(ssh_argv(target, command), runner_stdin())
    return [json.loads(line) for line in stream if line.startswith("{")], stream


def converge(
    target: Target, bundle: bytes, about: Event, report: NodeReport, tell: Listener
) -> list[CheckResult]:
    """Start a run on the node, follow it to its end and fill `report`; return its checks.

    When the link drops the run goes on; this side attaches again, for about four minutes.
    """
    started = time.monotonic()
    taker = _Taker(report, tell)
    arguments = about | {"action": "start", "sha256": hashlib.sha256(bundle).hexdigest()}
    report.run = about["run"]
    try:
        _follow(target, arguments, bundle, taker)
        for pause in RECONNECT_SECONDS:
            if taker.ended or taker.code != SSH_FAILED:
                break
            tell(target.name, {"event": "reconnecting", "seconds": pause})
            time.sleep(pause)
            attach = {"action": "attach", "run": about["run"], "offset": taker.offset}
            _follow(target, attach, b"", taker)
    finally:
        report.seconds = time.monotonic() - started
    if not taker.ended:
        report.state = "detached" if taker.begun else "failed"
        report.refusals.append(_lost(target, taker))
    return taker.checks


def _lost(target: Target, taker: _Taker) -> Refusal:
    if taker.begun:
        return Refusal(
            "the link was lost; the run goes on there by itself",
            "deploy again when the link is back: it joins or continues the run",
        )
    return Refusal(
        f"the run could not be started ({taker.error or 'no answer'})",
        f"look at the node: ssh -p {target.port} {target.user}@{target.address}",
    )


def _follow(target: Target, arguments: Event, payload: bytes, taker: _Taker) -> None:
    command = as_root(target, remote_command(arguments))
    stream = Stream(ssh_argv(target, command), runner_stdin(payload))
    try:
        for line in stream:
            if line.startswith("{"):
                taker.take(json.loads(line))
    except BaseException:
        stream.stop()
        raise
    taker.code = stream.code
    taker.error = stream.stderr.splitlines()[-1] if stream.stderr else ""


class _Taker:
    """Fills a node's report from its events."""

    def __init__(self, report: NodeReport, tell: Listener) -> None:
        self.report, self.tell = report, tell
        self.checks: list[CheckResult] = []
        self.offset = 0
        self.begun = self.ended = False
        self.error = ""
        self.code: int | None = None

    def take(self, event: Event) -> None:
        """Take one event: into the report, and to the listener."""
        self.offset = event.get("offset", self.offset)
        handler = getattr(self, f"_{event['event']}", None)
        if handler is not None:
            handler(event)
        self.tell(self.report.name, event)

    def _run_started(self, _: Event) -> None:
        self.begun = True

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
        self.report.state = "busy"
        self.report.refusals.append(_busy_refusal(event["holder"]))

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


def _busy_refusal(holder: Event) -> Refusal:
    since = ""
    if "since" in holder:
        since = time.strftime(" since %H:%M", time.localtime(holder["since"]))
    who = holder.get("operator") or "somebody"
    origin = f" from {holder['origin']}" if holder.get("origin") else ""
    run = f" (run {holder['run']})" if holder.get("run") else ""
    return Refusal(
        f"{who} is deploying to this node{since}{origin}{run}",
        "wait until that run has ended, then deploy again",
    )

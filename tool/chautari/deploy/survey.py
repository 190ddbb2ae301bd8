"""One round trip to a node before anything else: which roles would have to run, and why.

This answer is enough for a node on which every receipt holds. The others pass the preflight, are
prepared, and receive their bundle. A node that does not answer is asked again once it is prepared:
only the node knows which of its roles are obsolete.
"""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from chautari.preflight import facts, rules
from chautari.preflight.requirements import NodeRequirements
from chautari.prepare.supervisor import marker, unreachable_refusal
from chautari.process import Stream
from chautari.report.model import NodeReport, Notice, RoleReport
from chautari.ssh.runner_client import SSH_FAILED, Event, ask
from chautari.ssh.target import SSHTarget

Inputs = dict[str, Any]
# How often a node is asked if the connection breaks: a survey changes nothing.
TRIES = 3
# What SSH prints of a connection that broke; sometimes it prints nothing.
_CUT = ("closed", "reset", "broken pipe", "not responding")
# What a node compares with its receipts; the bundle carries the rest of a role's inputs.
COMPARED = ("role", "files", "ansible", "facts", "variables", "needs")


@dataclass(frozen=True)
class Survey:
    """A node's answer.

    Attributes:
        answered: whether the node answered; a bare or unreachable machine does not.
        reasons: the roles that have to run, each with its reasons.
        obsolete_roles: roles on the node that the region no longer assigns to it.
        up_to_date: the roles whose receipts hold, with the run that wrote them and its notices.
        busy: who runs on the node, if there is an active run.
        facts: the machine's facts, for the preflight.
        unreachable: why no connection is possible, in SSH's words; empty if another way may work.
        code: SSH's exit code if no answer came.
        said: SSH's last line.
    """

    answered: bool
    reasons: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    obsolete_roles: list[str] = field(default_factory=list)
    up_to_date: list[dict[str, Any]] = field(default_factory=list)
    busy: Event | None = None
    facts: facts.Facts = field(default_factory=facts.Facts)
    unreachable: str = ""
    code: int | None = None
    said: str = ""

    @property
    def ready(self) -> bool:
        """Whether the node has the environment of this version for Ansible and the checks."""
        return self.answered and self.facts.venv == marker()

    @property
    def nothing_to_do(self) -> bool:
        """Whether every receipt holds, no role is obsolete, and no run is active."""
        return self.ready and self.busy is None and not self.reasons and not self.obsolete_roles


def survey(target: SSHTarget, inputs_of: Callable[[str], list[Inputs]]) -> Survey:
    """Ask a node what is out of date; its roles' inputs are computed while SSH connects."""
    # A machine that was never reached has no pinned key: the preparation makes first contact.
    if not target.known_hosts.is_file() or target.address not in target.known_hosts.read_text():
        return Survey(answered=False)

    def payload() -> bytes:
        roles = [{key: role[key] for key in COMPARED} for role in inputs_of(target.name)]
        return zlib.compress(json.dumps(roles).encode(), 9)

    for _ in range(TRIES):
        asked = time.time()
        events, stream = ask(target, {"action": "survey"}, payload)
        found = next((event for event in events if event["event"] == "survey"), None)
        if found is not None or not _was_cut(stream):
            break
    if found is None:
        unreachable, said = _no_connection(target, stream), _last_line(stream)
        return Survey(answered=False, unreachable=unreachable, code=stream.code, said=said)
    return Survey(
        answered=True,
        reasons=found.get("reasons", {}),
        obsolete_roles=found.get("unwanted", []),
        up_to_date=found.get("kept", []),
        busy=found["busy"],
        facts=facts.parse(found["facts"], asked, time.time()),
    )


def _was_cut(stream: Stream) -> bool:
    """Return whether the connection broke, so that another try may succeed."""
    said = stream.stderr.strip().lower()
    if stream.stopped or stream.code != SSH_FAILED:
        return False
    return not said or any(word in said for word in _CUT)


def _no_connection(target: SSHTarget, stream: Stream) -> str:
    """Return why no connection to the node's own address and port is possible; empty if unsure.

    Detours by `~/.ssh/config` and rejected keys are left to the preparation.
    """
    connecting = f"connect to host {target.address} port {target.port}: "
    _, failed, why = _last_line(stream).partition(connecting)
    return why if failed and stream.code == SSH_FAILED else ""


def _last_line(stream: Stream) -> str:
    return stream.stderr.splitlines()[-1] if stream.stderr else ""


def report_from_survey(required: NodeRequirements, target: SSHTarget, found: Survey) -> NodeReport:
    """Return the report of a node after its survey: refused, unreachable, or converged so far."""
    report = NodeReport(target.name, target.address, "converged", os=found.facts.os)
    if found.unreachable:
        report.state = "unreachable"
        report.refusals = [unreachable_refusal(found.unreachable, report.address)]
    elif found.answered and (refusals := rules.check(found.facts, required)):
        report.state, report.refusals = "refused", refusals
    else:
        add_up_to_date_roles(report, found)
    return report


def add_up_to_date_roles(report: NodeReport, found: Survey) -> None:
    """Add the roles whose receipts hold to a node's report."""
    for role in found.up_to_date:
        report.roles.append(RoleReport(role["role"], up_to_date=True))
        report.notices += [
            Notice("role_message", {"role": role["role"], "text": text}) for text in role["notices"]
        ]

"""One round trip to every node before anything else: what would have to run there, and why.

A node on which every receipt holds is done with that one answer. Only the others are looked at by
the preflight, prepared, and sent their bundle. Whoever was silent until then is asked again when it
is prepared: what a node is to lose, only the node knows.
"""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from chautari.parallel import map_parallel
from chautari.preflight import facts, rules
from chautari.preflight.requirements import NodeRequirements
from chautari.prepare.supervisor import marker, unreachable_refusal
from chautari.process import Stream
from chautari.report.model import NodeReport, Notice, RoleReport
from chautari.ssh.runner_client import SSH_FAILED, Event, ask
from chautari.ssh.target import SSHTarget

Inputs = dict[str, Any]
# How often a node is asked when its link breaks off under the question: asking changes nothing.
TRIES = 3
# Words of SSH's about a connection that was there and is no more; at its quietest it says nothing.
_CUT = ("closed", "reset", "broken pipe", "not responding")
# What a node compares with its receipts; the rest of a role's inputs goes with the bundle.
COMPARED = ("role", "files", "ansible", "facts", "variables", "needs")


@dataclass(frozen=True)
class Survey:
    """What a node answered.

    Attributes:
        answered: whether it did; a bare machine, or one that is out of reach, does not.
        reasons: the roles that have to run, each with why.
        unwanted: roles that the node carries and that the region wants there no more.
        kept: the roles whose receipts hold, with the run that left them and what it reported.
        busy: who is at work there, if anybody is.
        facts: the machine, for the preflight.
        unreachable: why nothing can reach the node, in SSH's own words; empty when another way of
            asking may still do.
        code: how the connection ended where no answer came.
        said: SSH's last word of it.
    """

    answered: bool
    reasons: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    unwanted: list[str] = field(default_factory=list)
    kept: list[dict[str, Any]] = field(default_factory=list)
    busy: Event | None = None
    facts: facts.Facts = field(default_factory=facts.Facts)
    unreachable: str = ""
    code: int | None = None
    said: str = ""

    @property
    def ready(self) -> bool:
        """Whether the node has the very environment that Ansible and the checks run in."""
        return self.answered and self.facts.venv == marker()

    @property
    def nothing_to_do(self) -> bool:
        """Whether every receipt holds, nothing is to be taken off, and nobody is at work."""
        return self.ready and self.busy is None and not self.reasons and not self.unwanted


def survey(
    reached: Sequence[SSHTarget], inputs_of: Callable[[str], list[Inputs]], parallel: int
) -> list[Survey]:
    """Ask every node once, side by side; its roles' inputs are computed while SSH connects."""
    return map_parallel(lambda target: look(target, inputs_of), reached, parallel)


def look(target: SSHTarget, inputs_of: Callable[[str], list[Inputs]]) -> Survey:
    """Ask one node."""
    # Whoever was never met has no pinned key yet: the preparation makes first contact.
    if not target.known_hosts.is_file() or target.address not in target.known_hosts.read_text():
        return Survey(answered=False)

    def payload() -> bytes:
        roles = [{key: role[key] for key in COMPARED} for role in inputs_of(target.name)]
        return zlib.compress(json.dumps(roles).encode(), 9)

    for _ in range(TRIES):
        asked = time.time()
        events, stream = ask(target, {"action": "survey"}, payload)
        found = next((event for event in events if event["event"] == "survey"), None)
        if found is not None or not _cut(stream):
            break
    if found is None:
        unreachable, said = _no_connection(target, stream), _last_word(stream)
        return Survey(answered=False, unreachable=unreachable, code=stream.code, said=said)
    return Survey(
        answered=True,
        reasons=found.get("reasons", {}),
        unwanted=found.get("unwanted", []),
        kept=found.get("kept", []),
        busy=found["busy"],
        facts=facts.parse(found["facts"], asked, time.time()),
    )


def _cut(stream: Stream) -> bool:
    """Whether the link broke off: at once, another try may get through."""
    said = stream.stderr.strip().lower()
    if stream.stopped or stream.code != SSH_FAILED:
        return False
    return not said or any(word in said for word in _CUT)


def _no_connection(target: SSHTarget, stream: Stream) -> str:
    """Return why no connection came about, where that is certain: nobody else need try.

    Whoever goes another way by `~/.ssh/config`, or was not let in, is left to the preparation.
    """
    connecting = f"connect to host {target.address} port {target.port}: "
    _, failed, why = _last_word(stream).partition(connecting)
    return why if failed and stream.code == SSH_FAILED else ""


def _last_word(stream: Stream) -> str:
    return stream.stderr.splitlines()[-1] if stream.stderr else ""


def report_of(wanted: NodeRequirements, target: SSHTarget, found: Survey) -> NodeReport:
    """Return the report of a node that has nothing to do, or that must not be touched."""
    report = NodeReport(target.name, target.address, "converged", os=found.facts.os)
    if found.unreachable:
        report.state = "unreachable"
        report.refusals = [unreachable_refusal(found.unreachable, report.address)]
        return report
    report.refusals = rules.check(found.facts, wanted)
    if report.refusals:
        report.state = "refused"
        return report
    tell_kept(report, found)
    return report


def tell_kept(report: NodeReport, found: Survey) -> None:
    """Add the roles whose receipts hold to a node's report."""
    for kept in found.kept:
        report.roles.append(RoleReport(kept["role"], kept=True))
        report.notices += [
            Notice("role_message", {"role": kept["role"], "text": text}) for text in kept["notices"]
        ]

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

from chautari.node.events import LockHolder, Reason, SurveyAnswer, UpToDateRole
from chautari.node.receipts import RoleInputs
from chautari.preflight import facts, rules
from chautari.preflight.requirements import NodeRequirements
from chautari.prepare.child_process import (
    node_requirements_digest,
    refusal_with_login,
    unreachable_refusal,
)
from chautari.report.model import NodeReport, Notice, RoleReport
from chautari.ssh.known_hosts import read_known_hosts_text
from chautari.ssh.runner_client import SSH_FAILED, RunnerReply, call_runner
from chautari.ssh.target import SSHTarget

# How often a node is asked if the connection breaks: a survey changes nothing.
TRIES = 3
# What a node compares with its receipts; the bundle carries the rest of a role's inputs.
COMPARED = ("role", "files", "ansible", "facts", "variables", "needs", "installed")


@dataclass(frozen=True)
class NodeSurvey:
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
        error: SSH's last line.
    """

    answered: bool
    reasons: dict[str, list[Reason]] = field(default_factory=dict)
    obsolete_roles: list[str] = field(default_factory=list)
    up_to_date: list[UpToDateRole] = field(default_factory=list)
    busy: LockHolder | None = None
    facts: facts.Facts = field(default_factory=facts.Facts)
    unreachable: str = ""
    code: int | None = None
    error: str = ""

    @property
    def has_environment(self) -> bool:
        """Whether the node has the environment of this version for Ansible and the checks."""
        return self.answered and self.facts.venv == node_requirements_digest()

    @property
    def nothing_to_do(self) -> bool:
        """Whether every receipt holds, no role is obsolete, and no run is active."""
        return (
            self.has_environment
            and self.busy is None
            and not self.reasons
            and not self.obsolete_roles
        )


def survey_node(target: SSHTarget, inputs_of: Callable[[str], list[RoleInputs]]) -> NodeSurvey:
    """Ask a node what is out of date; its roles' inputs are computed while SSH connects."""
    # A machine that was never reached has no pinned key: the preparation makes first contact.
    if target.address not in read_known_hosts_text(target.known_hosts):
        return NodeSurvey(answered=False)

    def payload() -> bytes:
        inputs = inputs_of(target.name)
        roles = [{key: dict(role)[key] for key in COMPARED} for role in inputs]
        return zlib.compress(json.dumps(roles).encode(), 9)

    for _ in range(TRIES):
        sent_at = time.time()
        reply = call_runner(target, {"action": "survey"}, SurveyAnswer, payload)
        if reply.answer is not None or not reply.cut:
            break
    found = reply.answer
    if found is None:
        unreachable = _certain_connection_error(target, reply)
        return NodeSurvey(False, unreachable=unreachable, code=reply.code, error=reply.last_error)
    return NodeSurvey(
        answered=True,
        reasons=found.get("reasons", {}),
        obsolete_roles=found.get("obsolete_roles", []),
        up_to_date=found.get("up_to_date", []),
        busy=found["busy"],
        facts=facts.parse_facts(found["facts"], sent_at, time.time()),
    )


def _certain_connection_error(target: SSHTarget, reply: RunnerReply[SurveyAnswer]) -> str:
    """Return why no connection to the node's own address and port is possible; empty if unsure.

    Detours by `~/.ssh/config` and rejected keys are left to the preparation.
    """
    connecting = f"connect to host {target.address} port {target.port}: "
    _, failed, why = reply.last_error.partition(connecting)
    return why if failed and reply.code == SSH_FAILED else ""


def node_report_from_survey(
    region: str, required: NodeRequirements, target: SSHTarget, survey_result: NodeSurvey
) -> NodeReport:
    """Return the report of a node after its survey: refused, unreachable, or converged so far."""
    report = NodeReport(target.name, target.address, "converged", os=survey_result.facts.os)
    if survey_result.unreachable:
        report.state = "unreachable"
        report.refusals = [unreachable_refusal(survey_result.unreachable, target)]
    elif survey_result.answered and (
        refusals := rules.preflight_refusals(survey_result.facts, required)
    ):
        report.state = "refused"
        report.refusals = [refusal_with_login(item, region, target) for item in refusals]
    else:
        add_up_to_date_roles(report, survey_result)
    return report


def add_up_to_date_roles(report: NodeReport, survey_result: NodeSurvey) -> None:
    """Add the roles whose receipts hold to a node's report."""
    for role in survey_result.up_to_date:
        report.roles.append(RoleReport(role["role"], up_to_date=True))
        report.notices += [Notice(**notice) for notice in role["notices"]]

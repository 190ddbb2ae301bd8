"""One node on its way through a deploy: its states, and the transitions between them.

    SurveyedState ─┬─ RefusedOrUnreachableState   refused, unreachable, or used by another operator
                   ├─ UpToDateState            every receipt holds
                   ├─ RunActiveState           a run is followed or waited for, then SurveyedState
                   └─ PreparedState ─┬─ RunFinishedState
                                     ├─ ResultUnknownState    the run continues; result unknown
                                     └─ RunActiveState       another run was first

`take_node_to_end_of_run` is the loop over these states. What a node reports goes into
its `NodeReport`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from chautari.deploy import outside_checks, remote_run
from chautari.deploy.audit import brought_to_node
from chautari.deploy.node_error_isolation import run_node_work_safely
from chautari.deploy.request import DeployContext, Listener, run_initiator
from chautari.deploy.survey import (
    NodeSurvey,
    add_up_to_date_roles,
    node_report_from_survey,
    survey_node,
)
from chautari.node.events import LockHolder
from chautari.parallel import map_parallel
from chautari.prepare.child_process import (
    WHEELS_MB,
    requirements_of_node,
    run_preflight_and_prepare,
)
from chautari.prepare.protocol import Preparation
from chautari.region.load import region_error
from chautari.region.rule import Finding
from chautari.render.context import NodeContext
from chautari.render.variables import NodeVariables
from chautari.report.message_templates import Data
from chautari.report.model import CheckResult, NodeReport, Notice, Reason, Refusal, RoleReport
from chautari.ssh.runner_client import Arguments
from chautari.ssh.target import SSHTarget, ssh_targets

Mode = Literal["deploy", "verify", "plan", "download"]
# What a preparation may do to a node in each mode.
_PREPARATIONS: dict[Mode, Preparation] = {
    "deploy": "adopt", "verify": "check", "plan": "check", "download": "install",
}  # fmt: skip
# Reasons that make the whole preflight necessary again.
_PREFLIGHT_REASONS = frozenset({"receipt_missing", "receipt_damaged"})
# Notices of the preparation that the run after it does not repeat.
_PREPARATION_NOTICES = frozenset({"host_key_pinned", "environment_outdated"})
# States of a report after which the result of the run is unknown.
_UNKNOWN_RESULT = ("disconnected", "unreachable", "detached")


class SurveyedState(NamedTuple):
    """The node was asked what is out of date; it may have to be prepared."""

    survey: NodeSurvey


class RefusedOrUnreachableState(NamedTuple):
    """Nothing is changed on the node; its report says why."""


class UpToDateState(NamedTuple):
    """Every receipt on the node holds, and no other work was requested."""


class PreparedState(NamedTuple):
    """The node can run its bundle."""

    obsolete_roles: tuple[str, ...] = ()


class RunActiveState(NamedTuple):
    """A run is active on the node; `holder` says whose."""

    holder: LockHolder


class RunFinishedState(NamedTuple):
    """The run on the node ended; `checks` are the results of its checks."""

    checks: tuple[CheckResult, ...]


class ResultUnknownState(NamedTuple):
    """The run on the node was not followed to its end."""

    checks: tuple[CheckResult, ...]


State = (
    SurveyedState
    | RefusedOrUnreachableState
    | UpToDateState
    | PreparedState
    | RunActiveState
    | RunFinishedState
    | ResultUnknownState
)


@dataclass
class NodeRun:
    """One node in one command.

    Attributes:
        run: the id of the run, if one is started.
        up_to_date: whether the survey found nothing to do.
    """

    context: DeployContext
    target: SSHTarget
    node: NodeVariables
    mode: Mode
    run: str
    tell: Listener
    state: State
    report: NodeReport
    up_to_date: bool = False

    @property
    def name(self) -> str:
        """Return the node's name."""
        return self.target.name

    @property
    def region(self) -> str:
        """Return the region's name."""
        return self.context.loaded_region.region.region

    def survey_again(self) -> None:
        """Survey the node; a run of another operator is reported at once."""
        found = survey_node(
            self.target, lambda _: self.context.inputs_of_all_roles_on_node(self.node)
        )
        required = requirements_of_node(self.context.loaded_region.region, self.name)
        self.report = node_report_from_survey(self.region, required, self.target, found)
        self.up_to_date = found.nothing_to_do
        if self.report.state != "converged":
            self.end_refused_or_unreachable()
        elif found.busy is not None:
            self.set_state_for_active_run(found.busy)
        else:
            self.state = SurveyedState(found)

    def end_refused_or_unreachable(self, holder: LockHolder | None = None) -> None:
        """End the run of a node that is refused, unreachable, or busy with the run of `holder`."""
        self.state = RefusedOrUnreachableState()
        event = {"event": self.report.state}
        self.tell(self.name, event if holder is None else {**event, "holder": holder})

    def set_state_for_active_run(self, holder: LockHolder) -> None:
        """Follow a run of ours; refuse or wait for another operator's."""
        self.state = RunActiveState(holder)
        if remote_run.same_operator(holder, run_initiator("", self.region, self.name)):
            return
        if self.context.request.wait:
            self.tell(self.name, {"event": "waiting", "holder": holder})
            return
        self.report.state = "busy"
        self.report.refusals.append(remote_run.busy_refusal(holder))
        self.end_refused_or_unreachable(holder)


def make_prepared_node_runs(
    context: DeployContext, names: Sequence[str], mode: Mode, run: str, tell: Listener
) -> list[NodeRun]:
    """Survey the nodes at once, and prepare those that are not ready for what has to run."""
    request = context.request
    reached = ssh_targets(
        context.loaded_region,
        context.endpoints,
        tuple(names),
        request.identities,
        context.known_hosts,
    )
    variables = {node.node: node for node in context.nodes}

    def surveyed(target: SSHTarget) -> NodeRun:
        report = NodeReport(target.name, target.address, "failed")
        node = variables[target.name]
        one = NodeRun(context, target, node, mode, run, tell, RefusedOrUnreachableState(), report)
        one.survey_again()
        return one

    runs = map_parallel(surveyed, reached, request.parallel)
    if mode != "verify":
        _check_installed_releases(context, runs)
    advance_surveyed_nodes(runs)
    return runs


def _check_installed_releases(context: DeployContext, runs: Sequence[NodeRun]) -> None:
    """Check the region against the releases in use, before anything changes.

    Raises:
        InvalidRegion: when a node cannot go from its release to the one to install.
    """
    findings: list[Finding] = []
    for one in runs:
        if not isinstance(one.state, SurveyedState):
            continue
        node = NodeContext(context.loaded_region, context.endpoints, one.name)
        for service in context.loaded_region.region.services_of(one.name):
            installed = one.state.survey.facts.releases.get(service.role_and_artifact_name)
            if installed and service.rules_for_installed_release:
                findings += service.rules_for_installed_release(node, installed)
    if findings:
        raise region_error(context.loaded_region, findings)


def advance_surveyed_nodes(runs: Sequence[NodeRun]) -> None:
    """Take every surveyed node to its next state, with one preparation for all that need it."""
    due = [one for one in runs if isinstance(one.state, SurveyedState) and _needs_preparation(one)]
    if due:
        context, mode, tell = due[0].context, due[0].mode, due[0].tell
        parallel, resolver = context.request.parallel, context.endpoints.resolver
        reached = [one.target for one in due]
        region = context.loaded_region.region
        reports = run_preflight_and_prepare(
            region, reached, tell, _PREPARATIONS[mode], resolver, parallel
        )
        map_parallel(lambda one: _continue_after_preparation(one, reports[one.name]), due, parallel)
    for one in runs:
        if isinstance(one.state, SurveyedState):
            one.state = _state_after_survey(one, one.state.survey)


def _needs_preparation(node_run: NodeRun) -> bool:
    """Return whether a preparation may change the node, or find what the survey did not."""
    assert isinstance(node_run.state, SurveyedState)
    found = node_run.state.survey
    codes = {reason["code"] for reasons in found.reasons.values() for reason in reasons}
    asks = node_run.mode != "verify" and bool(codes & _PREFLIGHT_REASONS)
    return asks or not found.has_environment


def _continue_after_preparation(node_run: NodeRun, report: NodeReport) -> None:
    """Take over the result of the preparation; survey a node that had not answered before it."""
    assert isinstance(node_run.state, SurveyedState)
    node_run.report = report
    if node_run.mode == "plan":
        _plan_first_deploy(node_run)
    if report.state != "converged":
        # The preparation has passed on every event except a refusal.
        node_run.state = RefusedOrUnreachableState()
        if report.state == "refused":
            node_run.end_refused_or_unreachable()
    elif not node_run.state.survey.answered:
        _survey_after_preparation(node_run)


def _survey_after_preparation(node_run: NodeRun) -> None:
    """Survey a node that its preparation has already judged by the preflight."""
    found = survey_node(
        node_run.target, lambda _: node_run.context.inputs_of_all_roles_on_node(node_run.node)
    )
    if not found.answered:
        # It may run roles that are obsolete: without its answer nothing is changed there.
        remote_run.report_no_answer(node_run.target, node_run.report, found.code, found.error)
        node_run.end_refused_or_unreachable()
        return
    node_run.up_to_date = found.nothing_to_do
    add_up_to_date_roles(node_run.report, found)
    if found.busy is None:
        node_run.state = SurveyedState(found)
    else:
        node_run.set_state_for_active_run(found.busy)


def _plan_first_deploy(node_run: NodeRun) -> None:
    """Plan every role on a machine without a deploy; Ansible's dry run needs the environment."""
    if [refusal.code for refusal in node_run.report.refusals] != ["nothing_deployed"]:
        return
    node_run.report.state, node_run.report.refusals = "planned", []
    node_run.report.roles = [
        RoleReport(role, why=[Reason("nothing_deployed")]) for role in node_run.node.roles
    ]
    data: Data = {"region": node_run.region, "node": node_run.name, "megabytes": WHEELS_MB}
    node_run.report.notices.append(Notice("download_unknown", data))


def _state_after_survey(node_run: NodeRun, survey_result: NodeSurvey) -> State:
    """Return whether the node is up to date or has to run its bundle."""
    request, report = node_run.context.request, node_run.report
    skips_checks = node_run.mode != "verify" and not (node_run.mode == "deploy" and request.checks)
    if survey_result.nothing_to_do and not request.full and skips_checks:
        report.download_bytes = 0
        node_run.tell(node_run.name, {"event": "node_up_to_date"})
        return UpToDateState()
    # The run reports every role itself.
    report.roles.clear()
    lasting = (
        _PREPARATION_NOTICES
        if node_run.mode == "plan"
        else _PREPARATION_NOTICES - {"environment_outdated"}
    )
    report.notices = [notice for notice in report.notices if notice.code in lasting]
    report.download_at_least = "environment_outdated" in {item.code for item in report.notices}
    return PreparedState(tuple(survey_result.obsolete_roles))


def take_node_to_end_of_run(node_run: NodeRun) -> list[CheckResult]:
    """Take one node from state to state until its run has ended; return its checks.

    A run of the same operator from the same machine is followed. After one that did less, or one
    that was waited for, the node is surveyed again: while a run is active the answer is incomplete.
    """
    while True:
        match node_run.state:
            case SurveyedState():
                advance_surveyed_nodes([node_run])
            case PreparedState(obsolete_roles):
                _start_and_follow_run(node_run, obsolete_roles)
            case RunActiveState(holder):
                _follow_own_run_or_wait(node_run, holder)
            case RefusedOrUnreachableState() | UpToDateState():
                return []
            case RunFinishedState(checks) | ResultUnknownState(checks):
                return list(checks)


def _start_and_follow_run(node_run: NodeRun, obsolete_roles: Sequence[str]) -> None:
    packed, arguments = _pack_bundle(node_run, obsolete_roles)
    checks, holder = remote_run.start_run_and_collect_checks(
        node_run.target,
        packed,
        arguments,
        node_run.report,
        node_run.tell,
        node_run.context.request.detach,
    )
    if holder is None:
        node_run.state = _finished_or_unknown_state(node_run, checks)
    else:
        node_run.set_state_for_active_run(holder)


def _follow_own_run_or_wait(node_run: NodeRun, holder: LockHolder) -> None:
    _, arguments = _pack_bundle(node_run, ())
    request = node_run.context.request
    if not remote_run.same_operator(holder, arguments):
        free = remote_run.wait_until_node_is_free(
            node_run.target, holder, node_run.report, node_run.tell
        )
        node_run.survey_again() if free else node_run.end_refused_or_unreachable()
        return
    checks = remote_run.follow_existing_run(
        node_run.target, holder.get("run", ""), node_run.report, node_run.tell, request.detach
    )
    if node_run.report.state in _UNKNOWN_RESULT or remote_run.covers_request(holder, arguments):
        node_run.state = _finished_or_unknown_state(node_run, checks)
    else:
        node_run.survey_again()


def _finished_or_unknown_state(node_run: NodeRun, checks: list[CheckResult]) -> State:
    return (ResultUnknownState if node_run.report.state in _UNKNOWN_RESULT else RunFinishedState)(
        tuple(checks)
    )


def _pack_bundle(node_run: NodeRun, obsolete_roles: Sequence[str]) -> tuple[bytes, Arguments]:
    """Return the node's bundle, and the arguments of its run."""
    from chautari.render import bundle  # a node that is up to date gets none

    request = node_run.context.request
    inputs = node_run.context.inputs_of_all_roles_on_node(node_run.node)
    packed = bundle.pack_bundle(node_run.node, inputs, list(obsolete_roles))
    return packed, run_initiator(node_run.run, node_run.region, node_run.name) | {
        "mode": node_run.mode,
        "full": request.full,
        "checks": request.checks,
        "purge": request.purge,
        "interrupt_meetings": request.interrupt_meetings,
        "brought": brought_to_node(node_run.context, node_run.name),
        "plain": bool(os.environ.get("CHAUTARI_PLAIN_ANSIBLE")),
        "sha256": hashlib.sha256(packed).hexdigest(),
    }


def converge_and_check_nodes(runs: Sequence[NodeRun]) -> list[CheckResult]:
    """Converge the nodes, check them from outside, and return the results of all checks.

    Outside checks follow a deploy that changes something; otherwise both run at the same time.
    """
    if not runs:
        return []
    unchanged = runs[0].mode == "verify" or (
        all(one.up_to_date for one in runs) and not runs[0].context.request.full
    )
    if not unchanged:
        inside = converge_nodes_and_collect_checks(runs)
        return inside + run_enabled_outside_checks(runs, _nodes_to_check(runs))
    reachable = _nodes_to_check(runs)
    both: tuple[Callable[[], list[CheckResult]], ...] = (
        lambda: converge_nodes_and_collect_checks(runs),
        lambda: run_enabled_outside_checks(runs, reachable),
    )
    return [result for results in map_parallel(lambda work: work(), both) for result in results]


def converge_nodes_and_collect_checks(runs: Sequence[NodeRun]) -> list[CheckResult]:
    """Converge the nodes at the same time; an error of one node stays in its report."""

    def one_node(one: NodeRun) -> list[CheckResult]:
        if isinstance(one.state, RefusedOrUnreachableState | UpToDateState):
            return []
        return run_node_work_safely(lambda: one.report, lambda: take_node_to_end_of_run(one))

    found = map_parallel(one_node, runs, runs[0].context.request.parallel)
    return [result for results in found for result in results]


def _nodes_to_check(runs: Sequence[NodeRun]) -> list[NodeVariables]:
    return [one.node for one in runs if one.report.state in ("converged", "verified")]


def run_enabled_outside_checks(
    runs: Sequence[NodeRun], nodes: Sequence[NodeVariables]
) -> list[CheckResult]:
    """Run the outside checks of `nodes`, if the command includes checks."""
    if runs[0].mode in ("plan", "download") or not runs[0].context.request.checks:
        return []
    return outside_checks.run_outside_checks(nodes, runs[0].context.endpoints)


def reports_after_failed_canary(context: DeployContext, names: Sequence[str]) -> list[NodeReport]:
    """Return the reports of nodes that are not changed because the canary is not well."""
    refusal = Refusal("canary_failed", {"canary": context.request.canary})
    nodes = context.loaded_region.region.nodes
    return [NodeReport(name, nodes[name].address, "refused", refusals=[refusal]) for name in names]

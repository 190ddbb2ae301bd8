"""The stages that work on nodes: look, prepare, converge, check from outside."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from chautari.deploy import converge
from chautari.deploy.isolation import capture_node_errors
from chautari.deploy.request import Listener, Plan, Request, about
from chautari.deploy.survey import Survey, look, report_of, tell_kept
from chautari.parallel import map_parallel
from chautari.prepare.supervisor import WHEELS_MB, prepare, wanted
from chautari.render import bundle
from chautari.render.variables import NodeVariables
from chautari.report.messages import Data
from chautari.report.model import CheckResult, NodeReport, Notice, Reason, Refusal, RoleReport
from chautari.ssh.runner_client import Event, new_run_id
from chautari.ssh.target import SSHTarget, targets

Mode = Literal["converge", "check", "plan"]
# Reasons that a machine may still have to be looked at by the whole preflight.
_FRESH = frozenset({"new", "damaged"})
# Notices of a preparation that the run after it does not repeat.
_LASTING = frozenset({"host_key_pinned", "environment_outdated"})
# States of a joined run whose end was not seen: nothing may follow it yet.
_UNSEEN = ("lost", "unreachable", "detached")


@dataclass
class Crew:
    """One node on its way through the stages.

    Attributes:
        done: nothing is left to do on it beside its outside checks.
    """

    target: SSHTarget
    node: NodeVariables
    found: Survey
    report: NodeReport
    region: str
    done: bool = False

    def become(self, fresh: Crew) -> None:
        """Take over what another look at the node found."""
        self.found, self.report, self.done = fresh.found, fresh.report, fresh.done

    @property
    def name(self) -> str:
        """Return the node's name."""
        return self.target.name


def waves(request: Request) -> list[tuple[str, ...]]:
    """Return the nodes that are worked on at once: a canary goes first, alone."""
    names = request.chosen()
    if not request.canary:
        return [names]
    rest = tuple(name for name in names if name != request.canary)
    return [(request.canary,), rest] if rest else [(request.canary,)]


def held_back(ready: Plan, names: Sequence[str]) -> list[NodeReport]:
    """Return the reports of nodes that are left alone because the canary is not well."""
    refusal = Refusal("canary_failed", {"canary": ready.request.canary})
    nodes = ready.inventory.region.nodes
    return [NodeReport(n, nodes[n].address, "refused", refusals=[refusal]) for n in names]


def get_ready(ready: Plan, names: Sequence[str], tell: Listener, mode: Mode) -> list[Crew]:
    """Look at every node at once, and prepare those that are not ready for what has to run."""
    request, region = ready.request, ready.inventory.region
    reached = targets(ready.inventory, ready.endpoints, tuple(names), request.identities)
    crews = map_parallel(lambda target: _look(ready, target, tell), reached, request.parallel)
    unready = [crew for crew in crews if not _is_settled(crew.found, mode)]
    if unready:
        checking = mode != "converge"
        bare, resolver = [crew.target for crew in unready], ready.endpoints.resolver
        prepared = prepare(region, bare, tell, checking, resolver, request.parallel)
        for crew in unready:
            crew.report = prepared[crew.name]
            if mode == "plan":
                _foretell_the_first_deploy(crew)
        well = [crew for crew in unready if crew.report.state == "converged"]
        silent = [crew for crew in well if not crew.found.answered]
        map_parallel(lambda crew: _look_again(ready, crew, tell), silent, request.parallel)
    for crew in crews:
        _settle(crew, request, tell, mode)
    return crews


def _look(ready: Plan, target: SSHTarget, tell: Listener) -> Crew:
    """Ask a node; who is at work there is told at once, however long the others take to answer."""
    request, region = ready.request, ready.inventory.region
    [node] = [node for node in ready.nodes if node.node == target.name]
    # What the nodes just said holds once: whoever looks again asks again.
    known = request.memory.surveys.pop(target.name, None) if request.memory else None
    found = known or look(target, lambda _: ready.inputs_of(node))
    report = report_of(wanted(region, target.name), target, found)
    crew = Crew(target, node, found, report, region.region)
    if found.busy is not None and report.state == "converged":
        _mind_others(crew, found.busy, request, tell)
    return crew


def _look_again(ready: Plan, crew: Crew, tell: Listener) -> None:
    """Ask a node that was silent until it was prepared; the preparation has judged the machine."""
    found = look(crew.target, lambda _: ready.inputs_of(crew.node))
    if not found.answered:
        # It may carry roles that it is to lose: without its word nothing is done there.
        converge.report_no_answer(crew.target, crew.report, found.code, found.said)
        tell(crew.name, {"event": crew.report.state})
        return
    crew.found = found
    tell_kept(crew.report, found)
    if found.busy is not None:
        _mind_others(crew, found.busy, ready.request, tell)


def _mind_others(crew: Crew, holder: Event, request: Request, tell: Listener) -> None:
    """Tell who else works on a node, and refuse it unless they are waited for."""
    if converge.is_ours(holder, about("", crew.region, crew.name)):
        return
    if request.manner.wait:
        tell(crew.name, {"event": "waiting", "holder": holder})
        return
    crew.report.state = "busy"
    crew.report.refusals.append(converge.busy_refusal(holder))
    tell(crew.name, {"event": "busy", "holder": holder})


def _foretell_the_first_deploy(crew: Crew) -> None:
    """A machine on which nothing was deployed yet gets everything; Ansible's check needs itself."""
    refusals = crew.report.refusals
    if [refusal.code for refusal in refusals] != ["nothing_deployed"]:
        return
    crew.report.state, crew.report.refusals = "planned", []
    crew.report.roles = [
        RoleReport(role, why=[Reason("nothing_deployed")]) for role in crew.node.roles
    ]
    data: Data = {"region": crew.region, "node": crew.name, "megabytes": WHEELS_MB}
    crew.report.notices.append(Notice("download_unknown", data))


def _is_settled(found: Survey, mode: Mode) -> bool:
    """Return whether the preparation would find out nothing more, and change nothing.

    A node at work is left alone until that run has ended; then it is looked at again.
    """
    if found.unreachable or found.busy is not None:
        return True
    kinds = {reason["kind"] for reasons in found.reasons.values() for reason in reasons}
    return found.ready and (mode != "converge" or not kinds & _FRESH)


def _settle(crew: Crew, request: Request, tell: Listener, mode: Mode) -> None:
    """Decide whether a node is done already: refused, or every receipt on it holds."""
    if crew.report.state != "converged":
        crew.done = True
        if crew.report.state == "refused" or crew.found.unreachable:
            tell(crew.name, {"event": crew.report.state})
        return
    kept = crew.found.nothing_to_do and not request.full
    crew.done = kept and (mode == "plan" or (mode == "converge" and not request.checks))
    if crew.done:
        crew.report.download_bytes = 0
        tell(crew.name, {"event": "settled"})
    else:
        # The run tells of every role itself.
        crew.report.roles.clear()
        lasting = _LASTING if mode == "plan" else _LASTING - {"environment_outdated"}
        crew.report.notices = [n for n in crew.report.notices if n.code in lasting]
        codes = {notice.code for notice in crew.report.notices}
        crew.report.download_at_least = "environment_outdated" in codes


def converge_all(
    ready: Plan, crews: Sequence[Crew], tell: Listener, mode: Mode
) -> list[CheckResult]:
    """Send every node that is not done its bundle, and follow the runs to their ends."""
    run = new_run_id()

    def one(crew: Crew) -> list[CheckResult]:
        if crew.done:
            return []
        return capture_node_errors(
            lambda: crew.report, lambda: _carry_through(ready, crew, run, tell, mode)
        )

    inside = map_parallel(one, crews, ready.request.parallel)
    return [result for results in inside for result in results]


def _carry_through(
    ready: Plan, crew: Crew, run: str, tell: Listener, mode: Mode
) -> list[CheckResult]:
    """Converge one node, behind whoever is at work there; return its checks.

    A run of the same person from the same machine is joined. After one that did less, or that was
    waited for, the node is looked at again: what it says while it is busy is not all.
    """
    manner = ready.request.manner
    while not crew.done:
        packed = bundle.pack(crew.node, ready.inputs_of(crew.node), crew.found.unwanted)
        told = _told(ready, crew, run, mode) | {"sha256": hashlib.sha256(packed).hexdigest()}
        holder = crew.found.busy
        if holder is None:
            checks, holder = converge.converge(
                crew.target, packed, told, crew.report, tell, manner.detach
            )
            if holder is None:
                return checks
            _mind_others(crew, holder, ready.request, tell)
        if converge.is_ours(holder, told):
            checks = converge.attach(crew.target, holder["run"], crew.report, tell, manner.detach)
            if crew.report.state in _UNSEEN or converge.does_as_much(holder, told):
                return checks
        elif not manner.wait or not converge.wait_for(crew.target, holder, crew.report, tell):
            return []
        [fresh] = get_ready(ready, [crew.name], tell, mode)
        crew.become(fresh)
    return []


def _told(ready: Plan, crew: Crew, run: str, mode: Mode) -> Event:
    """Return what the node is told of a run beside its bundle."""
    request = ready.request
    return about(run, crew.region, crew.name) | {
        "mode": mode,
        "full": request.full,
        "checks": request.checks,
        "purge": request.purge,
        "even_if_busy": request.even_if_busy,
        "plain": bool(os.environ.get("CHAUTARI_PLAIN_ANSIBLE")),
    }


def carry_out(ready: Plan, crews: Sequence[Crew], tell: Listener, mode: Mode) -> list[CheckResult]:
    """Converge the nodes, run the checks from outside, and return the results of all checks.

    What a deploy changes is looked at from outside when it stands. Where it changes nothing, both
    sides look at once.
    """
    settled = all(crew.found.nothing_to_do for crew in crews) and not ready.request.full
    if mode != "check" and not settled:
        inside = converge_all(ready, crews, tell, mode)
        return inside + outside(ready, _standing(crews), mode)
    standing = _standing(crews)
    looks: tuple[Callable[[], list[CheckResult]], ...] = (
        lambda: converge_all(ready, crews, tell, mode),
        lambda: outside(ready, standing, mode),
    )
    return [result for found in map_parallel(lambda look: look(), looks) for result in found]


def _standing(crews: Sequence[Crew]) -> list[NodeVariables]:
    return [crew.node for crew in crews if crew.report.state in ("converged", "verified")]


def outside(ready: Plan, nodes: Sequence[NodeVariables], mode: Mode) -> list[CheckResult]:
    """Run the outside checks of the nodes that stand, where checks were asked for."""
    from chautari.deploy import verify

    if mode == "plan" or not ready.request.checks:
        return []
    return verify.outside(nodes, ready.endpoints)

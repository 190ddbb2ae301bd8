"""The stages that work on nodes: look, prepare, converge, check from outside."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from chautari.render import bundle
from chautari.render.variables import NodeVariables
from chautari.report.model import CheckResult, NodeReport, Refusal, RoleReport
from chautari.run import converge
from chautari.run.parallel import side_by_side
from chautari.run.preflight import NOTHING_YET
from chautari.run.prepare import prepare, wanted
from chautari.run.remote import Event, new_run_id
from chautari.run.request import Listener, Plan, Request, about
from chautari.run.survey import Survey, report_of, survey
from chautari.run.target import Target, targets

Mode = Literal["converge", "check", "plan"]
# Reasons that a machine may still have to be looked at by the whole preflight.
_FRESH = frozenset({"new", "damaged"})


@dataclass
class Crew:
    """One node on its way through the stages.

    Attributes:
        done: nothing is left to do on it beside its outside checks.
    """

    target: Target
    node: NodeVariables
    found: Survey
    report: NodeReport
    region: str
    done: bool = False

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
    refusal = Refusal(
        f"the canary {ready.request.canary} is not well, so this node was left as it is",
        "mend what is named for the canary, then deploy again",
    )
    nodes = ready.inventory.region.nodes
    return [NodeReport(n, nodes[n].address, "refused", refusals=[refusal]) for n in names]


def get_ready(ready: Plan, names: Sequence[str], tell: Listener, mode: Mode) -> list[Crew]:
    """Look at every node at once, and prepare those that are not ready for what has to run."""
    request, region = ready.request, ready.inventory.region
    reached = targets(ready.inventory, ready.internet, tuple(names), request.identities)
    nodes = {node.node: node for node in ready.nodes}
    known = request.memory.surveys if request.memory else {}
    surveys = [known[name] for name in names if name in known]
    if len(surveys) < len(reached):
        surveys = survey(reached, lambda name: ready.inputs_of(nodes[name]), request.parallel)
    crews = []
    for target, found in zip(reached, surveys, strict=True):
        report = report_of(wanted(region, target.name), target, found)
        crews.append(Crew(target, nodes[target.name], found, report, region.region))
    unready = [crew for crew in crews if not _is_settled(crew.found, mode)]
    if unready:
        checking = mode != "converge"
        prepared = prepare(
            region, [crew.target for crew in unready], tell, checking, ready.internet.resolver
        )
        for crew in unready:
            crew.report = prepared[crew.name]
            if mode == "plan":
                _foretell_the_first_deploy(crew)
    for crew in crews:
        _settle(crew, request, tell, mode)
    return crews


def _foretell_the_first_deploy(crew: Crew) -> None:
    """A machine on which nothing was deployed yet gets everything; Ansible's check needs itself."""
    refusals = crew.report.refusals
    if [refusal.what for refusal in refusals] != [NOTHING_YET]:
        return
    crew.report.state, crew.report.refusals = "planned", []
    crew.report.roles = [RoleReport(role, why=[NOTHING_YET]) for role in crew.node.roles]
    crew.report.notices.append(
        "how much would be downloaded is told once the node is prepared: deploy prepare "
        f"{crew.region} --node {crew.name}"
    )


def _is_settled(found: Survey, mode: Mode) -> bool:
    """Return whether the preparation would find out nothing more, and change nothing."""
    if found.unreachable:
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
        crew.report.notices = [n for n in crew.report.notices if n.startswith("first contact")]


def converge_all(
    ready: Plan, crews: Sequence[Crew], tell: Listener, mode: Mode
) -> list[CheckResult]:
    """Send every node that is not done its bundle, and follow the runs to their ends."""
    request, run = ready.request, new_run_id()
    region = ready.inventory.region.region

    def one(crew: Crew) -> list[CheckResult]:
        if crew.done:
            return []
        told: Event = about(run, region, crew.name)
        told |= {"mode": mode, "full": request.full, "checks": request.checks}
        told |= {"purge": request.purge, "even_if_busy": request.even_if_busy}
        told["plain"] = bool(os.environ.get("CHAUTARI_PLAIN_ANSIBLE"))
        packed = bundle.pack(crew.node, ready.inputs_of(crew.node), crew.found.unwanted)
        return converge.converge(crew.target, packed, told, crew.report, tell, request.manner)

    inside = side_by_side(one, crews, request.parallel)
    return [result for results in inside for result in results]


def outside(ready: Plan, crews: Sequence[Crew], mode: Mode) -> list[CheckResult]:
    """Run the outside checks of the nodes that stand, where checks were asked for."""
    from chautari.run import verify

    if mode == "plan" or not ready.request.checks:
        return []
    good = [crew.node for crew in crews if crew.report.state == "converged"]
    return verify.outside(good, ready.internet)

"""The stages of `deploy region` and `deploy verify`, in order, on one screen.

    plan ─ prepare ─ converge ─ outside checks ─ report

Each stage takes and returns one typed value; nodes run side by side; one node's failure keeps the
others' results.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from chautari.render import bundle
from chautari.render.variables import NodeVariables
from chautari.report.model import CheckResult, RegionReport
from chautari.run import converge, reporting, verify
from chautari.run.parallel import side_by_side
from chautari.run.prepare import prepare
from chautari.run.remote import new_run_id
from chautari.run.request import Listener, Plan, Request, about, plan
from chautari.run.target import Target, targets


def deploy(request: Request, tell: Listener, say: Callable[[str], None]) -> RegionReport:
    """Bring the region to what its `region.yml` says, check it, and report."""
    return _run(plan(request, say), tell, converging=True)


def check(request: Request, tell: Listener, say: Callable[[str], None]) -> RegionReport:
    """Run all checks of the region, inside and outside, and report; nothing is changed."""
    return _run(plan(request, say), tell, converging=False)


def make_ready(request: Request, tell: Listener, say: Callable[[str], None]) -> RegionReport:
    """Look at the region's machines and prepare them for Ansible; nothing is converged."""
    ready, began = plan(request, say), time.monotonic()
    report = reporting.empty(ready.request, ready.internet)
    reached = targets(ready.inventory, ready.internet, request.chosen(), request.identities)
    report.nodes = list(prepare(ready.inventory.region, reached, tell).values())
    return reporting.finish(report, ready, False, time.monotonic() - began)


def _run(ready: Plan, tell: Listener, converging: bool) -> RegionReport:
    report, began = reporting.empty(ready.request, ready.internet), time.monotonic()
    reached = targets(
        ready.inventory, ready.internet, ready.request.chosen(), ready.request.identities
    )
    nodes = prepare(ready.inventory.region, reached, tell, checking=not converging)
    run, manner = new_run_id(), ready.request.manner

    def one(job: tuple[Target, NodeVariables]) -> list[CheckResult]:
        target, node = job
        state = nodes[target.name]
        if state.state != "converged":
            return []
        told = about(run, report.region, target.name) | {"converge": converging}
        return converge.converge(target, bundle.pack(node), told, state, tell, manner)

    inside = side_by_side(one, list(zip(reached, ready.nodes, strict=True)))
    good = [node for node in ready.nodes if nodes[node.node].state == "converged"]
    report.checks = [result for results in inside for result in results]
    report.checks += verify.outside(good, ready.internet)
    report.nodes = list(nodes.values())
    return reporting.finish(report, ready, converging, time.monotonic() - began)

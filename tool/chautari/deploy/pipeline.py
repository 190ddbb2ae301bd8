"""The stages of `deploy region`, `plan` and `verify`, in order, on one screen.

    plan ─ survey ─ prepare ─ converge ─ outside checks ─ report

Each stage takes and returns one typed value; nodes run side by side; one node's failure keeps the
others' results.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from chautari.deploy import assemble
from chautari.deploy.request import Listener, Plan, Request, plan
from chautari.deploy.stages import Mode, carry_out, get_ready, held_back, waves
from chautari.report.model import RegionReport
from chautari.ssh.target import targets

Say = Callable[[str], None]


def deploy(request: Request, tell: Listener, say: Say) -> RegionReport:
    """Bring the region to what its `region.yml` says, check it, and report."""
    return _run(plan(request, say), tell, "converge")


def check(request: Request, tell: Listener, say: Say) -> RegionReport:
    """Run all checks of the region, inside and outside, and report; nothing is changed."""
    return _run(plan(request, say), tell, "check")


def foretell(request: Request, tell: Listener, say: Say) -> RegionReport:
    """Say what a deploy would run, why, and what it would change; nothing is changed."""
    return _run(plan(request, say), tell, "plan")


def make_ready(request: Request, tell: Listener, say: Say) -> RegionReport:
    """Look at the region's machines and prepare them for Ansible; nothing is converged."""
    from chautari.prepare.supervisor import prepare

    ready, began = plan(request, say), time.monotonic()
    report = assemble.empty(ready.request, ready.endpoints)
    reached = targets(ready.inventory, ready.endpoints, request.chosen(), request.identities)
    found = prepare(
        ready.inventory.region, reached, tell, False, ready.endpoints.resolver, request.parallel
    )
    report.nodes = list(found.values())
    return assemble.finish(report, ready, "prepare", time.monotonic() - began)


def _run(ready: Plan, tell: Listener, mode: Mode) -> RegionReport:
    report, began = assemble.empty(ready.request, ready.endpoints), time.monotonic()
    for names in waves(ready.request):
        if not report.ok:
            report.nodes += held_back(ready, names)
            continue
        crews = get_ready(ready, names, tell, mode)
        report.checks += carry_out(ready, crews, tell, mode)
        report.nodes += [crew.report for crew in crews]
    report = assemble.finish(report, ready, mode, time.monotonic() - began)
    if ready.request.memory:
        ready.request.memory.keep(ready, report)
    return report

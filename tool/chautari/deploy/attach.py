"""Reads the newest run of each node, while it is at work or long after; nothing is started."""

from __future__ import annotations

import time
from collections.abc import Callable

from chautari.deploy import converge
from chautari.deploy.isolation import on_its_own
from chautari.deploy.request import Listener, Request
from chautari.parallel import side_by_side
from chautari.deploy import assemble
from chautari.report.model import CheckResult, NodeReport, RegionReport
from chautari.ssh.target import Target, targets
from chautari_sandbox.provider import known_surroundings


def attach(request: Request, tell: Listener, say: Callable[[str], None]) -> RegionReport:
    """Follow the newest run of each node, or the one named; it may have ended long ago."""
    internet, began = known_surroundings(request.inventory), time.monotonic()
    reached = targets(request.inventory, internet, request.chosen(), request.identities)
    nodes = [NodeReport(target.name, target.address, "failed") for target in reached]
    report = assemble.empty(request, internet)

    def one(job: tuple[Target, NodeReport]) -> list[CheckResult]:
        target, node = job
        return on_its_own(lambda: node, lambda: converge.attach(target, request.run, node, tell))

    inside = side_by_side(one, list(zip(reached, nodes, strict=True)))
    report.checks = [result for results in inside for result in results]
    report.nodes, report.seconds = nodes, time.monotonic() - began
    return report

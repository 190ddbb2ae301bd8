"""Read the newest run of each node, while it is active or later; nothing is started."""

from __future__ import annotations

import time
from collections.abc import Callable

from chautari.deploy import region_report, remote_run
from chautari.deploy.node_error_isolation import run_node_work_safely
from chautari.deploy.request import Listener, Request
from chautari.node.events import StatusAnswer
from chautari.parallel import map_parallel
from chautari.render.provider import known_endpoints
from chautari.report.model import CheckResult, NodeReport, RegionReport
from chautari.ssh.runner_client import call_runner
from chautari.ssh.target import SSHTarget, ssh_targets


def follow_newest_run_of_each_node(
    request: Request, tell: Listener, say: Callable[[str], None]
) -> RegionReport:
    """Follow the newest run of each node, or the one named; even if it has ended."""
    endpoints, began = known_endpoints(request.loaded_region), time.monotonic()
    reached = ssh_targets(
        request.loaded_region, endpoints, request.node_names(), request.identities
    )
    nodes = [NodeReport(target.name, target.address, "failed") for target in reached]
    report = region_report.new_report(request, endpoints)

    def one(job: tuple[SSHTarget, NodeReport]) -> list[CheckResult]:
        target, node = job
        return run_node_work_safely(
            lambda: node, lambda: _follow_run_if_active(target, request.run, node, tell)
        )

    inside = map_parallel(one, list(zip(reached, nodes, strict=True)))
    report.checks = [result for results in inside for result in results]
    report.nodes, report.seconds = nodes, time.monotonic() - began
    return report


def _follow_run_if_active(
    target: SSHTarget, run: str, node: NodeReport, tell: Listener
) -> list[CheckResult]:
    """Follow a run on a node that answers; only a run that is there is waited for."""
    reply = call_runner(target, {"action": "status"}, StatusAnswer)
    if reply.answer is None:
        remote_run.report_no_answer(target, node, reply.code, reply.last_error)
        tell(target.name, {"event": node.state})
        return []
    return remote_run.follow_existing_run(target, run, node, tell)

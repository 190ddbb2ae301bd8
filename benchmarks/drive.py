"""The control side of a deploy to nodes that a stand-in answers for.

Everything the tool does for a node is done, except what needs a real machine: the preparation.
"""

from __future__ import annotations

import sys
from pathlib import Path

from chautari.region.load import load
from chautari.render import bundle
from chautari.render.variables import NodeVariables
from chautari.report.model import CheckResult, NodeReport
from chautari.report.writer import write_reports
from chautari.run import reporting
from chautari.run.converge import converge
from chautari.run.parallel import side_by_side
from chautari.run.remote import new_run_id
from chautari.run.request import Request, about, plan
from chautari.run.target import Target, targets


def main(file: str, key: str) -> int:
    """Converge every node of the region in `file` and write the reports."""
    request = Request(load(Path(file)), "deploy region many", identities=(Path(key),))
    ready = plan(request, print)
    reached = targets(ready.inventory, ready.internet, request.chosen(), request.identities)
    report = reporting.empty(request, ready.internet)
    report.nodes = [NodeReport(target.name, target.address, "converged") for target in reached]
    states = {node.name: node for node in report.nodes}
    run = new_run_id()

    def one(job: tuple[Target, NodeVariables]) -> list[CheckResult]:
        target, node = job
        told = about(run, report.region, target.name) | {"converge": True}
        state = states[target.name]
        return converge(target, bundle.pack(node), told, state, lambda *_: None)

    side_by_side(one, list(zip(reached, ready.nodes, strict=True)))
    write_reports(reporting.finish(report, ready, True, 0.0), Path(file).parent / "report")
    return 0 if report.ok else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

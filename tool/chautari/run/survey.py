"""One round trip to every node before anything else: what would have to run there, and why.

A node on which every receipt holds is done with that one answer. Only the others are looked at by
the preflight, prepared, and sent their bundle.
"""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from chautari.region.model import Region
from chautari.render.inputs import Inputs
from chautari.report.model import NodeReport, RoleReport
from chautari.run import facts, preflight
from chautari.run.parallel import side_by_side
from chautari.run.prepare import marker, wanted
from chautari.run.remote import Event, ask
from chautari.run.target import Target


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
        said: the last line of SSH's own words.
    """

    answered: bool
    reasons: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    unwanted: list[str] = field(default_factory=list)
    kept: list[dict[str, Any]] = field(default_factory=list)
    busy: Event | None = None
    facts: facts.Facts = field(default_factory=facts.Facts)
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
    reached: Sequence[Target], inputs: Sequence[list[Inputs]], parallel: int
) -> list[Survey]:
    """Ask every node once, side by side."""
    return side_by_side(_one, list(zip(reached, inputs, strict=True)), parallel)


def _one(job: tuple[Target, list[Inputs]]) -> Survey:
    target, roles = job
    # Whoever was never met has no pinned key yet: the preparation makes first contact.
    if not target.known_hosts.is_file() or target.address not in target.known_hosts.read_text():
        return Survey(answered=False)
    asked = time.time()
    events, stream = ask(target, {"action": "survey"}, zlib.compress(json.dumps(roles).encode(), 9))
    found = next((event for event in events if event["event"] == "survey"), None)
    if found is None:
        return Survey(answered=False, said=stream.stderr.splitlines()[-1] if stream.stderr else "")
    return Survey(
        answered=True,
        reasons=found.get("reasons", {}),
        unwanted=found.get("unwanted", []),
        kept=found.get("kept", []),
        busy=found["busy"],
        facts=facts.parse(found["facts"], asked, time.time()),
    )


def report_of(region: Region, target: Target, found: Survey) -> NodeReport:
    """Return the report of a node that has nothing to do, or that must not be touched."""
    report = NodeReport(target.name, target.address, "converged", os=found.facts.os)
    report.refusals = preflight.check(found.facts, wanted(region, target.name))
    if report.refusals:
        report.state = "refused"
        return report
    for kept in found.kept:
        report.roles.append(RoleReport(kept["role"], kept=True))
        report.notices += kept["notices"]
    return report

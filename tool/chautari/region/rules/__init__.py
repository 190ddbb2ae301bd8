"""Rules across the fields of a region, each with the reason and what to write instead.

Every rule is a small function that yields `(path, message)`. All of them run once the shape is
known to be right, so that a volunteer sees every error at once.
"""

from __future__ import annotations

from chautari.region.model import Region
from chautari.region.rule import Finding, Pins, Rule
from chautari.region.rules import backup, nodes, peers, people, services
from chautari.services.registry import SERVICES

RULES: tuple[Rule, ...] = (
    *nodes.RULES,
    *people.RULES,
    *peers.RULES,
    *services.RULES,
    *backup.RULES,
)


def find_rule_violations(region: Region, pins: Pins) -> list[Finding]:
    """Return what every rule found in `region`; `pins` are the releases with a known checksum.

    A service's own rules count where a node runs it or it has settings.
    """
    present = {service for node in region.nodes.values() for service in node.services}
    present |= set(region.services.configured_services())
    own = [rule for name in SERVICES if name in present for rule in SERVICES[name].rules]
    return [finding for rule in (*RULES, *own) for finding in rule(region, pins)]

"""Rules across the fields of a region, each with the reason and what to write instead.

Every rule is a small function that yields `(path, message)`. All of them run once the shape is
known to be right, so that a volunteer sees every error at once.
"""

from __future__ import annotations

from chautari.region.model import Region
from chautari.region.rule import Finding, Pins, Rule
from chautari.region.rules import nodes, people, services
from chautari.services.registry import SERVICES

RULES: tuple[Rule, ...] = (*nodes.RULES, *people.RULES, *services.RULES)


def findings(region: Region, pins: Pins) -> list[Finding]:
    """Return what every rule found in `region`; `pins` are the releases with a known checksum."""
    own = [rule for service in SERVICES.values() for rule in service.rules]
    return [finding for rule in (*RULES, *own) for finding in rule(region, pins)]

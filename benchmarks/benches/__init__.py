"""The benches, those that need no machine first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.benches import (
    changed,
    checks,
    cuts,
    first,
    noop,
    refusal,
    regions,
    simulated,
    startup,
)
from benchmarks.lab import Lab
from benchmarks.measure import Figure


@dataclass(frozen=True)
class Bench:
    """One comparison: what it is called, what it measures, and the function that does."""

    name: str
    title: str
    run: Callable[[Lab, int], list[Figure]]


BENCHES: tuple[Bench, ...] = (
    Bench("startup", "deploy --help and deploy validate demo", startup.run),
    Bench("regions", "250 and 1,000 regions of 5 nodes validated and rendered", regions.run),
    Bench("simulated", "250 and 1,000 nodes that a stand-in ssh answers for", simulated.run),
    Bench("noop", "one node redeployed, nothing to change: time, CPU, memory", noop.on_the_lan),
    Bench("noop-slow", "the same at 300 ms of round trip", noop.far_away),
    Bench("noop-region", "two nodes redeployed, nothing to change", noop.whole_region),
    Bench("noop-region-slow", "the same at 300 ms of round trip", noop.whole_region_far_away),
    Bench("noop-cuts", "one node far away, nothing to change, cut link", cuts.nothing_to_change),
    Bench("plan", "deploy plan of a node, nothing to change", noop.plan),
    Bench("refusal", "the second operator is refused", refusal.run),
    Bench("cuts", "a node redeployed in full while the link is cut", cuts.run),
    Bench("changed", "one changed variable of one role", changed.run),
    Bench("checks", "all checks of a node", checks.run),
    Bench("first", "the first deploy of a node", first.run),
    Bench("first-narrow", "the same over a line of 8 Mbit/s", first.narrow),
)

"""List the benchmarks, those that need no machine first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.benches import (
    backup,
    changed,
    checks,
    cuts,
    first,
    noop,
    refusal,
    regions,
    simulated,
    startup,
    upgrade,
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
    Bench("simulated", "250 and 1,000 nodes, simulated by a fake ssh", simulated.run),
    Bench("noop", "redeploy of one node, nothing to change: time, CPU, memory", noop.on_the_lan),
    Bench("noop-slow", "the same with a round trip of 300 ms", noop.far_away),
    Bench("noop-region", "redeploy of two nodes, nothing to change", noop.whole_region),
    Bench("noop-region-slow", "the same with a round trip of 300 ms", noop.whole_region_far_away),
    Bench(
        "noop-cuts",
        "the same far away, over an interrupted link",
        cuts.nothing_to_change,
    ),
    Bench("plan", "deploy plan of a node, nothing to change", noop.plan),
    Bench("refusal", "the second operator is refused", refusal.run),
    Bench("cuts", "full redeploy of one node over an interrupted link", cuts.run),
    Bench("changed", "one changed variable of one role", changed.run),
    Bench("checks", "all checks of a node", checks.run),
    Bench("backup", "a nightly backup and a restore of a node", backup.run),
    Bench("upgrade", "a point upgrade of Nextcloud", upgrade.run),
    Bench("first", "the first deploy of a node", first.run),
    Bench("first-narrow", "the same over a connection of 8 Mbit/s", first.narrow),
)

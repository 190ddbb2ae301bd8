"""Rules about the regions that a region federates with."""

from __future__ import annotations

from collections.abc import Iterator

from chautari.region.model import Region
from chautari.region.rule import Finding, Pins, Rule
from chautari.services.registry import PUBLISHERS


def check_peers_are_named_once(region: Region, _: Pins) -> Iterator[Finding]:
    """A region is no peer of its own, and a second entry has no meaning."""
    names = region.federation.peers
    for index, name in enumerate(names):
        if name == region.region:
            message = "this is the region itself; remove it from the list"
        elif name in names[:index]:
            message = f"{name} is already in the list; remove one of the entries"
        else:
            continue
        yield ("federation", "peers", index), message


def check_descriptor_is_published(region: Region, _: Pins) -> Iterator[Finding]:
    """Peers can only trust a region whose descriptor they can fetch."""
    is_published = any(map(region.nodes_running, PUBLISHERS))
    if region.federation.peers and PUBLISHERS and not is_published:
        yield (
            ("federation", "peers"),
            f"no node runs {PUBLISHERS[0]}, which publishes the region's descriptor for its peers; "
            f"add it to a node: services: [{PUBLISHERS[0]}]",
        )


RULES: tuple[Rule, ...] = (check_peers_are_named_once, check_descriptor_is_published)

"""Rules about the regions that a region federates with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from chautari.language import _
from chautari.region.model import Region
from chautari.region.rule import Finding, Pins, Rule
from chautari.services.registry import PUBLISHERS, SERVICES


def check_peers_are_named_once(region: Region, __: Pins) -> Iterator[Finding]:
    """A region is no peer of its own, and a second entry has no meaning."""
    names = region.federation.peers
    for index, name in enumerate(names):
        if name == region.region:
            message = _("this is the region itself; remove it from the list")
        elif name in names[:index]:
            message = _("{name} is already in the list; remove one of the entries", name=name)
        else:
            continue
        yield ("federation", "peers", index), message


def check_descriptor_is_published(region: Region, __: Pins) -> Iterator[Finding]:
    """Peers can only trust a region whose descriptor they can fetch."""
    is_published = any(map(region.nodes_running, PUBLISHERS))
    if region.federation.peers and PUBLISHERS and not is_published:
        yield (
            ("federation", "peers"),
            _(
                "no node runs {publishers}, which publishes the region's descriptor for its "
                "peers; add it to a node: services: [{publishers}]",
                publishers=PUBLISHERS[0],
            ),
        )


def check_nodes_are_shared_with_peers_only(region: Region, __: Pins) -> Iterator[Finding]:
    """Nodes are lent to peers and borrowed from them, and from no other region."""
    for key, shared in _lend_and_borrow_settings(region):
        for peer in shared:
            if peer not in region.federation.peers:
                yield (
                    ("federation", key, peer),
                    _(
                        "{peer} is not in federation.peers; add it there, or remove it here",
                        peer=peer,
                    ),
                )


def check_shared_services_run_here(region: Region, __: Pins) -> Iterator[Finding]:
    """The lender runs the service, and the borrower runs the one that uses it."""
    for key, shared in _lend_and_borrow_settings(region):
        for peer, services in shared.items():
            for index, name in enumerate(services):
                lending = SERVICES[name].lending
                needed = name if key == "lend" or lending is None else lending.used_by
                if name in services[:index]:
                    message = _(
                        "{name} is already in the list; remove one of the entries", name=name
                    )
                elif region.nodes_running(needed):
                    continue
                elif needed == name:
                    message = _(
                        "no node runs {name}; add it to a node, or remove it here", name=name
                    )
                else:
                    message = _(
                        "{name} is used by {needed}, but no node runs {needed}; add {needed} to "
                        "a node, or remove the entry here",
                        name=name,
                        needed=needed,
                    )
                yield ("federation", key, peer, index), message


def _lend_and_borrow_settings(
    region: Region,
) -> Iterator[tuple[str, Mapping[str, tuple[str, ...]]]]:
    yield "lend", region.federation.lend
    yield "borrow", region.federation.borrow


RULES: tuple[Rule, ...] = (
    check_peers_are_named_once,
    check_descriptor_is_published,
    check_nodes_are_shared_with_peers_only,
    check_shared_services_run_here,
)

"""Everything that regions can lend to each other: nodes of services, and space for backups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from chautari.backup import scope, space_letters
from chautari.language import N_, TextTemplate
from chautari.region.model import Region
from chautari.services.base import LendingHooks
from chautari.services.registry import SERVICES


class SharedResource(NamedTuple):
    """Something that one region lends to another.

    Attributes:
        title: its name for people.
        hooks: what both regions write to each other.
        lend_setting: what the lender writes in `region.yml`, and where.
        borrow_setting: what the borrower writes there.
    """

    title: str
    hooks: LendingHooks
    lend_setting: TextTemplate
    borrow_setting: TextTemplate


SHARED_RESOURCES: Mapping[str, SharedResource] = {
    name: SharedResource(
        service.title,
        service.lending,
        N_("{service} under federation.lend"),
        N_("{service} under federation.borrow"),
    )
    for name, service in SERVICES.items()
    if service.lending
} | {
    space_letters.NAME: SharedResource(
        space_letters.TITLE,
        space_letters.LENDING,
        N_("your region and an amount of space under backup.give"),
        N_("your region to the list backup.to"),
    )
}


def resources_lent_to(region: Region, peer: str) -> tuple[str, ...]:
    """Return the names of everything that the region lends to a peer."""
    given = region.backup is not None and peer in region.backup.give
    nodes: tuple[str, ...] = region.federation.lend.get(peer, ())
    return (*nodes, space_letters.NAME) if given else nodes


def resources_borrowed_from(region: Region, peer: str) -> tuple[str, ...]:
    """Return the names of everything that the region borrows from a peer."""
    nodes: tuple[str, ...] = region.federation.borrow.get(peer, ())
    return (*nodes, space_letters.NAME) if peer in scope.peers_that_store_backups(region) else nodes


def lends_to_or_borrows_from(region: Region, peer: str) -> bool:
    """Return whether the region lends something to a peer, or borrows something from it."""
    shared = resources_lent_to(region, peer) or resources_borrowed_from(region, peer)
    return peer in region.federation.peers and bool(shared)


def backup_settings_that_name_peer(region: Region, peer: str) -> tuple[str, ...]:
    """Return the settings of backups in `region.yml` that name a peer."""
    given = region.backup is not None and peer in region.backup.give
    stored = peer in scope.peers_that_store_backups(region)
    return (*(["backup.to"] if stored else []), *(["backup.give"] if given else []))

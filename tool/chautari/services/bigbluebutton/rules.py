"""Rules across the fields of a region with BigBlueButton."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from typing import TYPE_CHECKING

from chautari.language import _
from chautari.region.rule import Finding, Pins, Rule, field_path, placement_path
from chautari.services.bigbluebutton.packages import NAME
from chautari.services.bigbluebutton.pool import is_pooled, own_servers
from chautari.services.bigbluebutton.settings import BigBlueButton

if TYPE_CHECKING:
    from chautari.region.model import Region


def check_media_need_an_ipv4_address(region: Region, __: Pins) -> Iterator[Finding]:
    """FreeSWITCH offers media on the node's IPv4 address."""
    for name in region.nodes_running(NAME):
        if ip_address(region.nodes[name].address).version != 4:
            yield (
                ("nodes", name, "address"),
                _(
                    "BigBlueButton needs an IPv4 address for its media; write the IPv4 "
                    "address in `address`, and the IPv6 address in `address6`"
                ),
            )


def check_server_has_a_machine_of_its_own(region: Region, __: Pins) -> Iterator[Finding]:
    """It uses port 443, half of all UDP ports, and every core while people meet."""
    for name in region.nodes_running(NAME):
        others = [item for item in region.nodes[name].services if item != NAME]
        if others:
            yield (
                placement_path(region, NAME, name),
                _(
                    "BigBlueButton needs its own machine, but this node also runs {others}; "
                    "move one of them to another node",
                    others=", ".join(others),
                ),
            )


def check_service_with_rooms_is_deployed(region: Region, __: Pins) -> Iterator[Finding]:
    """The service in which people find rooms runs on a node; else no program calls the server."""
    rooms = region.settings_of(BigBlueButton).rooms
    path = field_path(region, NAME, "rooms")
    if rooms == "nextcloud" and not region.nodes_running("nextcloud"):
        yield (
            path,
            _(
                "BigBlueButton's rooms are in Nextcloud, but no node runs Nextcloud; add "
                "nextcloud to a node, or write bigbluebutton: {rooms: none} if another "
                "program opens the meetings"
            ),
        )
    if rooms == "greenlight" and not region.nodes_running("greenlight"):
        yield (
            path,
            _(
                "BigBlueButton's rooms are in Greenlight, but no node runs Greenlight; add "
                "greenlight to a node with Debian"
            ),
        )


def check_settings_do_not_conflict(region: Region, __: Pins) -> Iterator[Finding]:
    """Settings without effect, or that contradict each other, are mistakes."""
    settings = region.settings_of(BigBlueButton)
    if settings.version and not settings.version.startswith(f"{settings.release}."):
        yield (
            ("services", NAME, "version"),
            _(
                "{version} does not belong to release line {release}; write a {release}.x "
                'version, or write release: "{version2}" for a new server',
                version=settings.version,
                release=settings.release,
                version2=settings.version[:3],
            ),
        )
    if settings.consent and not settings.recordings:
        yield (
            ("services", NAME, "consent"),
            _("`consent` has no effect without recordings; set recordings: true or remove consent"),
        )


def check_pool_has_no_recordings(region: Region, __: Pins) -> Iterator[Finding]:
    """Recordings of several servers would have to be copied to one place; that is not built."""
    if is_pooled(region) and region.settings_of(BigBlueButton).recordings:
        yield (
            ("services", NAME, "recordings"),
            _(
                "in a pool, recordings stay on the server that recorded the meeting, and "
                "users cannot find them there; write recordings: false, or use one server "
                "without scalelite"
            ),
        )


def check_lent_servers_and_lend_agree(region: Region, __: Pins) -> Iterator[Finding]:
    """A server is lent to a peer if both its node and `federation.lend` say so."""
    borrowers = region.federation.borrowers_of(NAME)
    for name, node in region.nodes.items():
        peer, path = node.lend_to, ("nodes", name, "lend_to")
        if peer is None:
            continue
        if NAME not in node.services:
            yield (
                path,
                _(
                    "only nodes that run {name} can be lent as a whole; remove lend_to from "
                    "this node",
                    name=NAME,
                ),
            )
        elif peer not in borrowers:
            yield (
                path,
                _(
                    "federation.lend does not list {name} for {peer}; add federation: {{lend: "
                    "{{{peer}: [{name}]}}}}, or remove lend_to from this node",
                    name=NAME,
                    peer=peer,
                ),
            )
    for peer in borrowers:
        if region.nodes_running(NAME) and not region.nodes_lent_to(peer, NAME):
            yield (
                ("federation", "lend", peer, region.federation.lend[peer].index(NAME)),
                _(
                    "no server is lent to {peer}; write lend_to: {peer} for a node that runs "
                    "{name}, or remove the entry here",
                    peer=peer,
                    name=NAME,
                ),
            )


def check_a_server_stays_for_the_region(region: Region, __: Pins) -> Iterator[Finding]:
    """Rooms and a pool need a server that is not lent."""
    needs_one = is_pooled(region) or region.settings_of(BigBlueButton).rooms != "none"
    if needs_one and not own_servers(region):
        for name in region.nodes_running(NAME)[:1]:
            yield (
                ("nodes", name, "lend_to"),
                _(
                    "every BigBlueButton server is lent, so the region's own rooms have no "
                    "server; remove lend_to from one server. If the region has no rooms of its "
                    "own, it needs no pool: write bigbluebutton: {rooms: none} and remove "
                    "scalelite"
                ),
            )


RULES: tuple[Rule, ...] = (
    check_media_need_an_ipv4_address,
    check_server_has_a_machine_of_its_own,
    check_service_with_rooms_is_deployed,
    check_settings_do_not_conflict,
    check_pool_has_no_recordings,
    check_lent_servers_and_lend_agree,
    check_a_server_stays_for_the_region,
)

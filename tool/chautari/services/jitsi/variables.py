"""Variables of the roles of Jitsi Meet (turn, videobridge and jitsi), and its access data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from chautari.language import N_
from chautari.services.base import AccessDetails, Port
from chautari.services.frames import frame_ancestors
from chautari.services.jitsi import lending, packages
from chautari.services.jitsi.languages import TRANSLATIONS
from chautari.services.jitsi.lending import own_meeting_domain
from chautari.services.jitsi.rules import CHECK_ACCOUNT
from chautari.services.jitsi.secrets import (
    BRIDGE_PASSWORD,
    KEY,
    MEMBER_PREFIX,
    SECRETS,
    xmpp_certificate,
)
from chautari.services.jitsi.settings import Jitsi

if TYPE_CHECKING:
    from chautari.region.model import Region
    from chautari.render.context import NodeContext
    from chautari.services.base import Secrets, Variables

PORTS = (Port("3478", "udp", "TURN"), Port("5349", "tcp", "TURN over TLS"))
# Each relayed person has a socket there. It sends first, to bridges, so answers are let in.
LOCAL_PORTS = (Port("49152-65535", "udp", "TURN: relayed media"),)


def account_requirement(region: Region) -> Literal["none", "host"]:
    """Return what people need an account for: to start a meeting, or nothing."""
    return "host" if region.settings_of(Jitsi).access == "members" else "none"


def ports_for_bridges(region: Region) -> tuple[Port, ...]:
    """Return the port on which bridges of other nodes join the meeting node."""
    bridges = [region.nodes[name] for name in region.nodes_running("jitsi-bridge")]
    sources = tuple(address for bridge in bridges for address in bridge.addresses)
    return (Port("5222", "tcp", "XMPP of bridges", sources),) if sources else ()


def turn_variables(context: NodeContext) -> Variables:
    """Return the TURN server's name, and the addresses of the bridges it may relay to."""
    region = context.region
    names = {
        context.node,
        *region.nodes_running("jitsi"),
        *region.nodes_running("jitsi-bridge"),
    }
    peers = [address for name in sorted(names) for address in region.nodes[name].addresses]
    peers += lending.addresses_of_borrowed_bridges(context)
    return {
        "turn_domain": own_meeting_domain(region),
        "turn_address": region.nodes[context.node].address,
        "turn_allowed_peers": peers,
    }


def videobridge_variables(context: NodeContext) -> Variables:
    """Return how the node's bridge joins the meeting node, and what it offers to browsers."""
    region = context.region
    node = region.nodes[context.node]
    is_lent = lending.BRIDGE in node.services
    borrowers = lending.xmpp_servers_of_borrowers(context) if is_lent else []
    return {
        "videobridge_domain": own_meeting_domain(region),
        "videobridge_xmpp_host": "127.0.0.1"
        if "jitsi" in node.services
        else own_meeting_domain(region),
        "videobridge_nickname": context.node,
        # Among the bridges of other regions only the region's name makes it unique.
        "videobridge_relay_id": f"{region.region}-{context.node}" if borrowers else context.node,
        "videobridge_address": node.address,
        "videobridge_relays": region.settings_of(Jitsi).relays or bool(borrowers),
        "videobridge_borrowers": borrowers,
        "videobridge_region": region.region,
    }


def jitsi_variables(context: NodeContext) -> Variables:
    """Return the meeting node's settings."""
    region = context.region
    settings = region.settings_of(Jitsi)
    return {
        "jitsi_domain": own_meeting_domain(region),
        "jitsi_access": settings.access,
        "jitsi_member_names": list(settings.members),
        "jitsi_language": TRANSLATIONS.find_first_locale_or_english(region.languages),
        "jitsi_low_bandwidth": region.bandwidth == "low",
        "jitsi_remote_bridges": list(region.nodes_running("jitsi-bridge")),
        "jitsi_relays": settings.relays,
        "jitsi_peer_names": list(lending.borrowed_bridges_by_peer(context)),
        "jitsi_region": region.region,
        "jitsi_frame_ancestors": frame_ancestors(region, settings.embedded_in),
    }


def bridge_secret_variables(region: Region, _: str, secrets: Secrets) -> Variables:
    """Return what a bridge needs: its account's password and the server's certificate, no key."""
    return {
        "videobridge_password": secrets[BRIDGE_PASSWORD.name],
        "videobridge_authority": xmpp_certificate(secrets[KEY.name], own_meeting_domain(region)),
    }


def meeting_secret_variables(region: Region, node: str, secrets: Secrets) -> Variables:
    """Return the secrets of a meeting node, which has a bridge of its own."""
    bridge = bridge_secret_variables(region, node, secrets)
    people = [
        {"name": name.removeprefix(MEMBER_PREFIX), "password": secrets[name]}
        for name in secrets
        if name.startswith(MEMBER_PREFIX)
    ]
    people.append({"name": CHECK_ACCOUNT, "password": secrets["jitsi_check_password"]})
    if region.settings_of(Jitsi).access == "open":
        people = []
    return {
        **{spec.name: secrets[spec.name] for spec in SECRETS},
        **bridge,
        "jitsi_members": people,
        "jitsi_certificate": bridge["videobridge_authority"],
        "turn_secret": secrets["jitsi_turn_secret"],
    }


def access_details_for_report(context: NodeContext) -> AccessDetails:
    """Return how people open Jitsi Meet: its release, and who starts meetings."""
    settings = context.region.settings_of(Jitsi)
    version = packages.version_to_install(context)
    if settings.access == "open":
        return AccessDetails(version, note="anyone can start a meeting")
    note = f"{N_('passwords')}: deploy secrets show {context.region.region} {MEMBER_PREFIX}NAME"
    return AccessDetails(version, ", ".join(settings.members), note)

"""Variables of the roles bigbluebutton and turn on a server, and its access data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chautari.language import N_, Texts
from chautari.services.base import AccessDetails, Port
from chautari.services.bigbluebutton import packages
from chautari.services.bigbluebutton.packages import NAME
from chautari.services.bigbluebutton.pool import is_pooled
from chautari.services.bigbluebutton.secrets import (
    SECRETS,
    SERVER_SECRET,
    TURN_SECRET,
    peer_secret_spec,
)
from chautari.services.bigbluebutton.settings import BigBlueButton
from chautari.services.frames import frame_ancestors

if TYPE_CHECKING:
    from chautari.region.model import Region
    from chautari.render.context import NodeContext
    from chautari.services.base import Secrets, Variables

# Relays leave the lower half of the UDP ports to the media of meetings.
RELAY_PORTS = (32769, 65535)
PORTS = (
    Port("3478", "udp", "TURN"),
    Port("3478", "tcp", "TURN"),
    Port("16384-32768", "udp", "Media of meetings"),
    Port("32769-65535", "udp", "Relayed media"),
)
# Upstream's FreeSWITCH listens on the node's address, and only the node itself connects.
LOCAL_PORTS = (
    Port("5060", "tcp", "FreeSWITCH: SIP"),
    Port("5060", "udp", "FreeSWITCH: SIP"),
    Port("5066", "tcp", "FreeSWITCH: SIP over WebSocket"),
    Port("5090", "tcp", "FreeSWITCH: SIP"),
    Port("5090", "udp", "FreeSWITCH: SIP"),
    Port("7443", "tcp", "FreeSWITCH: SIP over WebSocket with TLS"),
)
_ROOMS_NOTES: Texts = {
    "nextcloud": "users find their rooms in Nextcloud",
    "greenlight": "users find their rooms in Greenlight",
    "none": "to see the API secret, run bbb-conf --secret on this node",
}


def bigbluebutton_variables(context: NodeContext) -> Variables:
    """Return the server's name, addresses and settings."""
    region, node = context.region, context.region.nodes[context.node]
    settings = region.settings_of(BigBlueButton)
    # Recordings of a peer's meetings would stay here, where the peer cannot reach them.
    recordings = settings.recordings and node.lend_to is None
    return {
        "bigbluebutton_domain": region.public_name(NAME, context.node),
        "bigbluebutton_address": node.address,
        "bigbluebutton_address6": node.address6 or "",
        "bigbluebutton_release": settings.release,
        "bigbluebutton_language": region.languages[0].split("_")[0],
        "bigbluebutton_languages": list(region.languages),
        "bigbluebutton_low_bandwidth": region.bandwidth == "low",
        "bigbluebutton_recordings": recordings,
        "bigbluebutton_keep_days": settings.keep_days,
        "bigbluebutton_consent": settings.consent or "",
        "bigbluebutton_welcome": settings.welcome or "",
        "bigbluebutton_guests": settings.guests,
        "bigbluebutton_office": settings.office,
        "bigbluebutton_checksums": api_digest_algorithms(region),
        "bigbluebutton_contact": region.contact,
        "bigbluebutton_frame_ancestors": frame_ancestors(region, settings.embedded_in),
    }


def api_digest_algorithms(region: Region) -> list[str]:
    """Return the digests that calls of the API may be signed with.

    Nextcloud's app and Greenlight sign with SHA-1 only; where nothing does, SHA-1 is refused.
    Scalelite accepts it in the pool's name, and signs with SHA-256 itself.
    """
    weak = region.settings_of(BigBlueButton).rooms != "none" and not is_pooled(region)
    return [*(["sha1"] if weak else []), "sha256", "sha384", "sha512"]


def turn_variables(context: NodeContext) -> Variables:
    """Return the settings of the TURN server on the same node.

    haproxy forwards TURN over TCP that arrives on port 443; relayed media stay on the node.
    """
    node = context.region.nodes[context.node]
    return {
        "turn_domain": context.region.public_name(NAME, context.node),
        "turn_address": node.address,
        "turn_allowed_peers": list(node.addresses),
        "turn_tcp": True,
        "turn_min_port": RELAY_PORTS[0],
        "turn_max_port": RELAY_PORTS[1],
    }


def secret_variables(region: Region, node: str, secrets: Secrets) -> Variables:
    """Return the server's own secrets, and the TURN server's.

    A server that is lent to a peer has this peer's API secret. When it is no longer lent, it gets
    the region's again, and the peer's has no effect.
    """
    own = {spec.name: secrets[spec.name] for spec in SECRETS}
    if peer := region.nodes[node].lend_to:
        own[SERVER_SECRET.name] = secrets[peer_secret_spec(peer).name]
    return own | {"turn_secret": secrets[TURN_SECRET.name]}


def access_details_for_report(context: NodeContext) -> AccessDetails:
    """Return how people open BigBlueButton: its release, and where their rooms are."""
    rooms = context.region.settings_of(BigBlueButton).rooms
    peer = context.region.nodes[context.node].lend_to
    note = f"{N_('lent to the region')}: {peer}" if peer else _ROOMS_NOTES[rooms]
    return AccessDetails(packages.version_to_install(context), note=note)

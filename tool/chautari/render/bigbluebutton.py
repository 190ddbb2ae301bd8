"""Variables of the role `bigbluebutton`, and of others where they serve it."""

from __future__ import annotations

from chautari.region.model import Region
from chautari.render.context import NodeContext, Variables

SERVICE = "bigbluebutton"
# Relays leave the lower half of the UDP ports to the media of meetings.
RELAY_PORTS = (32769, 65535)


def server_name(region: Region, node: str) -> str:
    """Return the public name of the server on `node`."""
    assert SERVICE in region.nodes[node].services
    return region.public_name(SERVICE, node)


def bigbluebutton(context: NodeContext) -> Variables:
    """Return the server's name, addresses and settings."""
    region, node = context.region, context.region.nodes[context.node]
    settings = region.services.of_bigbluebutton()
    return {
        "bigbluebutton_domain": server_name(region, context.node),
        "bigbluebutton_address": node.address,
        "bigbluebutton_address6": node.address6 or "",
        "bigbluebutton_release": settings.release,
        "bigbluebutton_language": region.languages[0].split("_")[0],
        "bigbluebutton_low_bandwidth": region.bandwidth == "low",
        "bigbluebutton_recordings": settings.recordings,
        "bigbluebutton_keep_days": settings.keep_days,
        "bigbluebutton_consent": settings.consent or "",
        "bigbluebutton_welcome": settings.welcome or "",
        "bigbluebutton_guests": settings.guests,
        "bigbluebutton_office": settings.office,
        "bigbluebutton_checksums": checksums(region),
        "bigbluebutton_contact": region.contact,
    }


def checksums(region: Region) -> list[str]:
    """Return the digests that calls of the API may be signed with.

    Nextcloud's app and Greenlight's look at its server sign with SHA-1 alone; where nothing does,
    it is better refused. Scalelite takes it in the pool's name, and signs with SHA-256 itself.
    """
    weak = region.services.of_bigbluebutton().rooms != "none" and not region.pooled
    return [*(["sha1"] if weak else []), "sha256", "sha384", "sha512"]


def turn(context: NodeContext) -> Variables:
    """Return the settings of the TURN server beside BigBlueButton.

    haproxy hands on TURN that comes in on 443, over TCP; its media are on the node itself.
    """
    node = context.region.nodes[context.node]
    return {
        "turn_domain": server_name(context.region, context.node),
        "turn_address": node.address,
        "turn_allowed_peers": list(node.addresses),
        "turn_tcp": True,
        "turn_min_port": RELAY_PORTS[0],
        "turn_max_port": RELAY_PORTS[1],
    }


def nextcloud(context: NodeContext) -> Variables:
    """Return where Nextcloud's rooms open their meetings, when they do."""
    region = context.region
    if not has_rooms(region):
        return {"nextcloud_bigbluebutton_url": ""}
    host = region.fqdn(region.services.of_bigbluebutton().host)
    return {"nextcloud_bigbluebutton_url": f"https://{host}/bigbluebutton/"}


def has_rooms(region: Region) -> bool:
    """Return whether people find BigBlueButton's rooms in Nextcloud."""
    rooms: str = region.services.of_bigbluebutton().rooms
    return SERVICE in region.deployed_services() and rooms == "nextcloud"


def shaped_secrets(region: Region, node: str, secrets: Variables) -> Variables:
    """Return the node's secrets of BigBlueButton as its roles take them, and take others out."""
    services = region.nodes[node].services
    found: Variables = {}
    if "bigbluebutton_turn_secret" in secrets:
        found["turn_secret"] = secrets["bigbluebutton_turn_secret"]
    if "nextcloud" in services and has_rooms(region):
        name = "scalelite_secret" if region.pooled else "bigbluebutton_secret"
        found["nextcloud_bigbluebutton_secret"] = secrets[name]
    if "scalelite" not in services:
        secrets.pop("scalelite_secret", None)
    if SERVICE not in services:
        secrets.pop("bigbluebutton_secret", None)
    return found

"""Which roles a node gets, in which order, and which ports they need open."""

from __future__ import annotations

from typing import Any

from chautari.region.model import Region
from chautari.region.polls import APPS

BASE_ROLES = ("base", "firewall", "mail")
# By the name of the app that carries the service; its own role has that name.
ROLES_OF_APP: dict[str, tuple[str, ...]] = {
    "nextcloud": ("nginx", "tls", "postgresql", "redis", "php", "nextcloud"),
    **{name: (*app.roles, name) for name, app in APPS.items()},
    "jitsi": ("nginx", "tls", "repository", "turn", "videobridge", "jitsi"),
    "jitsi-bridge": ("repository", "videobridge"),
    "bigbluebutton": ("nginx", "tls", "repository", "turn", "bigbluebutton"),
    "greenlight": ("nginx", "tls", "postgresql", "redis", "containers", "greenlight"),
    "scalelite": ("nginx", "tls", "postgresql", "redis", "containers", "scalelite"),
}
ORDER = (
    "base",
    "firewall",
    "mail",
    "nginx",
    "tls",
    "postgresql",
    "mariadb",
    "redis",
    "php",
    "nextcloud",
    *APPS,
    "repository",
    "turn",
    "videobridge",
    "jitsi",
    "bigbluebutton",
    "containers",
    "scalelite",
    "greenlight",
)
_WEB = (
    {"port": "80", "protocol": "tcp", "comment": "HTTP: redirects and ACME"},
    {"port": "443", "protocol": "tcp", "comment": "HTTPS"},
)
_TURN_TLS = {"port": "5349", "protocol": "tcp", "comment": "TURN over TLS"}
PORTS_OF_ROLE: dict[str, tuple[dict[str, Any], ...]] = {
    "nginx": _WEB,
    "turn": ({"port": "3478", "protocol": "udp", "comment": "TURN"}, _TURN_TLS),
    "bigbluebutton": (
        {"port": "3478", "protocol": "tcp", "comment": "TURN"},
        {"port": "16384-32768", "protocol": "udp", "comment": "Media of meetings"},
        {"port": "32769-65535", "protocol": "udp", "comment": "Relayed media"},
    ),
    "videobridge": ({"port": "10000", "protocol": "udp", "comment": "Media of meetings"},),
}
# Where upstream has a service listen on the node's address for the node itself.
_RELAYED = {"port": "49152-65535", "protocol": "udp", "comment": "TURN: relayed media"}
CLOSED_PORTS_OF_ROLE: dict[str, tuple[dict[str, Any], ...]] = {
    # A socket for each person who is relayed; it speaks first, to bridges, which may answer.
    "turn": (_RELAYED,),
    "bigbluebutton": tuple(
        {"port": port, "protocol": protocol, "comment": f"FreeSWITCH: {what}"}
        for port, protocol, what in (
            ("5060", "tcp", "SIP"),
            ("5060", "udp", "SIP"),
            ("5066", "tcp", "SIP by websocket"),
            ("5090", "tcp", "SIP"),
            ("5090", "udp", "SIP"),
            ("7443", "tcp", "SIP by websocket, in TLS"),
        )
    ),
}


def roles_of(region: Region, node: str) -> tuple[str, ...]:
    """Return the roles of `node` in the order they run."""
    wanted = set(BASE_ROLES) if region.mail else set(BASE_ROLES) - {"mail"}
    for service in region.nodes[node].services:
        wanted |= set(ROLES_OF_APP[region.services.app_of(service)])
    return tuple(role for role in ORDER if role in wanted)


def ports_of(region: Region, node: str) -> list[dict[str, Any]]:
    """Return what the node's services need open beside SSH."""
    roles = roles_of(region, node)
    ports = [port for role in roles for port in PORTS_OF_ROLE.get(role, ())]
    if "bigbluebutton" in roles:
        # TLS ends at haproxy, on port 443.
        ports.remove(_TURN_TLS)
    return ports + (_joining(region) if "jitsi" in roles else [])


def closed_ports_of(region: Region, node: str) -> list[dict[str, Any]]:
    """Return where the node's services listen for the node alone, although on its address."""
    roles = roles_of(region, node)
    ports = [port for role in roles for port in CLOSED_PORTS_OF_ROLE.get(role, ())]
    if "bigbluebutton" in roles:
        # There they are open.
        ports.remove(_RELAYED)
    return ports


def _joining(region: Region) -> list[dict[str, Any]]:
    """Return the port where bridges on other nodes join the meeting node."""
    bridges = [region.nodes[name] for name in region.nodes_running("jitsi-bridge")]
    sources = [address for bridge in bridges for address in bridge.addresses]
    entry = {"port": "5222", "protocol": "tcp", "comment": "XMPP of bridges", "sources": sources}
    return [entry] if sources else []


def names_of(region: Region, node: str) -> tuple[str, ...]:
    """Return the public DNS names of the services on `node`."""
    services = region.services_on(node)
    return tuple(region.public_name(service, node) for service in services)

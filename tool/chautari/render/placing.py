"""Which roles a node gets, in which order, and which ports they need open."""

from __future__ import annotations

from typing import Any

from chautari.region.model import Region
from chautari.region.polls import APPS

GROUND = ("base", "firewall", "mail")
# By the name of the app that carries the service; its own role has that name.
ROLES_OF_APP: dict[str, tuple[str, ...]] = {
    "nextcloud": ("nginx", "tls", "postgresql", "redis", "php", "nextcloud"),
    **{name: (*app.roles, name) for name, app in APPS.items()},
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
)
_WEB = (
    {"port": "80", "protocol": "tcp", "comment": "HTTP: redirects and ACME"},
    {"port": "443", "protocol": "tcp", "comment": "HTTPS"},
)
PORTS_OF_ROLE: dict[str, tuple[dict[str, Any], ...]] = {"nginx": _WEB}


def roles_of(region: Region, node: str) -> tuple[str, ...]:
    """Return the roles of `node` in the order they run."""
    wanted = set(GROUND) if region.mail else set(GROUND) - {"mail"}
    for service in region.nodes[node].services:
        wanted |= set(ROLES_OF_APP[region.services.app_of(service)])
    return tuple(role for role in ORDER if role in wanted)


def ports_of(region: Region, node: str) -> list[dict[str, Any]]:
    """Return what the node's services need open beside SSH."""
    return [port for role in roles_of(region, node) for port in PORTS_OF_ROLE.get(role, ())]


def names_of(region: Region, node: str) -> tuple[str, ...]:
    """Return the public DNS names of the services on `node`."""
    services = region.nodes[node].services
    return tuple(region.fqdn(region.services.of(service).host) for service in services)

"""Which roles a node gets, in which order, and which ports they need open."""

from __future__ import annotations

from chautari.backup import scope
from chautari.region.model import Region
from chautari.services.base import Port
from chautari.services.registry import ROLES
from chautari.services.shared_roles import (
    BACKUP_ROLE,
    BACKUP_SPACE_ROLE,
    BASE_ROLES,
    MAIL_ROLE,
)


def roles_of_node(region: Region, node: str) -> tuple[str, ...]:
    """Return the roles of `node` in the order they run."""
    required = set(BASE_ROLES) if region.mail else set(BASE_ROLES) - {MAIL_ROLE}
    for service in region.services_of(node):
        required |= set(service.roles)
    if scope.targets_of_node(region, node):
        required.add(BACKUP_ROLE)
    if node == scope.node_that_stores_for_peers(region):
        required.add(BACKUP_SPACE_ROLE)
    return tuple(role for role in ROLES if role in required)


def open_ports_of_node(region: Region, node: str) -> list[Port]:
    """Return the ports that the node's services need open in addition to SSH."""
    of_roles = [port for role in roles_of_node(region, node) for port in ROLES[role].ports]
    return of_roles + [port for item in region.services_of(node) for port in item.ports]


def closed_ports_of_node(region: Region, node: str) -> list[Port]:
    """Return the ports on which the node's services listen for the node only."""
    return [port for service in region.services_of(node) for port in service.local_ports]


def public_names_of_node(region: Region, node: str) -> tuple[str, ...]:
    """Return the public DNS names of the services on `node`."""
    services = region.services_with_public_name_on(node)
    return tuple(region.public_name(service, node) for service in services)

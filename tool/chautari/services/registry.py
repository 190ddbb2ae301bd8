"""All services and roles, found by looking at the packages beside this module."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable
from pathlib import Path

from chautari.language import _
from chautari.services.base import Role, Service
from chautari.services.shared_roles import SHARED_ROLES

# The service that examples in the reference name.
EXAMPLE = "nextcloud"


def _find_services() -> dict[str, Service]:
    """Return the services by name, in the order of their packages' names."""
    here = Path(__file__).parent
    found: dict[str, Service] = {}
    for module in sorted(pkgutil.iter_modules([str(here)]), key=lambda item: item.name):
        if module.ispkg:
            package = importlib.import_module(f"{__package__}.{module.name}")
            found[package.SERVICE.name] = package.SERVICE
    return found


def roles_in_order(
    services: Iterable[Service], shared: Iterable[Role] = SHARED_ROLES
) -> tuple[Role, ...]:
    """Return all roles in the order they run on a node.

    A role runs after those it names. Among roles that are free to run, services' own come first,
    so that a service is complete before the next one begins.

    Raises:
        ValueError: when roles name each other in a circle, or one names a role that is missing.
    """
    waiting = [role for service in services for role in service.own_roles]
    waiting += shared
    found: dict[str, Role] = {}
    while waiting:
        role = next((item for item in waiting if set(item.after) <= set(found)), None)
        if role is None:
            names = ", ".join(item.name for item in waiting)
            raise ValueError(
                _("these roles require each other, so no order is possible: {names}", names=names)
            )
        found[role.name] = role
        waiting.remove(role)
    return tuple(found.values())


SERVICES: dict[str, Service] = _find_services()
# Files that tell that a role has installed its service, by the role.
INSTALLED = {
    service.role_and_artifact_name: service.requires.installed
    for service in SERVICES.values()
    if service.requires.installed
}
ROLES: dict[str, Role] = {role.name: role for role in roles_in_order(SERVICES.values())}
# The services that publish the region's descriptor.
PUBLISHERS = tuple(name for name, service in SERVICES.items() if service.publishes_descriptor)
# The services whose nodes regions can lend to each other.
LENDABLE = tuple(name for name, service in SERVICES.items() if service.lending)

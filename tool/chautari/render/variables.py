"""Host variables: every value a role needs is computed here, so that Jinja derives nothing.

The names of a role's variables start with the role's name.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from chautari.backup import secrets as backup_secrets
from chautari.region.model import Region
from chautari.render.context import NodeContext, Variables
from chautari.render.placement import roles_of_node
from chautari.render.shared_role_variables import VARIABLES
from chautari.secrets import required_secrets
from chautari.secrets.store import SecretStore
from chautari.services.base import RoleVariables, Secrets, Service

__all__ = ["NodeContext", "NodeVariables", "Variables", "all_texts_in", "variables_of_node"]


class NodeVariables(NamedTuple):
    """All of one node's variables; `secret` ones only ever travel in 0600 files.

    `doubles` are the names of the region's doubles: only checks may behave differently for them.
    """

    node: str
    roles: tuple[str, ...]
    public: Variables
    secret: Variables
    doubles: tuple[str, ...] = ()


def variables_of_node(context: NodeContext, secrets: SecretStore | None) -> NodeVariables:
    """Return the variables of every role of the node; without `secrets` none are included."""
    roles = roles_of_node(context.region, context.node)
    public: Variables = {}
    for role in roles:
        for function in _variable_functions(context, role):
            public |= function(context)
    secret = _secret_variables(context, secrets) if secrets else {}
    doubles = tuple(item.name for item in context.endpoints.doubles)
    return NodeVariables(context.node, roles, public, secret, doubles)


def _variable_functions(context: NodeContext, role: str) -> Iterator[RoleVariables]:
    """Yield what computes the variables of `role`: its own function, and the node's services'."""
    if role in VARIABLES:
        yield VARIABLES[role]
    for service in context.region.services_of(context.node):
        if role in service.variables:
            yield service.variables[role]


def _secret_variables(context: NodeContext, store: SecretStore) -> Variables:
    region, node = context.region, context.node
    secrets = store.values_of_names(required_secrets.secret_names_of_node(region, node))
    found: Variables = {
        name: secrets[name] for name in (required_secrets.MAIL.name,) if name in secrets
    }
    found |= backup_secrets.secret_variables(region, node, secrets)
    passwords: Variables = {}
    for service in region.services_of(node):
        found |= _service_secrets(service, region, node, secrets)
        if service.peer_secret_variables:
            found |= service.peer_secret_variables(context, secrets)
        passwords |= {
            name: secrets[f"{name}_database_password"]
            for name in service.databases.get("postgresql", ())
        }
    return found | ({"postgresql_passwords": passwords} if passwords else {})


def _service_secrets(service: Service, region: Region, node: str, secrets: Secrets) -> Variables:
    if service.secret_variables:
        return service.secret_variables(region, node, secrets)
    return {
        spec.name: secrets[spec.name] for spec in service.secrets if spec.service == service.name
    }


def all_texts_in(value: Any) -> Iterator[str]:
    """Give every text in the secrets, however deep: the journal is searched for them."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from all_texts_in(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from all_texts_in(item)

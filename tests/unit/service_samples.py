"""A small region for each service, made from the declarations of the service."""

import functools
from dataclasses import replace
from pathlib import Path

from region_samples import KEY, SANDBOX

from chautari.region.load import LoadedRegion
from chautari.region.model import Region
from chautari.render.variables import NodeContext, NodeVariables, variables_of_node
from chautari.secrets.required_secrets import required_secrets
from chautari.secrets.store import SecretStore
from chautari.services.artifacts import Artifact
from chautari.services.base import Service
from chautari.services.registry import EXAMPLE, SERVICES
from chautari.services.secret_spec import SecretSpec
from chautari.services.shared_roles import BACKUP_ROLE, BACKUP_SPACE_ROLE


def companions(name: str) -> list[Service]:
    """Return the services that share a secret with the one called `name`."""
    return [
        other
        for other in SERVICES.values()
        if other.name != name
        and any(name in spec.also_for and spec.service == other.name for spec in other.secrets)
    ]


# The roles of backups belong to no service; a region that asks for them has them.
BACKUP = {
    "federation": {"peers": ["himalaya"]},
    "backup": {
        "to": ["disk"],
        "targets": {"disk": {"disk": "/mnt/backup"}},
        "give": {"himalaya": "50 GB"},
    },
}


def region_of(service: Service, **more: object) -> Region:
    """Return a region with `service` on the node bog1, and its companions on others.

    `more` are further keys of the region.
    """
    others = companions(service.name)
    with_settings = [item for item in (service, *others) if item.settings]
    data = {
        "region": "andes",
        "domain": "andes.example.org",
        "contact": "ops@andes.example.org",
        "operators": {"ana": f"{KEY} ana@laptop"},
        "nodes": {
            "bog1" if item is service else f"node{number}": {
                "address": f"203.0.113.{10 + number}",
                "os": item.requires.os[0],
                "services": [item.name],
            }
            for number, item in enumerate((service, *others))
        },
        "services": {item.name: dict(item.example) for item in with_settings},
        "mail": {
            "relay": "smtp.example.org", "user": "region", "from": "cloud@andes.example.org",
        },
    }  # fmt: skip
    return Region.model_validate(data | more)


def context_of(service: Service, **more: object) -> NodeContext:
    artifacts = {
        name: Artifact(name, "1.0.0", f"https://mirror.example.org/{name}.tar.gz", "ab" * 32)
        for name in (*service.archives, service.name)
    }
    found = LoadedRegion(Path(), region_of(service, **more), {})
    return NodeContext(found, replace(SANDBOX, artifacts=artifacts), "bog1")


@functools.cache
def generate(spec: SecretSpec) -> str:
    """Return a value for a secret; generating an RSA key takes a tenth of a second."""
    return spec.make()


def secrets_of(of: Region) -> SecretStore:
    return SecretStore({spec.name: generate(spec) for spec in required_secrets(of)}, ())


def roles_of_service(name: str) -> tuple[str, ...]:
    """Return all roles that the service called `name` brings to its node."""
    return region_of(SERVICES[name]).service_with_region_settings(name).roles


def service_with(role: str) -> Service:
    """Return a service whose nodes get `role`; its own service where it has one."""
    found = [item for item in SERVICES.values() if role in roles_of_service(item.name)]
    own = [item for item in found if role in {one.name for one in item.own_roles}]
    return (own or found or list(SERVICES.values()))[0]


def node_with(role: str) -> NodeVariables:
    """Return the variables of a node that gets `role`."""
    is_backup = role in (BACKUP_ROLE, BACKUP_SPACE_ROLE)
    service = SERVICES[EXAMPLE] if is_backup else service_with(role)
    context = context_of(service, **(BACKUP if is_backup else {}))
    return variables_of_node(context, secrets_of(context.region))

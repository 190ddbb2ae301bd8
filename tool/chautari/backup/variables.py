"""Variables of the roles `backup` and `backup_space`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chautari.backup.scope import states_of_node, targets_of_node
from chautari.backup.space_letters import account_of_borrower, logins_of, offer_of
from chautari.region.field_types import size_in_mb

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chautari.region.backup import Target
    from chautari.region.model import Region
    from chautari.render.context import NodeContext
    from chautari.services.base import Variables

SETTINGS_FORMAT = 1


def backup_variables(context: NodeContext) -> Variables:
    """Return what the node stores, where and when."""
    region, node = context.region, context.node
    settings = region.backup
    if settings is None:
        return {}
    return {
        "backup_settings": {
            "format": SETTINGS_FORMAT,
            "region": region.region,
            "node": node,
            "states": [item.as_object() for item in states_of_node(region, node)],
            "targets": _targets(context),
            "keep": settings.keep.model_dump(),
            "limit_kib": settings.limit_kib,
            "drill_days": settings.drill_days,
        },
        "backup_known_hosts": _known_hosts(context),
        "backup_time": settings.time,
        "backup_region_timezone": region.timezone,
        "backup_mail_to": region.contact if region.mail else "",
    }


def _targets(context: NodeContext) -> list[Variables]:
    """Return the targets that the node can use: those of peers only once their letter arrived."""
    return [
        target
        for name in targets_of_node(context.region, context.node)
        if (target := _own_target(context, name) or _space_of_peer(context, name))
    ]


def _own_target(context: NodeContext, name: str) -> Variables | None:
    target = _targets_by_name(context.region).get(name)
    if target is None:
        return None
    place = f"{context.region.region}/{context.node}"
    found: Variables = {"name": name, "kind": target.kind, "append_only": False}
    if target.disk:
        return found | {"repository": f"{target.disk}/{place}", "mount": target.disk}
    # After the host, "/./" begins a path that is relative to the account's home.
    start = target.path if target.path.startswith("/") else f"/./{target.path}"
    return found | {"repository": f"ssh://{target.ssh}:{target.port}{start}/{place}"}


def _space_of_peer(context: NodeContext, peer: str) -> Variables | None:
    offer = offer_of(context.loaded_region, peer)
    if offer is None:
        return None
    return {
        "name": peer,
        "kind": "peer",
        "append_only": True,
        "repository": f"ssh://{offer.account}@{offer.host}:{offer.port}/./{context.node}",
    }


def _known_hosts(context: NodeContext) -> list[str]:
    """Return the lines of known_hosts for the machines that store the node's backups."""
    found = []
    targets = _targets_by_name(context.region)
    for name in targets_of_node(context.region, context.node):
        target, offer = targets.get(name), offer_of(context.loaded_region, name)
        if target and target.ssh and target.host_key:
            host = target.ssh.partition("@")[2]
            found.append(known_hosts_line(host, target.port, target.host_key))
        elif target is None and offer:
            found.append(known_hosts_line(offer.address, offer.port, offer.host_key))
    return found


def _targets_by_name(region: Region) -> Mapping[str, Target]:
    return region.backup.targets if region.backup else {}


def known_hosts_line(host: str, port: int, key: str) -> str:
    """Return a line of known_hosts."""
    return f"{host if port == 22 else f'[{host}]:{port}'} {key}"


def backup_space_variables(context: NodeContext) -> Variables:
    """Return the peers that the node gives space to, with the keys that they log in with."""
    settings = context.region.backup
    if settings is None:
        return {}
    return {
        "backup_space_peers": [
            {
                "name": peer,
                "account": account_of_borrower(peer),
                "quota_mb": size_in_mb(size),
                "logins": [
                    {"node": node, "key": key}
                    for node, key in sorted(logins_of(context.loaded_region, peer).items())
                ],
            }
            for peer, size in settings.give.items()
        ]
    }

"""Variables of the roles `backup` and `backup_space`."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from chautari.backup.scope import states_of_node, targets_of_node
from chautari.backup.space_letters import (
    account_of_borrower,
    login_keys_of_peer,
    space_offer_of_peer,
)
from chautari.region.field_types import size_in_mb
from chautari.services.base import Variables

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from chautari.backup.space_letters import SpaceOffer
    from chautari.region.backup import Target
    from chautari.region.model import Region
    from chautari.render.context import NodeContext

SETTINGS_FORMAT = 1


def backup_variables(context: NodeContext) -> Variables:
    """Return what the node stores, where and when."""
    region, node = context.region, context.node
    settings = region.backup
    if settings is None:
        return {}
    places = list(_usable_targets_of_node(context))
    return {
        "backup_settings": {
            "format": SETTINGS_FORMAT,
            "region": region.region,
            "node": node,
            "states": [item.as_object() for item in states_of_node(region, node)],
            "targets": [place.variables for place in places],
            "keep": settings.keep.model_dump(),
            "limit_kib": settings.limit_kib,
            "drill_days": settings.drill_days,
        },
        "backup_known_hosts": [place.known_host for place in places if place.known_host],
        "backup_time": settings.time,
        "backup_region_timezone": region.timezone,
        "backup_mail_to": region.contact if region.mail else "",
    }


class _TargetVariables(NamedTuple):
    """Where a node stores its backups: variables of the target, and its line of known_hosts."""

    variables: Variables
    known_host: str = ""


def _usable_targets_of_node(context: NodeContext) -> Iterator[_TargetVariables]:
    """Yield the targets that the node can use: those of peers only once their letter arrived.

    A machine counts once, the region's own targets first: a peer must not add its host key to the
    machine of another target.
    """
    own = _targets_by_name(context.region)
    names = targets_of_node(context.region, context.node)
    known = {(host_of_login(own[name].ssh), own[name].port) for name in names if name in own}
    for name in names:
        if name in own:
            yield _variables_of_own_target(context, name, own[name])
            continue
        offer = space_offer_of_peer(context.loaded_region, name)
        if offer and (offer.address, offer.port) not in known:
            known.add((offer.address, offer.port))
            yield _variables_of_target_at_peer(context, name, offer)


def host_of_login(login: str | None) -> str:
    """Return the host of ACCOUNT@HOST."""
    return (login or "").partition("@")[2]


def _variables_of_own_target(context: NodeContext, name: str, target: Target) -> _TargetVariables:
    folder = f"{context.region.region}/{context.node}"
    found: Variables = {"name": name, "kind": target.kind, "append_only": False}
    if target.disk:
        return _TargetVariables(
            found | {"repository": f"{target.disk}/{folder}", "mount": target.disk}
        )
    # After the host, "/./" begins a path that is relative to the account's home.
    start = target.path if target.path.startswith("/") else f"/./{target.path}"
    found["repository"] = f"ssh://{target.ssh}:{target.port}{start}/{folder}"
    host, key = host_of_login(target.ssh), target.host_key or ""
    return _TargetVariables(found, known_hosts_line(host, target.port, key))


def _variables_of_target_at_peer(
    context: NodeContext, peer: str, offer: SpaceOffer
) -> _TargetVariables:
    found = {
        "name": peer,
        "kind": "peer",
        "append_only": True,
        "repository": f"ssh://{offer.account}@{offer.host}:{offer.port}/./{context.node}",
    }
    return _TargetVariables(found, known_hosts_line(offer.address, offer.port, offer.host_key))


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
                    for node, key in sorted(login_keys_of_peer(context.loaded_region, peer).items())
                ],
            }
            for peer, size in settings.give.items()
        ]
    }

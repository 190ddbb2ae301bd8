"""What a restore does on which node, and the request that the node gets."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from chautari.backup.scope import StoredState, states_of_node
from chautari.backup.secrets import login_key_name, passphrase_name
from chautari.backup.variables import backup_variables
from chautari.errors import BadInput
from chautari.language import _
from chautari.node.backup.manifest import parse_states
from chautari.node.restore.journal import Journal
from chautari.node.restore.request import Request, RestoreCommands, Target
from chautari.render.context import NodeContext
from chautari.services.state import NODE_STATE_NAME

if TYPE_CHECKING:
    from chautari.region.load import LoadedRegion
    from chautari.region.model import Region
    from chautari.render.endpoints import Endpoints
    from chautari.secrets.store import SecretStore


@dataclass(frozen=True)
class RestoreOrder:
    """One node that gets data from one backup.

    Attributes:
        node: the machine that gets the data.
        backup_of: the node whose backup is read.
        states: what is restored.
        target: where the backup is read, with the lines of known_hosts that this needs.
        compare_hashes: whether every file is read from the disk again, as drills do.
    """

    node: str
    backup_of: str
    states: tuple[StoredState, ...]
    target: Target
    known_hosts: tuple[str, ...] = ()
    compare_hashes: bool = False

    @property
    def services(self) -> tuple[str, ...]:
        """Return the names of what is restored."""
        return tuple(state.name for state in self.states)

    def describe(self, at: int) -> str:
        """Return one line for people, before anything happens."""
        moment = time.strftime("of %Y-%m-%d %H:%M UTC or earlier", time.gmtime(at)) if at else ""
        source = (
            "" if self.backup_of == self.node else _(" of {backup_of}", backup_of=self.backup_of)
        )
        return _(
            "{node}: {services} from the newest backup{source} at {name} {moment}",
            node=self.node,
            services=", ".join(self.services),
            source=source,
            name=self.target.name,
            moment=moment,
        ).rstrip()


def plan_orders(
    context: NodeContextSource,
    nodes: Sequence[str],
    service: str = "",
    target: str = "",
    backup_of: str = "",
) -> list[RestoreOrder]:
    """Return what to restore on which node, before any machine is contacted.

    Raises:
        BadInput: when the region has no such backup.
    """
    region = context.loaded_region.region
    if region.backup is None or not region.backup.to:
        raise BadInput(
            _("{region} has no backups", region=region.region),
            fix=_("add backup: {to: […]} to region.yml; see docs/backups.md"),
        )
    if backup_of and len(nodes) != 1:
        raise BadInput(
            _("the backup of another node can only be restored on one node"),
            fix=_("write this node after --node"),
        )
    orders = []
    for node in nodes:
        states = states_to_restore(region, node, service)
        if not states and len(nodes) > 1:
            continue
        if not states:
            raise _nothing_to_restore_error(region, node, service)
        orders.append(_make_restore_order(context, node, backup_of or node, states, target))
    if not orders:
        raise _nothing_to_restore_error(region, nodes[0], service)
    return orders


@dataclass(frozen=True)
class NodeContextSource:
    """The region and its endpoints, from which the context of each node is made."""

    loaded_region: LoadedRegion
    endpoints: Endpoints


def states_to_restore(region: Region, node: str, service: str = "") -> tuple[StoredState, ...]:
    """Return what a restore brings back to a node.

    Certificates are left out unless `service` names them: a deployed node has its own.
    """
    known = states_of_node(region, node)
    if service:
        return tuple(state for state in known if state.name == service)
    return tuple(state for state in known if state.name != NODE_STATE_NAME)


def _nothing_to_restore_error(region: Region, node: str, service: str) -> BadInput:
    known = [state.name for state in states_of_node(region, node)]
    return BadInput(
        _(
            "{node} does not run {service}, so there is nothing to restore",
            node=node,
            service=service,
        )
        if service
        else _("{node} runs no service that keeps data, so there is nothing to restore", node=node),
        fix=_("choose one of: {known}", known=", ".join(known))
        if known
        else _("assign the service to this node in region.yml and deploy"),
    )


def _make_restore_order(
    context: NodeContextSource,
    node: str,
    backup_of: str,
    states: tuple[StoredState, ...],
    target: str,
) -> RestoreOrder:
    found = present_or_past_backup_variables(context, node, backup_of)
    known = found["backup_settings"]["targets"]
    usable = [item for item in known if item["kind"] != "disk" or node == backup_of]
    chosen = [item for item in usable if item["name"] == target] if target else usable
    if not chosen:
        raise _no_usable_target_error(
            backup_of, target, [item["name"] for item in known], bool(usable)
        )
    item = chosen[0]
    read = Target(item["name"], item["kind"], item["repository"], item.get("mount", ""))
    return RestoreOrder(node, backup_of, states, read, tuple(found["backup_known_hosts"]))


def _no_usable_target_error(
    backup_of: str, target: str, known: list[str], usable: bool
) -> BadInput:
    if target and target not in known:
        return BadInput(
            _("{target} stores no backups of {backup_of}", target=target, backup_of=backup_of),
            fix=_("choose one of: {known}", known=", ".join(known))
            if known
            else (
                _(
                    "add a target to backup.to in region.yml. If the target is a peer, its "
                    "letter must have arrived: deploy federation status"
                )
            ),
        )
    if not usable and known:
        return BadInput(
            _("the backups of {backup_of} are only on a disk of {backup_of}", backup_of=backup_of),
            fix=_(
                "connect the disk to the new machine, and restore there under the name "
                "{backup_of}; or back up to a peer or an SSH server as well",
                backup_of=backup_of,
            ),
        )
    return BadInput(
        _("no target has backups of {backup_of} that can be restored now", backup_of=backup_of),
        fix=_("if a peer stores them, read its letter first: see docs/backups.md"),
    )


def present_or_past_backup_variables(
    context: NodeContextSource, node: str, backup_of: str
) -> Mapping[str, Any]:
    """Return the variables of the role `backup` that `backup_of` has or had.

    The node may have no service any more, or may have been removed from the region: its backups
    still are where the region's settings say.
    """
    region = context.loaded_region.region
    services = region.nodes[node].services
    base = region.nodes.get(backup_of, region.nodes[node])
    running = base.model_copy(
        update={"services": tuple(dict.fromkeys([*base.services, *services]))}
    )
    copied = region.model_copy(update={"nodes": {**region.nodes, backup_of: running}})
    loaded = context.loaded_region._replace(region=copied)
    return backup_variables(NodeContext(loaded, context.endpoints, backup_of))


def request_of_order(
    order: RestoreOrder, region: str, at: int, about: Mapping[str, str], now: float
) -> Request:
    """Return the request that the node gets."""
    return Request(
        id=time.strftime("%Y%m%dt%H%M%S", time.gmtime(now)),
        region=region,
        node=order.backup_of,
        target=order.target,
        states=parse_states([state.as_object() for state in order.states]),
        at=at,
        commands={
            item.name: RestoreCommands(item.state.adapt, item.state.after_restore, item.state.units)
            for item in order.states
        },
        compare_hashes=order.compare_hashes,
        about=about,
    )


def repository_access_of_order(order: RestoreOrder, secrets: SecretStore) -> dict[str, str]:
    """Return what opens the repository.

    Raises:
        BadInput: when the secrets lack it.
    """
    names = {
        "passphrase": passphrase_name(order.backup_of),
        "login_key": login_key_name(order.backup_of),
    }
    missing = [name for name in names.values() if name not in secrets]
    if missing:
        raise BadInput(
            _(
                "the region's secrets lack {missing}, so these backups cannot be read",
                missing=", ".join(missing),
            ),
            fix=_("restore secrets.age from git, from the time when this node was backed up"),
        )
    known_hosts = "".join(f"{line}\n" for line in order.known_hosts)
    return {key: secrets[name] for key, name in names.items()} | {"known_hosts": known_hosts}


def initial_journal(request: Request) -> dict[str, Any]:
    """Return the journal with which the node begins."""
    return Journal(request, "choose").as_object()


def with_repository_address(
    order: RestoreOrder, repository: str, known_hosts: Sequence[str]
) -> RestoreOrder:
    """Return the order with another address of the same repository."""
    target = replace(order.target, repository=repository)
    return replace(order, target=target, known_hosts=tuple(known_hosts))

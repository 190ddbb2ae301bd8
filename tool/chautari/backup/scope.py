"""Which nodes of a region are backed up, what each one stores, and where."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from chautari.services.state import NODE_STATE, NODE_STATE_NAME, State

if TYPE_CHECKING:
    from chautari.region.model import Region


class StoredState(NamedTuple):
    """What a node stores of one service: files, and names of databases by their role."""

    name: str
    state: State
    databases: Mapping[str, tuple[str, ...]]

    @property
    def is_empty(self) -> bool:
        """Return whether the service has nothing to store."""
        return not (self.state.folders or self.state.files or any(self.databases.values()))

    def as_object(self) -> dict[str, object]:
        """Return it as the settings of the node contain it."""
        return {
            "name": self.name,
            "folders": [folder.as_object() for folder in self.state.folders],
            "files": list(self.state.files),
            "databases": {role: list(names) for role, names in self.databases.items() if names},
            "pause": list(self.state.pause),
            "resume": list(self.state.resume),
            "for_reading": list(self.state.for_reading),
        }


def states_of_node(region: Region, node: str) -> tuple[StoredState, ...]:
    """Return what a backup of `node` stores: of each service, and of the node itself."""
    found = [
        StoredState(service.name, service.state or State(), service.databases)
        for service in region.services_of(node)
    ]
    of_services = tuple(item for item in found if not item.is_empty)
    return (*of_services, StoredState(NODE_STATE_NAME, NODE_STATE, {})) if of_services else ()


def nodes_with_state(region: Region) -> tuple[str, ...]:
    """Return the nodes with a service that has something to store."""
    return tuple(node for node in region.nodes if states_of_node(region, node))


def targets_of_node(region: Region, node: str) -> tuple[str, ...]:
    """Return the names of the targets in which `node` stores its backups."""
    if region.backup is None or not states_of_node(region, node):
        return ()
    targets = region.backup.targets
    return tuple(
        name
        for name in region.backup.to
        if name not in targets or node in (targets[name].nodes or region.nodes)
    )


def nodes_with_backup(region: Region) -> tuple[str, ...]:
    """Return the nodes that are backed up."""
    return tuple(node for node in region.nodes if targets_of_node(region, node))


def node_that_stores_for_peers(region: Region) -> str | None:
    """Return the node that stores the backups of peers; None if the region gives no space."""
    if region.backup is None or not region.backup.give:
        return None
    return region.backup.give_on or next(iter(region.nodes))


def is_peer_target(region: Region, target: str) -> bool:
    """Return whether backups in `target` are stored by a peer."""
    return region.backup is not None and target not in region.backup.targets


def peers_that_store_backups(region: Region) -> tuple[str, ...]:
    """Return the peers in whose space the region stores backups."""
    names = region.backup.to if region.backup else ()
    return tuple(dict.fromkeys(name for name in names if is_peer_target(region, name)))

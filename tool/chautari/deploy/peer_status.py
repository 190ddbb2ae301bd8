"""Ask the region's nodes for the state of its peers, and combine the answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from chautari.deploy.request import DeployContext
from chautari.deploy.untrusted_files_from_nodes import (
    FilesFromNode,
    read_node_files,
    unreached_nodes,
)
from chautari.federation import letter_exchange, peer_management, peers, trust
from chautari.federation.letters import ReceivedLetter
from chautari.federation.peer_status import StateFileAnswer, peer_statuses_from_states_and_files
from chautari.federation.shared_resources import lends_to_or_borrows_from
from chautari.federation.trust import PeerState
from chautari.parallel import map_parallel
from chautari.region.load import LoadedRegion
from chautari.region.model import Region
from chautari.render.endpoints import Endpoints
from chautari.report.model import NodeReport, PeerStatus
from chautari.secrets.store import SecretStore
from chautari.services.base import Service
from chautari.ssh.target import SSHTarget, ssh_targets

# A deploy waits no longer for its peers: their state is less urgent than the deploy's end.
DEPLOY_SECONDS = 8.0


def refresh_peer_statuses(
    loaded_region: LoadedRegion,
    endpoints: Endpoints,
    identities: tuple[Path, ...],
    secrets: SecretStore | None = None,
) -> tuple[dict[str, PeerState], list[PeerStatus]]:
    """Fetch the descriptor of each pinned peer, and ask every node; store what is new.

    With the region's `secrets`, the letters that the descriptors name are fetched as well.

    Returns the state of each peer's descriptor, and the combined status of each peer.
    """
    region, now = loaded_region.region, time.time()
    names = peers.peer_names(loaded_region.folder)
    targets = ssh_targets(loaded_region, endpoints, tuple(region.nodes), identities)
    parts: tuple[Callable[[], Any], ...] = (
        lambda: peer_management.refresh_pinned_peers(loaded_region, names, endpoints, now),
        lambda: ask_nodes_for_state_files(region, targets),
    )
    states, files = map_parallel(lambda part: part(), parts)
    received = _fetch_received_letters(loaded_region, states, secrets, endpoints) if secrets else {}
    return states, peer_statuses_from_states_and_files(region, states, files, now, received)


def _fetch_received_letters(
    loaded_region: LoadedRegion,
    states: Mapping[str, PeerState],
    secrets: SecretStore,
    endpoints: Endpoints,
) -> dict[str, ReceivedLetter]:
    """Fetch the letters of peers, and return what they wrote, with why one is not new."""
    region = loaded_region.region
    refusals = letter_exchange.update_stored_letters_of_peers(
        loaded_region, states, secrets, endpoints
    )
    shared = {
        name: state.peer for name, state in states.items() if lends_to_or_borrows_from(region, name)
    }
    received = letter_exchange.received_letters(
        loaded_region.folder, region, shared, letter_exchange.load_own_key_pair(secrets), endpoints
    )
    for name, refusal in refusals.items():
        if refusal is None:
            found = received[name]
            received[name] = found._replace(problem=found.problem or ("letter_stored", {}))
        else:
            code = "letter_unreachable" if refusal.is_unreachable else "letter_refused"
            data = {"reason": refusal.message, "fix": refusal.fix}
            received[name] = received[name]._replace(problem=(code, data))
    return received


def peer_statuses_after_run(
    context: DeployContext, reports: Sequence[NodeReport]
) -> list[PeerStatus]:
    """Return the status of the region's peers, as far as the nodes of this command know.

    Nothing is stored. Where a peer does not answer at once, its pinned descriptor counts: the
    operator's link may be the reason.
    """
    loaded_region, now = context.loaded_region, time.time()
    region, pinned = loaded_region.region, loaded_region.peers
    if not pinned:
        return []
    unreached = unreached_nodes(reports)
    names = tuple(node.name for node in reports)
    targets = ssh_targets(
        loaded_region, context.endpoints, names, context.request.identities, context.known_hosts
    )

    def fetch_states() -> dict[str, PeerState]:
        found = peer_management.fetch_peer_states(
            pinned, region.domain, context.endpoints, now, DEPLOY_SECONDS
        )
        return {
            name: trust.peer_state_from_pin(pinned[name], region.domain, now)
            if state.code == "unreachable"
            else state
            for name, state in found.items()
        }

    parts: tuple[Callable[[], Any], ...] = (
        fetch_states,
        lambda: ask_nodes_for_state_files(region, targets, unreached),
    )
    states, files = map_parallel(lambda part: part(), parts)
    return peer_statuses_from_states_and_files(region, states, files, now, loaded_region.received)


def ask_nodes_for_state_files(
    region: Region, targets: Sequence[SSHTarget], unreached: Mapping[str, NodeReport] | None = None
) -> list[StateFileAnswer]:
    """Return what the services on each node report on the peers, with one question to each node.

    Args:
        unreached: nodes that are not asked, because they did not answer a moment ago.
    """

    def read(target: SSHTarget) -> list[StateFileAnswer]:
        services = [item for item in region.services_of(target.name) if item.federation]
        paths = {item.name: item.federation.state_file for item in services if item.federation}
        if not services:
            return []
        found = read_node_files(target, paths, unreached)
        return [_state_file_answer(target.name, item, found) for item in services]

    return [file for files in map_parallel(read, targets) for file in files]


def _state_file_answer(node: str, service: Service, found: FilesFromNode) -> StateFileAnswer:
    if detail := found.errors.get(service.name):
        return StateFileAnswer(node, service, problem=("file_unreadable", {"detail": detail}))
    return StateFileAnswer(node, service, found.contents.get(service.name), found.problem)

"""What a person asked for, and everything that was found out before the first connection."""

from __future__ import annotations

import getpass
import platform
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chautari.deploy.again import Memory
from chautari.deploy.manner import PATIENT, Manner
from chautari.errors import BadInput
from chautari.parallel import PARALLEL
from chautari.prepare.supervisor import marker
from chautari.region.load import Inventory
from chautari.render import inputs, variables
from chautari.render.endpoints import Endpoints
from chautari.render.inputs import RECEIPT_KEY, Inputs
from chautari.render.provider import start_endpoints
from chautari.render.variables import NodeContext, NodeVariables
from chautari.secrets.ensure import ensure
from chautari.secrets.store import SecretStore, default_identities

Listener = Callable[[str, dict[str, Any]], None]


@dataclass(frozen=True)
class Request:
    """One command: which region, which of its nodes, with which keys, how patient.

    Attributes:
        full: run every role, whatever its receipt says.
        checks: run the checks afterwards.
        canary: a node that goes first; the others follow only when it is well.
        parallel: how many nodes are worked on at once.
        run: a run to read; the newest one when it is empty.
        purge: delete the data of services that are taken off a node.
        even_if_busy: go on although people are meeting on a node.
        memory: what was computed when the same command was given before, and what nodes just said.
    """

    inventory: Inventory
    command: str
    nodes: tuple[str, ...] = ()
    identities: tuple[Path, ...] = ()
    manner: Manner = PATIENT
    full: bool = False
    checks: bool = True
    canary: str = ""
    parallel: int = PARALLEL
    run: str = ""
    purge: bool = False
    even_if_busy: bool = False
    memory: Memory | None = None

    def chosen(self) -> tuple[str, ...]:
        """Return the names of the nodes to work on.

        Raises:
            BadInput: when one of them is not in the region.
        """
        known = self.inventory.region.nodes
        for name in (*self.nodes, *filter(None, [self.canary])):
            if name not in known:
                raise BadInput(f"no node {name!r} in this region", fix=f"there are: {_list(known)}")
        names = self.nodes or tuple(known)
        return tuple(dict.fromkeys([*filter(None, [self.canary]), *names]))


@dataclass(frozen=True)
class Plan:
    """Everything that is known before the first connection."""

    request: Request
    endpoints: Endpoints
    secrets: SecretStore = field(repr=False)
    nodes: tuple[NodeVariables, ...] = field(repr=False)

    def inputs_of(self, node: NodeVariables) -> list[Inputs]:
        """Return what the roles of `node` are given, for comparing with its receipts."""
        return inputs.of_node(node, self.secrets[RECEIPT_KEY], marker())

    @property
    def inventory(self) -> Inventory:
        """Return the region's files."""
        return self.request.inventory


def plan(request: Request, tell: Callable[[str], None]) -> Plan:
    """Gather surroundings and secrets, and compute every node's variables.

    Raises:
        BadInput: when a node is not known, or a secret is missing or cannot be opened.
    """
    names = request.chosen()
    endpoints = start_endpoints(request.inventory, tell)
    secrets = open_secrets(request, endpoints)
    nodes = tuple(
        variables.of_node(NodeContext(request.inventory, endpoints, name), secrets)
        for name in names
    )
    return Plan(request, endpoints, secrets, nodes)


def open_secrets(request: Request, endpoints: Endpoints) -> SecretStore:
    """Return the region's secrets, complete; missing ones are generated and saved."""
    identities = list(request.identities)
    if endpoints.ssh_key is not None:
        identities.append(endpoints.ssh_key)
    extra = [key for keys in endpoints.operators.values() for key in keys]
    return ensure(request.inventory, identities or default_identities(), endpoints.secrets, extra)


def about(run: str, region: str, node: str) -> dict[str, Any]:
    """Return who started a run, from where; the node keeps it and tells the next operator."""
    return {
        "run": run,
        "region": region,
        "node": node,
        "operator": getpass.getuser(),
        "origin": platform.node(),
    }


def _list(names: Any) -> str:
    return ", ".join(names)

"""Asks every node what changed since its last deploy."""

from __future__ import annotations

from typing import Any

from chautari.deploy.converge import busy_refusal
from chautari.deploy.request import Request
from chautari.deploy.status import NO_PYTHON
from chautari.node import drift
from chautari.parallel import map_parallel
from chautari.render.provider import known_endpoints
from chautari.ssh.runner_client import ask
from chautari.ssh.target import SSHTarget, targets

NodeDrift = dict[str, Any]


def found_on_nodes(request: Request) -> list[NodeDrift]:
    """Return for each node: whether it answered, what changed by role, and since when."""
    endpoints = known_endpoints(request.inventory)
    reached = targets(request.inventory, endpoints, request.node_names(), request.identities)
    return map_parallel(_one, reached, request.parallel)


def _one(target: SSHTarget) -> NodeDrift:
    events, stream = ask(target, {"action": "drift"})
    found = next((event for event in events if event["event"] == "drift"), None)
    node: NodeDrift = {"node": target.name, "reachable": found is not None, "ok": False}
    if found is not None:
        told = {key: found[key] for key in ("roles", "deployed", "known", "busy")}
        return node | told | {"ok": not found["roles"]}
    if stream.code == NO_PYTHON:
        bare = {"roles": {}, "deployed": 0, "known": 0, "busy": None}
        return node | bare | {"reachable": True, "ok": True}
    return node | {"message": stream.stderr.splitlines()[-1] if stream.stderr else "no answer"}


def text_of(node: NodeDrift) -> str:
    """Return a node's drift in words."""
    if not node["reachable"]:
        return f"{node['node']}: cannot be reached: {node['message']}"
    text = drift.text(node).replace("\n", "\n  ")
    if node["busy"]:
        text += f"\n  ({busy_refusal(node['busy']).reason} The result may change.)"
    return f"{node['node']}: {text}"

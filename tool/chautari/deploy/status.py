"""Asks every node what runs there."""

from __future__ import annotations

import calendar
import time
from typing import Any

from chautari.deploy.request import Request
from chautari.parallel import map_parallel
from chautari.render.provider import known_endpoints
from chautari.ssh.runner_client import ask
from chautari.ssh.target import SSHTarget, targets

NO_PYTHON = 127  # the shell found no python3: a machine that was never prepared


def node_states(request: Request) -> list[dict[str, Any]]:
    """Return for each node: reachable, who is at work, the last run and how it ended."""
    endpoints = known_endpoints(request.inventory)
    reached = targets(request.inventory, endpoints, request.node_names(), request.identities)
    return map_parallel(_state, reached)


def _state(target: SSHTarget) -> dict[str, Any]:
    events, stream = ask(target, {"action": "status"})
    if stream.code == NO_PYTHON:
        return {"node": target.name, "reachable": True, "busy": None, "run": None}
    if not events:
        message = stream.stderr.splitlines()[-1] if stream.stderr else "no answer"
        return {"node": target.name, "reachable": False, "message": message}
    found = events[-1]
    run = found["run"]
    started = calendar.timegm(time.strptime(run[:15], "%Y%m%dT%H%M%S")) if run else None
    return {
        "node": target.name,
        "reachable": True,
        "busy": found["busy"],
        "run": run,
        "runs": found.get("runs", []),
        "started": started,
        "finished": found.get("finished"),
    }

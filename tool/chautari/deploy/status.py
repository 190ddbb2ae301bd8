"""Ask every node what runs there."""

from __future__ import annotations

import calendar
import time
from typing import Any

from chautari.deploy.request import Request
from chautari.node.events import StatusAnswer
from chautari.parallel import map_parallel
from chautari.render.provider import known_endpoints
from chautari.ssh.runner_client import call_runner
from chautari.ssh.target import SSHTarget, targets

NO_PYTHON = 127  # the shell found no python3: a machine that was never prepared


def node_states(request: Request) -> list[dict[str, Any]]:
    """Return for each node: reachable, who is at work, the last run and how it ended."""
    endpoints = known_endpoints(request.inventory)
    reached = targets(request.inventory, endpoints, request.node_names(), request.identities)
    return map_parallel(_state, reached)


def _state(target: SSHTarget) -> dict[str, Any]:
    reply = call_runner(target, {"action": "status"}, StatusAnswer)
    if reply.answer is None and reply.code == NO_PYTHON:
        return {"node": target.name, "reachable": True, "busy": None, "run": None}
    if reply.answer is None:
        message = reply.last_error or "no answer"
        return {"node": target.name, "reachable": False, "message": message}
    run = reply.answer["run"]
    return {
        "node": target.name,
        "reachable": True,
        "busy": reply.answer["busy"],
        "run": run,
        "runs": reply.answer["runs"],
        "started": _start_of(run) if run else None,
        "finished": reply.answer.get("finished"),
    }


def _start_of(run: str) -> int | None:
    """Return when a run was started, in seconds since the epoch; its id holds the time."""
    try:
        return calendar.timegm(time.strptime(run[:15], "%Y%m%dT%H%M%S"))
    except ValueError:
        return None

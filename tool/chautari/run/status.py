"""Asks every node what runs there."""

from __future__ import annotations

import calendar
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from chautari.region.load import Inventory
from chautari.run.converge import ask
from chautari.run.surroundings import known_surroundings
from chautari.run.target import Target, targets


def node_states(inventory: Inventory) -> list[dict[str, Any]]:
    """Return for each node: reachable, who is at work, the last run and how it ended."""
    internet = known_surroundings(inventory)
    reached = targets(inventory, internet, tuple(inventory.region.nodes))
    with ThreadPoolExecutor(16) as pool:
        return list(pool.map(_state, reached))


def _state(target: Target) -> dict[str, Any]:
    events, stream = ask(target, {"action": "status"})
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
        "started": started,
        "finished": found.get("finished"),
    }

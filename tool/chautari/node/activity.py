"""A short answer for whoever waits: who is at work on the node, and at which role."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from chautari.node import journal, lock


def doing(state: Path) -> dict[str, Any]:
    """Return who is at work, with the role that the run is at as far as its journal tells."""
    busy = lock.holder()
    if busy is not None and busy.get("run"):
        file = state / "runs" / str(busy["run"]) / "events.jsonl"
        begun = [line for line in journal.lines(file) if b'"role_started"' in line]
        busy["role"] = journal.read(begun[-1]).get("role", "") if begun else ""
    return {"event": "doing", "busy": busy}

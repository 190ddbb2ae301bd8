"""Report whose run holds the node's lock, and at which role it is."""

from __future__ import annotations

from pathlib import Path

from chautari.node import lock, run_journal
from chautari.node.events import RunActivityAnswer


def run_activity_answer(state: Path) -> RunActivityAnswer:
    """Return whose run holds the lock; `role` is the last one that its journal names."""
    busy = lock.lock_holder()
    if busy is not None and busy.get("run"):
        file = state / "runs" / str(busy["run"]) / "events.jsonl"
        started = [line for line in run_journal.read_lines_from(file) if b'"role_started"' in line]
        busy["role"] = run_journal.parse_event(started[-1]).get("role", "") if started else ""
    return {"event": "activity", "busy": busy}

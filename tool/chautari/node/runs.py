"""The runs that are kept on a node: which there are, the newest one, how the last one ended."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

from chautari.node import journal, lock

KEPT = 20  # of those that converge, and as many of all others
RUN_ID = re.compile(r"[0-9]{8}T[0-9]{6}-[a-z0-9]{6}")
# What the next operator is told of a run; whoever gives the same command again joins by it.
PUBLIC_INTERNET = (
    "run", "operator", "origin", "region", "node", "sha256", "mode", "full", "checks", "purge",
    "even_if_busy",
)  # fmt: skip
# What a run does: bring the node to its state, or only say what it would change. Another one only
# checks it.
CONVERGES = "converge"
PLANS = "plan"
# The first event of a run that found somebody else at work; it is the only one, too.
_REFUSED = b'{"event": "busy"'


def ids(state: Path) -> list[str]:
    """Return the ids of the runs that are kept on this node, the oldest first."""
    return sorted(path.name for path in (state / "runs").glob("*") if RUN_ID.fullmatch(path.name))


def newest(state: Path, converging: bool = False) -> str | None:
    """Return the newest run on this node that began, or None; `converging` leaves out checks."""
    for run in reversed(ids(state)):
        place = state / "runs" / run
        if _converges(place) if converging else not _was_refused(place):
            return run
    return None


def forget_old(state: Path, but: str) -> None:
    """Delete the oldest runs; mere checks never push out what tells of the last deploy.

    The run `but` has just ended, and is read: it stays, also where a clock that was set back makes
    it look like the oldest.
    """
    places = [state / "runs" / run for run in ids(state)]
    converging = [place for place in places if _converges(place)]
    others = [place for place in places if place not in converging]
    for old in converging[:-KEPT] + others[:-KEPT]:
        if old.name != but:
            shutil.rmtree(old, ignore_errors=True)


def status(state: Path) -> dict[str, Any]:
    """Return what is at work now and how the last run that was to change something ended."""
    run = newest(state, converging=True)
    found = {"event": "status", "busy": lock.holder(), "run": run, "runs": ids(state)}
    if run:
        place = state / "runs" / run
        lines = journal.lines(place / "events.jsonl")
        ends = [journal.read(line) for line in lines if b'"run_finished"' in line]
        found |= {"about": about(place)}
        ends = [event for event in ends if event["event"] == "run_finished"]
        found |= {"finished": ends[-1] if ends else None}
    return found


def about(place: Path) -> dict[str, Any]:
    """Return what others are told of the run in the folder `place`."""
    try:
        return public(json.loads((place / "about.json").read_text()))
    except (OSError, ValueError):
        return public({})


def public(told: dict[str, Any]) -> dict[str, Any]:
    """Return what others are told of a run, of all that it was told itself."""
    return {key: told.get(key, "") for key in PUBLIC_INTERNET}


def _converges(place: Path) -> bool:
    return about(place)["mode"] in (CONVERGES, "") and not _was_refused(place)


def _was_refused(place: Path) -> bool:
    """Return whether the run never began, since somebody else was at work by then."""
    with contextlib.suppress(OSError), (place / "events.jsonl").open("rb") as stream:
        return stream.readline().startswith(_REFUSED)
    return False

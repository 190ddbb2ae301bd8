"""List the runs that are kept on a node, find the newest, and report how the last deploy ended."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeGuard, cast

from chautari.node import lock, old_formats, run_journal
from chautari.node.events import LockHolder, Mode, RunFinished, StatusAnswer

KEPT_RUNS = 20  # deploys, and as many verifications and plans
MAX_KEYS = 20  # in one answer
MAX_KEY_TEXT = 200
RUN_ID = re.compile(r"[0-9]{8}T[0-9]{6}-[a-z0-9]{6}")
# The parts of a run's request that other operators see. A repeated command recognises its
# own run by them.
PUBLIC_KEYS = (
    "run", "operator", "origin", "region", "node", "sha256", "mode", "full", "checks", "purge",
    "interrupt_meetings",
)  # fmt: skip
DEPLOY: Mode = "deploy"
PLAN: Mode = "plan"
DOWNLOAD: Mode = "download"
# The only event of a run that found the lock held by another one.
_REFUSED = b'{"event": "busy"'


def run_ids(state: Path) -> list[str]:
    """Return the ids of the runs that are kept on this node, the oldest first."""
    return sorted(path.name for path in (state / "runs").glob("*") if RUN_ID.fullmatch(path.name))


def newest_run(state: Path, deploys_only: bool = False) -> str | None:
    """Return the newest run on this node that began, or None."""
    for run in reversed(run_ids(state)):
        place = state / "runs" / run
        if _is_unrefused_deploy(place) if deploys_only else not _was_refused(place):
            return run
    return None


def prune_runs(state: Path, keep: str) -> None:
    """Delete the oldest runs; deploys are counted separately from verifications and plans.

    The run `keep` has just ended and is being read: it stays, also where a clock that was set back
    makes it look like the oldest.
    """
    places = [state / "runs" / run for run in run_ids(state)]
    deploys = [place for place in places if _is_unrefused_deploy(place)]
    others = [place for place in places if place not in deploys]
    for old in deploys[:-KEPT_RUNS] + others[:-KEPT_RUNS]:
        if old.name != keep:
            shutil.rmtree(old, ignore_errors=True)


def status_answer(state: Path) -> StatusAnswer:
    """Return the answer to `status`: whose run holds the lock, how the newest deploy ended."""
    run = newest_run(state, deploys_only=True)
    answer: StatusAnswer = {
        "event": "status", "busy": lock.lock_holder(), "run": run, "runs": run_ids(state),
    }  # fmt: skip
    if others := _other_keys(state):
        answer["other_keys"] = others
    if run:
        place = state / "runs" / run
        lines = run_journal.read_lines_from(place / "events.jsonl")
        ends = [run_journal.parse_event(line) for line in lines if b'"run_finished"' in line]
        answer["about"] = read_public_request(place)
        answer["finished"] = next((e for e in reversed(ends) if _is_run_finished_event(e)), None)
    return answer


def _other_keys(state: Path) -> list[str]:
    """Return the keys that the role ssh found although no operator has them."""
    try:
        found = json.loads((state / "login-keys.json").read_text())["others"]
        return [str(text)[:MAX_KEY_TEXT] for text in found[:MAX_KEYS]]
    except (OSError, ValueError, LookupError, TypeError):
        return []


def _is_run_finished_event(event: Mapping[str, Any]) -> TypeGuard[RunFinished]:
    return bool(event["event"] == "run_finished")


def read_public_request(run_folder: Path) -> LockHolder:
    """Return the public part of the request of the run in the folder `run_folder`."""
    try:
        return public_request_fields(
            old_formats.upgrade_request(json.loads((run_folder / "about.json").read_text()))
        )
    except (OSError, ValueError):
        return public_request_fields({})


def public_request_fields(request: Mapping[str, object]) -> LockHolder:
    """Return the part of a run's request that other operators see."""
    return cast("LockHolder", {key: request.get(key, "") for key in PUBLIC_KEYS})


def _is_unrefused_deploy(run_folder: Path) -> bool:
    return read_public_request(run_folder)["mode"] in (DEPLOY, "") and not _was_refused(run_folder)


def _was_refused(run_folder: Path) -> bool:
    """Return whether the run did not begin, because another one held the lock."""
    with contextlib.suppress(OSError), (run_folder / "events.jsonl").open("rb") as stream:
        return stream.readline().startswith(_REFUSED)
    return False

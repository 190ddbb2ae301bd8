"""Remember how backups ended, in a file that every account may read."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FORMAT = 1
HOME = Path("/var/lib/chautari/backup")
# The unit whose runs this file is about.
UNIT = "chautari-backup.service"
STATE = HOME / "state.json"
# The web server publishes it, so it is outside of the closed folder.
PROOF = Path("/var/lib/chautari-backup/proof.json")


def read_state(path: Path = STATE) -> dict[str, Any]:
    """Return what is remembered; nothing if the file is missing, damaged or of another version."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        found = None
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        found = {}
    targets = found.get("targets")
    found["targets"] = targets if isinstance(targets, dict) else {}
    return {"drill": None, "running": None} | found | {"format": FORMAT}


def target_state(state: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return what is remembered of a target, with every key."""
    known = state["targets"].get(name)
    return {
        "last_success": None, "last_attempt": None, "archive": None, "error": None,
        "bytes_stored": None, "bytes_sent": None, "seconds": None, "paused_seconds": None,
        "last_check": None, "check_ok": None, "repository_id": None, "quota_bytes": None,
        "quota_used": None,
        "left_out": [],
    } | (known if isinstance(known, dict) else {})  # fmt: skip


def update_target(name: str, path: Path = STATE, **values: object) -> None:
    """Change what is remembered of one target."""
    state = read_state(path)
    state["targets"][name] = target_state(state, name) | values
    write_atomically(path, state)


def update_state(path: Path = STATE, **values: object) -> None:
    """Change what is remembered of the node."""
    write_atomically(path, read_state(path) | values)


def record_drill(drill: Mapping[str, Any], path: Path = STATE, proof: Path = PROOF) -> None:
    """Remember how a test of a restore ended; the date of a good one is published."""
    update_state(path, drill=dict(drill))
    if drill["ok"]:
        write_atomically(proof, {"restored": int(drill["time"])})


def forget_other_targets(names: list[str], path: Path = STATE) -> None:
    """Delete what is remembered of targets that the region no longer has."""
    state = read_state(path)
    if set(state["targets"]) - set(names):
        known = state["targets"]
        state["targets"] = {name: known[name] for name in names if name in known}
        write_atomically(path, state)


def forget_errors(code: str, path: Path = STATE) -> bool:
    """Forget this reason why backups failed, because it no longer exists.

    Return whether it was the reason for any target.
    """
    state = read_state(path)
    names = [
        name
        for name in state["targets"]
        if (target_state(state, name)["error"] or {}).get("code") == code
    ]
    if names:
        for name in names:
            state["targets"][name] |= {"error": None}
        write_atomically(path, state)
    return bool(names)


def write_atomically(path: Path, content: object, mode: int = 0o644) -> None:
    """Write a file that readers see either whole or not at all, also after a power cut."""
    temporary = path.with_name(f".{path.name}.new")
    with temporary.open("w") as file:
        json.dump(content, file, indent=1, sort_keys=True)
        file.flush()
        os.fsync(file.fileno())
    temporary.chmod(mode)
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)

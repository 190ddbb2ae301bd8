"""Whether a sandbox's containers run, told without asking podman.

Asking takes longer than a whole deploy that finds nothing to do. What podman said once is kept with
each container's first process: as long as that very process lives, its container runs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from chautari_sandbox import paths

Members = dict[str, str]  # addresses by name
_PROC = Path("/proc")


def remember(sandbox: str, members: Members, pids: Mapping[str, int]) -> None:
    """Keep what runs now; `pids` are the first processes of the containers."""
    lives = {name: [address, pids[name], _started(pids[name])] for name, address in members.items()}
    if all(life[2] for life in lives.values()):
        paths.write(_file(sandbox), json.dumps({"boot": _boot(), "lives": lives}))


def forget(sandbox: str) -> None:
    """Know nothing of what runs, because it is about to change."""
    _file(sandbox).unlink(missing_ok=True)


def members(sandbox: str) -> Members | None:
    """Return the containers when all that were remembered run still; None when podman must say."""
    try:
        known = json.loads(_file(sandbox).read_text())
        lives = [(name, *life) for name, life in known["lives"].items()]
        same = known["boot"] == _boot() and all(_started(pid) == t for _, _, pid, t in lives)
        return {name: address for name, address, _, _ in lives} if same and lives else None
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def _file(sandbox: str) -> Path:
    return paths.state_dir(sandbox) / "alive.json"


def _boot() -> str:
    return (_PROC / "sys" / "kernel" / "random" / "boot_id").read_text().strip()


def _started(pid: int) -> str:
    """Return when a process started, in ticks since the machine did; empty when there is none."""
    try:
        text = (_PROC / str(int(pid)) / "stat").read_text()
    except OSError:
        return ""
    # A program's name stands in brackets and may hold anything, also brackets.
    state, *rest = text.rpartition(")")[2].split()
    return "" if state in "ZX" else rest[18]

"""One look at a node: is it fit, is somebody at work, and which roles would have to run."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from chautari.node import fingerprint, receipts
from chautari.node.receipts import Inputs

MOUNTS = ("/", "/var", "/opt")
MARKER = Path("/opt/chautari/venv/chautari-lock")
ADDRESSES6 = Path("/proc/net/if_inet6")
EVERYWHERE = "00"  # scope of an address that is good beyond the machine and its link


def survey(state: Path, roles: list[Inputs], busy: dict[str, Any] | None) -> dict[str, Any]:
    """Return the event that tells everything a deploy wants to know before it does anything.

    While somebody is at work nothing is looked up: it would be another thing a moment later.
    """
    found: dict[str, Any] = {"event": "survey", "facts": facts(roles), "busy": busy}
    if busy is None:
        reasons = receipts.stale(state, roles)
        names = [inputs["role"] for inputs in roles if inputs["role"] not in reasons]
        kept = [receipt for name in names if (receipt := receipts.load(state, name)) is not None]
        found["reasons"] = reasons
        found["unwanted"] = receipts.unwanted(state, [inputs["role"] for inputs in roles])
        found["kept"] = [{"role": r.role, "run": r.run, "notices": r.notices} for r in kept]
    return found


def facts(roles: list[Inputs]) -> list[str]:
    """Return the machine's facts, in the lines that the preflight's own script prints.

    That script asks a bare machine without Python; here the same is had without a process. What
    listens is left out: a role that found its port free holds it now.
    """
    machine = fingerprint.machine()
    lines = [
        f"os={machine.get('id', 'unknown')}-{machine.get('version_id', 'unknown')}",
        f"machine={machine['machine']}",
        f"uid={os.geteuid()}",
        f"now={int(time.time())}",
        f"init={_text(Path('/proc/1/comm'))}",
        f"cores={os.cpu_count() or 0}",
        f"memory_kb={machine['memory_mb'] * 1024}",
        f"venv={_text(MARKER)}",
    ]
    markers = {inputs["role"]: inputs.get("installed") for inputs in roles}
    lines += [
        f"deployed={role}" for role, file in markers.items() if file and os.path.lexists(file)
    ]
    entries = map(str.split, _text(ADDRESSES6).splitlines())
    lines += [f"address6={entry[0]}" for entry in entries if entry[3:4] == [EVERYWHERE]]
    for mount in MOUNTS:
        there = os.statvfs(mount)
        lines.append(f"free_kb:{mount}={there.f_bavail * there.f_frsize // 1024}")
        lines.append(f"free_inodes:{mount}={there.f_favail}")
    return lines


def _text(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError:
        return ""

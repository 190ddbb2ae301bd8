"""Answer a survey: facts of the machine, who holds the lock, and which roles have to run."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from chautari.node import current_resources, receipts
from chautari.node.receipts import RoleInputs

if TYPE_CHECKING:
    from chautari.node.events import LockHolder, SurveyAnswer

MOUNTS = ("/", "/var", "/opt")
MARKER = Path("/opt/chautari/venv/chautari-lock")
ADDRESSES6 = Path("/proc/net/if_inet6")
GLOBAL_SCOPE = "00"  # of an address that is valid beyond the machine and its link


def survey_node(state: Path, roles: list[RoleInputs], busy: LockHolder | None) -> SurveyAnswer:
    """Return all that a deploy has to know before it begins.

    While another run holds the lock, receipts are not compared: they change every moment.
    """
    answer: SurveyAnswer = {"event": "survey", "facts": machine_fact_lines(roles), "busy": busy}
    if busy is None:
        reasons = receipts.roles_to_run(state, roles)
        answer["reasons"] = reasons
        answer["obsolete_roles"] = receipts.obsolete_roles(state, [i["role"] for i in roles])
        answer["up_to_date"] = receipts.up_to_date_roles(state, roles, reasons)
    return answer


def machine_fact_lines(roles: list[RoleInputs]) -> list[str]:
    """Return the machine's facts, in the lines that the preflight's own script prints.

    That script reads a machine without Python; this function needs no process. Ports in use are
    left out: a role that found its port free uses it now.
    """
    machine = current_resources.machine_facts()
    lines = [
        f"os={machine.get('id', 'unknown')}-{machine.get('version_id', 'unknown')}",
        f"machine={machine['machine']}",
        f"uid={os.geteuid()}",
        f"now={int(time.time())}",
        f"init={_read_text_or_empty(Path('/proc/1/comm'))}",
        f"cores={os.cpu_count() or 0}",
        f"memory_kb={machine['memory_mb'] * 1024}",
        f"venv={_read_text_or_empty(MARKER)}",
    ]
    markers = {inputs["role"]: inputs.get("installed") for inputs in roles}
    lines += [
        f"deployed={role}" for role, file in markers.items() if file and os.path.lexists(file)
    ]
    # Where a release has a folder of its own, this is its name.
    lines += [
        f"release={role} {Path(file).readlink().name}"
        for role, file in markers.items()
        if file and Path(file).is_symlink()
    ]
    entries = map(str.split, _read_text_or_empty(ADDRESSES6).splitlines())
    lines += [f"address6={entry[0]}" for entry in entries if entry[3:4] == [GLOBAL_SCOPE]]
    for mount in MOUNTS:
        there = os.statvfs(mount)
        lines.append(f"free_kb:{mount}={there.f_bavail * there.f_frsize // 1024}")
        lines.append(f"free_inodes:{mount}={there.f_favail}")
    return lines


def _read_text_or_empty(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError:
        return ""

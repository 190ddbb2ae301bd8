"""Find the lines of the machine's journal that explain why a task failed."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Mapping
from typing import Any

MAX_LINES = 20
MAX_READ = 400  # lines; those of other programs and of our own unit are left out
# Modules whose argument `name` is a unit.
_UNIT_MODULES = ("service", "systemd", "systemd_service", "sysvinit")
# What systemd calls a unit in a message, such as `Job for nginx.service failed`.
_UNIT = re.compile(r"[\w@:.\\-]+\.(?:service|socket|timer|mount|path|target)\b")
_OWN_UNIT = "chautari-run-"


def units_of_failure(module: str, arguments: Mapping[str, Any], message: str) -> list[str]:
    """Return the units that a failed task is about: its own, and those that the message names."""
    found = _UNIT.findall(message)
    name = arguments.get("name")
    if module.rpartition(".")[2] in _UNIT_MODULES and isinstance(name, str) and name:
        found.insert(0, name if _UNIT.fullmatch(name) else f"{name}.service")
    return [unit for unit in dict.fromkeys(found) if not unit.startswith(_OWN_UNIT)]


def read_failure_journal(since: float, units: Iterable[str]) -> list[str]:
    """Return the last lines of these units; without any, the machine's warnings.

    What systemd reports of the unit in which a run works explains no failure of a task.
    """
    wanted = [f"--unit={unit}" for unit in units]
    lines = _read_journal(since, wanted) if wanted else []
    if not lines:
        lines = _read_journal(since, ["--priority=warning"])
    return lines[-MAX_LINES:]


def _read_journal(since: float, filters: list[str]) -> list[str]:
    argv = ["journalctl", "--no-pager", "-q", "-o", "short-iso", "-n", str(MAX_READ),
            "--since", f"@{int(since)}", *filters]  # fmt: skip
    done = subprocess.run(argv, capture_output=True, text=True, errors="replace", check=False)
    return [line for line in done.stdout.splitlines() if _OWN_UNIT not in line]

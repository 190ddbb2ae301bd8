"""How much systemd limits what a service can do, as checks on the node measure it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

# Exposure as `systemd-analyze security` computes it, from 0 (shut in) to 10 (open).
OWN_UNIT_LIMIT = 3.0
PACKAGE_UNIT_LIMIT = 6.0
UNITS_FOLDER = "/etc/systemd/system"
_EXPOSURE = re.compile(r"Overall exposure level for \S+: ([0-9]+(?:\.[0-9]+)?)")


def exposure(host: Any, unit: str) -> float:
    """Return the exposure of a unit, with its drop-ins.

    Raises:
        AssertionError: when the program is missing or does not know the unit.
    """
    result = host.run("env LC_ALL=C.UTF-8 systemd-analyze security --no-pager %s", unit)
    assert result.rc != 127, "systemd-analyze is missing, so the sandbox was not measured"
    found = _EXPOSURE.search(result.stdout)
    assert found, f"{unit} could not be measured: {(result.stderr or result.stdout).strip()}"
    return float(found[1])


def assert_exposure(host: Any, units: Sequence[str], limit: float = OWN_UNIT_LIMIT) -> None:
    """Fail if systemd would let one of the units do more than `limit` allows."""
    measured = {unit: exposure(host, unit) for unit in units}
    open_units = [f"{unit}: {value}" for unit, value in measured.items() if value > limit]
    assert not open_units, f"exposure above {limit}: {', '.join(open_units)}"


def units_in_use(host: Any, units: Sequence[str]) -> list[str]:
    """Return those of a role's own units that the region asks for: their files exist.

    Raises:
        AssertionError: when there is none, so that a check cannot pass by measuring nothing.
    """
    found = [unit for unit in units if host.file(f"{UNITS_FOLDER}/{unit}").exists]
    assert found, f"none of these units is in {UNITS_FOLDER}: {', '.join(units)}"
    return found


def assert_running_in_sandbox(host: Any, unit: str) -> None:
    """Fail if the main process of a service runs without the limits of its unit."""
    shown = host.run("systemctl show --property=MainPID --value %s", unit)
    process = shown.stdout.strip()
    assert process not in ("", "0"), f"{unit} is not running"
    status = host.file(f"/proc/{process}/status").content_string
    limits = dict(re.findall(r"^(NoNewPrivs|Seccomp):\s*(\d)$", status, re.MULTILINE))
    assert limits == {"NoNewPrivs": "1", "Seccomp": "2"}, (
        f"{unit} was started before its limits were set, so restart it (now: {limits})"
    )

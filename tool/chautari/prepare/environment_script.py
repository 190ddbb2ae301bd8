"""The script that creates the environment in which Ansible and the checks run on a node."""

from __future__ import annotations

import shlex
from pathlib import Path

ROOT = "/opt/chautari"
WHEELS = "/usr/share/python-wheels"  # of the package python3-pip-whl
TURN_SECONDS = 900
SWITCH_SECONDS = 10
TRY_SECONDS = 3600
BUSY = 75  # sysexits(3): try again later
RUN_LOCK = "/var/lib/chautari/lock"  # node/lock.py: a run holds it while it works


def install_script(marker: str, python: str, operator: str) -> str:
    """Return the script for the environment of `marker`, the digest of its requirements.

    `operator` is shown to an operator who waits for this preparation in vain.
    """
    parameters = {
        "MARKER": marker,
        "PYTHON": python,
        "OPERATOR": operator,
        "ROOT": ROOT,
        "WHEELS": WHEELS,
        "RUN_LOCK": RUN_LOCK,
        "TURN_SECONDS": str(TURN_SECONDS),
        "SWITCH_SECONDS": str(SWITCH_SECONDS),
        "TRY_SECONDS": str(TRY_SECONDS),
        "BUSY": str(BUSY),
    }
    values = "".join(f"{name}={shlex.quote(value)}\n" for name, value in parameters.items())
    return values + Path(__file__).with_name("environment.sh").read_text()

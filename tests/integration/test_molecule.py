"""Scenarios of molecule: plain Ansible over SSH, a second run, and the same checks.

The other tests deploy every role already, so only `make soak` runs all scenarios.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

COLOURS = re.compile(r"\x1b\[[0-9;]*m")
ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.containers
@pytest.mark.parametrize("scenario", ["base"])
def test_scenario_converges_is_idempotent_and_passes_its_checks(scenario: str) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["env", f"PATH={path}", "molecule", "test", "-s", scenario],
        cwd=ROOT, capture_output=True, text=True, timeout=1500,
    )  # fmt: skip
    output = COLOURS.sub("", done.stdout + done.stderr)
    assert done.returncode == 0, output[-6000:]
    for step in ("converge", "idempotence", "verify"):
        assert f"{scenario} ➜ {step}: Executed: Successful" in output, output[-3000:]

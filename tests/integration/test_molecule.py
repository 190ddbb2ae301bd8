"""molecule's scenarios: plain Ansible over SSH, a real second run, and the same checks.

The other scenarios are left to `make soak`: the other tests deploy every role already.
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
@pytest.mark.one_node
@pytest.mark.parametrize("scenario", ["base"])
def test_scenario_converges_changes_nothing_twice_and_passes_its_checks(scenario: str) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["env", f"PATH={path}", "molecule", "test", "-s", scenario],
        cwd=ROOT, capture_output=True, text=True, timeout=1500,
    )  # fmt: skip
    said = COLOURS.sub("", done.stdout + done.stderr)
    assert done.returncode == 0, said[-6000:]
    for step in ("converge", "idempotence", "verify"):
        assert f"{scenario} ➜ {step}: Executed: Successful" in said, said[-3000:]

"""Regions and reports for the tests of commands."""

import tempfile
from pathlib import Path
from typing import Any

import pytest
from region_samples import region_file

from chautari.report.model import CheckResult, NodeReport, RegionReport


@pytest.fixture(autouse=True)
def inventories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "inventories"
    region_file(folder)
    monkeypatch.setenv("CHAUTARI_INVENTORIES", str(folder))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return folder


def report(outcome: Any = "passed", state: Any = "converged") -> RegionReport:
    node = NodeReport("bog1", "203.0.113.10", state, changed=2)
    check = CheckResult("bog1", "base", "test_x", outcome)
    return RegionReport("andes", "andes.example.org", "", "deploy", nodes=[node], checks=[check])

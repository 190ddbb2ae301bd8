"""Hostile files and nodes: no crash, nothing run, nothing raw on the terminal, others unharmed.

By default a sample of the cases; CHAUTARI_HOSTILE=all tries 300 files and 60 nodes.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import hostile_files
import pytest
from region_samples import ROOT

ALL = os.environ.get("CHAUTARI_HOSTILE") == "all"
MAX_MB = 150
# Everything that a terminal obeys, or that turns the reading direction; not tabs and line ends.
RAW = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
Outcome = dict[str, Any]


def outcomes(folder: Path, kind: str, first: int, count: int) -> list[Outcome]:
    runner = Path(__file__).with_name("hostile_runner.py")
    done = subprocess.run(
        [sys.executable, runner, folder, kind, str(first), str(count)],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT / 'tool'}:{runner.parent}"},
        stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    assert not (folder / "canary").exists(), "something of the input was run"
    return [json.loads(line) for line in done.stdout.splitlines()]


def problems(case: Outcome) -> list[str]:
    """Return what is wrong with the outcome of a case."""
    found = [f"exit codes {case['codes']}"] if not set(case["codes"]) <= {0, 1, 2} else []
    if case["status"] or not case["codes"]:
        last = case["stderr"].strip().splitlines()[-1:]
        found.append(f"ended with status {case['status']} after {case['seconds']} s: {last}")
    if case["mb"] >= MAX_MB or (case["codes"] and not case["mb"]):
        found.append(f"{case['mb']} MB")
    texts = {"stdout": case["stdout"], "stderr": case["stderr"], **case["written"]}
    found += [f"raw characters in {name}" for name, text in texts.items() if RAW.search(text)]
    return found


def is_well(case: Outcome, name: str) -> bool:
    """Return whether the last command reported that nothing is wrong with a node."""
    _, _, text = case["stdout"].rpartition("\n{\n")
    nodes = {node.get("name") or node["node"]: node for node in json.loads("{" + text)["nodes"]}
    return bool(nodes[name].get("ok", nodes[name].get("reachable")))


def test_valid_files_are_accepted(tmp_path: Path) -> None:
    """Without this, a fault of the sample would hide behind the refusals of all cases."""
    found = outcomes(tmp_path, "files", 0, len(hostile_files.FILES))
    assert [problems(case) for case in found] == [[]] * len(found)
    # Nothing answers on SSH.
    assert [case["codes"] for case in found] == [[0, 0, 0, 1, 1, 0]] * 4 + [[0, 0, 0]]
    assert "1. " in found[0]["stdout"] and "some-long-password" in found[4]["stdout"]


def test_hostile_files_are_refused(tmp_path: Path) -> None:
    first, count = len(hostile_files.FILES), 300 if ALL else 20
    found = outcomes(tmp_path, "files", first, count)
    wrong = {f"{case['number']} {case['label']}": problems(case) for case in found}
    assert {label: why for label, why in wrong.items() if why} == {}
    assert len(found) == count
    refused = [case for case in found if set(case["codes"]) == {2}]
    assert len(refused) > count * 0.7


def test_hostile_node_harms_no_other(tmp_path: Path) -> None:
    count = 60 if ALL else 12
    # Six ways to spoil each of six commands; the sample takes the commands with a report.
    found = outcomes(tmp_path, "answers", 0 if ALL else 24, count)
    wrong = {f"{case['number']} {case['label']}": problems(case) for case in found}
    assert {label: why for label, why in wrong.items() if why} == {}
    assert len(found) == count
    assert [case["label"] for case in found if not is_well(case, "med1")] == []
    assert sum(not is_well(case, "bog1") for case in found) > count / 4


@pytest.mark.parametrize("text", ["\x1b]0;x\x07", "\x9b", "\x00", "\r", "\u202e", "\u2028"])
def test_raw_characters_are_found(text: str) -> None:
    case = {"codes": [0], "status": 0, "mb": 40, "stdout": f"a{text}", "stderr": "", "written": {}}
    assert problems(case) == ["raw characters in stdout"]

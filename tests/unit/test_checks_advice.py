"""The advice of each check is read from its source, and is the one that pytest sees."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from region_samples import ROOT
from role_samples import ROLES

from chautari.checks.advice import advice_for_failed_check

FILES = sorted(ROLES.glob("*/checks/test_inside.py"))
# In a process of its own: here pytest refuses the marks of checks, which only their plugin knows.
READ_MARKS = """
import importlib.util, json, sys
found = {}
for number, file in enumerate(sys.argv[1:]):
    spec = importlib.util.spec_from_file_location(f"checks_{number}", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found[file.split("/")[-3]] = {
        name: mark.args[0]
        for name, function in vars(module).items() if name.startswith("test_")
        for mark in getattr(function, "pytestmark", []) if mark.name == "advice"
    }
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def marks() -> dict[str, dict[str, str]]:
    """Return the advice of every check by role, as Python reads the marks."""
    done = subprocess.run(
        [sys.executable, "-c", READ_MARKS, *map(str, FILES)],
        capture_output=True, text=True, check=True, env={"PYTHONPATH": str(ROOT / "tool")},
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_advice_is_that_of_the_mark(marks: dict[str, dict[str, str]]) -> None:
    assert len(marks) == len(FILES) and all(marks.values())
    for role, advice in marks.items():
        assert {name: advice_for_failed_check(role, name) for name in advice} == advice
        first = next(iter(advice))
        assert advice_for_failed_check(role, f"{first}[parameter]") == advice[first]


@pytest.mark.parametrize("role", ["", "..", "../base", "no_such_role", "base/../base", "\x1b"])
def test_role_that_does_not_exist_has_no_advice(role: str) -> None:
    assert advice_for_failed_check(role, "test_x") == ""

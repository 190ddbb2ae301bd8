"""Limits for all Python files: short files, short functions."""

import ast
from pathlib import Path

import pytest
from region_samples import ROOT

FOLDERS = ("tool", "roles", "tests", "benchmarks", "molecule")
PYTHON = sorted(file for folder in FOLDERS for file in (ROOT / folder).rglob("*.py"))


def ids(file: Path) -> str:
    return str(file.relative_to(ROOT))


@pytest.mark.parametrize("file", PYTHON, ids=ids)
def test_python_files_and_functions_are_short(file: Path) -> None:
    text = file.read_text()
    assert len(text.splitlines()) <= 500
    for part in ast.walk(ast.parse(text)):
        if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (part.end_lineno or 0) - part.lineno < 60, part.name


def test_pipeline_fits_one_screen() -> None:
    assert len((ROOT / "tool/chautari/deploy/pipeline.py").read_text().splitlines()) < 80

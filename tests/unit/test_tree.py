"""Limits for all Python files: short files, short functions."""

import ast

from region_samples import ROOT

FOLDERS = ("tool", "roles", "tests", "benchmarks", "molecule")
PYTHON = sorted(file for folder in FOLDERS for file in (ROOT / folder).rglob("*.py"))


def test_python_files_are_short() -> None:
    lengths = {file: len(file.read_text().splitlines()) for file in PYTHON}
    assert [str(file) for file, length in lengths.items() if length > 500] == []


def test_python_functions_are_short() -> None:
    long = [
        f"{file.relative_to(ROOT)}:{part.lineno}: {part.name}"
        for file in PYTHON
        for part in ast.walk(ast.parse(file.read_text()))
        if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef)
        and (part.end_lineno or 0) - part.lineno >= 60
    ]
    assert long == []


def test_pipeline_fits_one_screen() -> None:
    assert len((ROOT / "tool/chautari/deploy/pipeline.py").read_text().splitlines()) < 80

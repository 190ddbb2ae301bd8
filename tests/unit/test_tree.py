"""What the whole tree keeps to: small files, small functions, no unfinished corners."""

import ast
from pathlib import Path

import pytest
from region_samples import ROOT

FOLDERS = ("tool", "roles", "tests", "benchmarks", "molecule")
PYTHON = sorted(file for folder in FOLDERS for file in (ROOT / folder).rglob("*.py"))


def ids(file: Path) -> str:
    return str(file.relative_to(ROOT))


@pytest.mark.parametrize("file", PYTHON, ids=ids)
def test_python_file_is_short_and_so_are_its_functions(file: Path) -> None:
    text = file.read_text()
    assert len(text.splitlines()) <= 500
    for part in ast.walk(ast.parse(text)):
        if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (part.end_lineno or 0) - part.lineno < 60, part.name


def test_pipeline_fits_one_screen() -> None:
    assert len((ROOT / "tool/chautari/deploy/pipeline.py").read_text().splitlines()) < 80


def test_the_tool_starts_processes_in_one_module_only() -> None:
    apart = (
        "process.py", "node/", "checks/", "sandbox/internet/", "sandbox/doubles/",
    )  # fmt: skip
    # All but the first run elsewhere.
    tool = ROOT / "tool" / "chautari"
    starting = [
        str(file.relative_to(tool)) for file in tool.rglob("*.py")
        if "import subprocess" in file.read_text() or "os.system" in file.read_text()
    ]  # fmt: skip
    assert [name for name in starting if not name.startswith(apart)] == []


def test_rendering_and_the_model_know_no_layer_above_them() -> None:
    above = {
        "region": ("render", "run", "report", "cli", "sandbox", "secrets"),
        "render": ("run", "report", "cli", "sandbox"),
        "report": ("run", "cli", "sandbox", "render", "region"),
        "run": ("cli",),
    }
    for layer, foreign in above.items():
        for file in (ROOT / "tool" / "chautari" / layer).rglob("*.py"):
            for name in foreign:
                assert f"from chautari.{name}" not in file.read_text(), file

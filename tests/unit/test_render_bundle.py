"""The archive for a node has every module that its checks import."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from region_samples import ROOT

from chautari.render.bundle import CHECKS_LIBRARY

CHECKS = ROOT / "tool/chautari/checks"
FILES = [
    *sorted(ROOT.glob("roles/*/checks/test_inside.py")),
    *(CHECKS / f"{name}.py" for name in CHECKS_LIBRARY),
]
PACKAGE = "chautari.checks"


def imported_modules(file: Path) -> Iterator[str]:
    """Yield the modules of this project that a file imports."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (item.name for item in node.names if item.name.startswith("chautari"))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("chautari"):
            is_package = node.module == PACKAGE
            yield from (
                f"{PACKAGE}.{item.name}" if is_package else str(node.module) for item in node.names
            )


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_bundle_contains_the_modules_that_checks_import(file: Path) -> None:
    sent = {f"{PACKAGE}.{name}" for name in CHECKS_LIBRARY}
    found = {name for name in imported_modules(file) if not name.startswith("chautari.node")}
    assert found <= sent

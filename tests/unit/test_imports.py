"""Programs that mypy does not check use names of the tool that exist: a renamed one is noticed."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(
    file
    for pattern in ("roles/*/checks/*.py", "tests/integration/*.py", "benchmarks/**/*.py")
    for file in ROOT.glob(pattern)
)
PACKAGES = ("chautari", "chautari_sandbox")


def unknown_names(source: str) -> list[str]:
    """Return the names of the tool that a program uses and that do not exist."""
    tree = ast.parse(source)
    modules: dict[str, ModuleType] = {}
    return [*_unknown_imports(tree, modules), *_unknown_attributes(tree, modules)]


def _unknown_imports(tree: ast.Module, modules: dict[str, ModuleType]) -> Iterator[str]:
    for node in ast.walk(tree):
        if (
            not isinstance(node, ast.ImportFrom)
            or (node.module or "").split(".")[0] not in PACKAGES
        ):
            continue
        package = importlib.import_module(str(node.module))
        for item in node.names:
            try:
                found = getattr(package, item.name)
            except AttributeError:
                try:
                    found = importlib.import_module(f"{node.module}.{item.name}")
                except ImportError:
                    yield f"{node.module}.{item.name}"
                    continue
            if isinstance(found, ModuleType):
                modules[item.asname or item.name] = found


def _unknown_attributes(tree: ast.Module, modules: dict[str, ModuleType]) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            module = modules.get(node.value.id)
            if module is not None and not hasattr(module, node.attr):
                yield f"{module.__name__}.{node.attr}"


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_used_names_exist(file: Path) -> None:
    assert unknown_names(file.read_text()) == []


@pytest.mark.parametrize(
    "source",
    [
        "from chautari.checks import tls_profile\ntls_profile.no_such_function()",
        "from chautari.checks.tls_profile import no_such_function",
        "from chautari.checks import no_such_module",
    ],
)
def test_unknown_name_is_found(source: str) -> None:
    assert unknown_names(source) != []

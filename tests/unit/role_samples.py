"""The roles of the repository, read without running them."""

import functools
import importlib.util
from collections.abc import Iterator
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any

from region_samples import ROOT

from chautari.toolkit_yaml import read_toolkit_yaml

ROLES = ROOT / "roles"
NAMES = sorted(file.parent.parent.name for file in ROLES.glob("*/tasks/main.yml"))
# Roles without a play: the others include their tasks.
SHARED = sorted({folder.parent.name for folder in ROLES.glob("*/tasks")} - set(NAMES))
Data = dict[str, Any]


@functools.cache
def read(file: Path) -> Any:
    """Return the content of a YAML file, None for none; a thousand tests read the same files."""
    return read_toolkit_yaml(file) if file.is_file() else None


def load_program(file: Path) -> Any:
    """Return a program of a role as a module; it has no ending, and runs nothing when loaded."""
    loader = SourceFileLoader(file.name.replace("-", "_"), str(file))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def options(role: str, entry_point: str = "main") -> Data:
    """Return the documented variables of a role's entry point."""
    found: Data = read(ROLES / role / "meta" / "argument_specs.yml")["argument_specs"]
    return dict(found[entry_point].get("options") or {})


def entry_points(role: str) -> list[str]:
    """Return the task files of a shared role that other roles may include."""
    return list(read(ROLES / role / "meta" / "argument_specs.yml")["argument_specs"])


def defaults(role: str) -> Data:
    return dict(read(ROLES / role / "defaults" / "main.yml") or {})


def task_files(role: str) -> list[Path]:
    return sorted(
        [*(ROLES / role / "tasks").glob("*.yml"), *(ROLES / role / "handlers").glob("*.yml")]
    )


def tasks(data: Any) -> Iterator[Data]:
    """Give every task of a file, those in blocks as well."""
    for task in data or ():
        parts = [task.get(part) for part in ("block", "rescue", "always")]
        if not any(parts):
            yield task
        for part in parts:
            yield from tasks(part)


def module(task: Data) -> tuple[str, Any]:
    """Return the module of a task and its arguments."""
    [found] = [(key, value) for key, value in task.items() if "." in key]
    return found

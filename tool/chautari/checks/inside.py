"""pytest plugin for checks on the node, run by the runner with testinfra's local backend."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypedDict

import pytest

from chautari.checks.record import CheckRecorder, register_markers
from chautari.node import run_journal

JOURNAL_LINES = 20


class CheckContext(TypedDict):
    """What the runner passes to the checks, in the file that `CHAUTARI_SETTINGS` names."""

    node: str
    settings: Mapping[str, Any]
    doubles: list[str]
    since: str


def _read_check_context() -> CheckContext:
    found: CheckContext = json.loads(Path(os.environ["CHAUTARI_SETTINGS"]).read_text())
    return found


def _read_unit_journal(units: tuple[str, ...]) -> list[str]:
    argv = ["journalctl", "--no-pager", "-q", "-o", "short-iso", "-n", str(JOURNAL_LINES)]
    argv += [f"--unit={unit}" for unit in units]
    done = subprocess.run(argv, capture_output=True, text=True, errors="replace", check=False)
    return done.stdout.splitlines()


def pytest_configure(config: pytest.Config) -> None:
    """Record every check of this session."""
    register_markers(config)
    node = _read_check_context()["node"]
    secrets = run_journal.read_secret_spellings(Path(os.environ["CHAUTARI_SECRETS"]))
    config.pluginmanager.register(
        CheckRecorder("inside", lambda _: node, _read_unit_journal, secrets)
    )


@pytest.fixture(scope="session")
def settings() -> Mapping[str, Any]:
    """Return the settings of the node's services: its host variables, without secrets."""
    return _read_check_context()["settings"]


@pytest.fixture(scope="session")
def doubles() -> frozenset[str]:
    """Return the names of the software in whose place a double runs in this region."""
    return frozenset(_read_check_context()["doubles"])


@pytest.fixture(scope="session")
def since() -> str:
    """Return when this run began, in a form that `journalctl --since` takes."""
    return _read_check_context()["since"]

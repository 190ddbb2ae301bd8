"""Outside checks: pytest on this machine, against the public names of the nodes' services."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chautari.errors import RunFailed
from chautari.paths import content_root
from chautari.process import run
from chautari.render.internet import Internet
from chautari.render.variables import NodeVariables
from chautari.report.model import CheckResult
from chautari.run.taker import check_result

LIMIT_SECONDS = 900


def outside(nodes: Sequence[NodeVariables], internet: Internet) -> list[CheckResult]:
    """Run the outside checks of every role that `nodes` carry and return their results.

    Raises:
        RunFailed: when the checks themselves could not run.
    """
    files = check_files(nodes)
    if not files:
        return []
    with tempfile.TemporaryDirectory(prefix="chautari-") as folder:
        given, results = Path(folder) / "given.json", Path(folder) / "results.jsonl"
        results.touch()
        _write_private(given, _given(nodes, internet))
        done = run(pytest_argv(given, results, files), timeout=LIMIT_SECONDS, check=False)
        if done.code not in (0, 1):
            raise RunFailed(f"the outside checks could not run:\n{done.text[-3000:]}")
        return [check_result(json.loads(line)) for line in results.read_text().splitlines()]


def check_files(nodes: Sequence[NodeVariables]) -> list[Path]:
    """Return the outside checks of the roles that `nodes` carry."""
    roles = dict.fromkeys(role for node in nodes for role in node.roles)
    found = [content_root() / "roles" / role / "checks" / "test_outside.py" for role in roles]
    return [file for file in found if file.is_file()]


def pytest_argv(given: Path, results: Path, files: Sequence[Path]) -> tuple[str, ...]:
    """Return the command; `env` hands the plugin its two files without changing our own."""
    return (
        "env", f"CHAUTARI_SETTINGS={given}", f"CHAUTARI_RESULTS={results}",
        sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly",
        "-p", "chautari.checks.outside", "--import-mode=importlib", "-c", os.devnull,
        "--rootdir", str(content_root()), *map(str, files),
    )  # fmt: skip


def _given(nodes: Sequence[NodeVariables], internet: Internet) -> dict[str, Any]:
    return {
        "nodes": {
            node.node: {
                "roles": list(node.roles),
                "settings": node.public,
                "secrets": {k: v for k, v in node.secret.items() if isinstance(v, str)},
            }
            for node in nodes
        },
        "resolver": internet.resolver,
        "ca_file": str(internet.ca_file) if internet.ca_file else None,
        "mail_api": internet.mail_api,
    }


def _write_private(file: Path, data: dict[str, Any]) -> None:
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as stream:
        json.dump(data, stream)

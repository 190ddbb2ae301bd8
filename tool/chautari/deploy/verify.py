"""Outside checks: pytest on this machine, against the public names of the nodes' services."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from chautari.deploy.node_events import check_result
from chautari.paths import content_root
from chautari.process import ProcessError, run
from chautari.render.bundle import texts
from chautari.render.endpoints import Endpoints
from chautari.render.variables import NodeVariables
from chautari.report.model import CheckResult
from chautari.ssh.validation import parse_check

LIMIT_SECONDS = 900


def run_outside_checks(nodes: Sequence[NodeVariables], endpoints: Endpoints) -> list[CheckResult]:
    """Run the outside checks of every role that `nodes` carry and return their results.

    When the checks themselves cannot run to their end, what was recorded until then is kept, and
    one more result says so: a deploy's report must not be lost over it.
    """
    files = check_files(nodes)
    if not files:
        return []
    with tempfile.TemporaryDirectory(prefix="chautari-") as folder, _unnamed_file() as given:
        results = Path(folder) / "results.jsonl"
        results.touch()
        given.write(json.dumps(_check_context(nodes, endpoints)).encode())
        given.flush()
        broken = _run_pytest(pytest_argv(given.fileno(), results, files), given.fileno())
        found = [check_result(parse_check(line)) for line in results.read_text().splitlines()]
        return found + broken


def _unnamed_file() -> IO[bytes]:
    """Return a file without a name: however this process ends, the secrets in it end, too."""
    return tempfile.TemporaryFile(prefix="chautari-")


def _run_pytest(argv: tuple[str, ...], given: int) -> list[CheckResult]:
    """Run pytest; return nothing when it ran to its end, else the failure as a check."""
    try:
        done = run(argv, timeout=LIMIT_SECONDS, check=False, pass_fds=[given])
        said = "" if done.code in (0, 1) else done.text[-2000:]
    except ProcessError as error:
        said = error.message
    if not said:
        return []
    title = "All checks from outside finish"
    advice = "Deploy again. If it happens again, report it with this message."
    return [
        CheckResult(
            "", "outside", "run", "failed", title, message=said, advice=advice, side="outside"
        )
    ]


def check_files(nodes: Sequence[NodeVariables]) -> list[Path]:
    """Return the outside checks of the roles that `nodes` carry."""
    roles = dict.fromkeys(role for node in nodes for role in node.roles)
    found = [content_root() / "roles" / role / "checks" / "test_outside.py" for role in roles]
    return [file for file in found if file.is_file()]


def pytest_argv(given: int, results: Path, files: Sequence[Path]) -> tuple[str, ...]:
    """Return the command; `env` hands the plugin its two files without changing our own.

    What it is given is an open file, by its number; it goes back to its beginning and reads it.
    """
    return (
        "env", f"CHAUTARI_SETTINGS={given}", f"CHAUTARI_RESULTS={results}",
        sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly",
        "-p", "chautari.checks.outside", "--import-mode=importlib", "-c", os.devnull,
        "--rootdir", str(content_root()), *map(str, files),
    )  # fmt: skip


def _check_context(nodes: Sequence[NodeVariables], endpoints: Endpoints) -> dict[str, Any]:
    return {
        "nodes": {
            node.node: {
                "roles": list(node.roles),
                "settings": node.public,
                "secrets": {k: v for k, v in node.secret.items() if isinstance(v, str)},
            }
            for node in nodes
        },
        "masked": [text for node in nodes for text in texts(node.secret)],
        "resolver": endpoints.resolver,
        "ca_file": str(endpoints.ca_file) if endpoints.ca_file else None,
        "mail_api": endpoints.mail_api,
    }

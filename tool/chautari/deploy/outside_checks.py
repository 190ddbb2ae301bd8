"""Outside checks: pytest on this machine, against the public names of the nodes' services."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING

from chautari.deploy.node_events import check_result_from_event
from chautari.files import temp_files_root
from chautari.language import _
from chautari.paths import content_root
from chautari.process import ProcessError, run
from chautari.render.endpoints import Endpoints
from chautari.render.variables import NodeVariables, all_texts_in
from chautari.report.model import CheckResult
from chautari.ssh.message_validation import parse_outside_check

if TYPE_CHECKING:  # at run time it would import pytest and requests
    from chautari.checks.outside import CheckContext

LIMIT_SECONDS = 900


def run_outside_checks(nodes: Sequence[NodeVariables], endpoints: Endpoints) -> list[CheckResult]:
    """Run the outside checks of every role on `nodes` and return their results.

    If the checks are interrupted, the recorded results and one more failed check are returned:
    a deploy's report must not be lost because of them.
    """
    files = outside_check_files(nodes)
    if not files:
        return []
    with (
        tempfile.TemporaryDirectory(prefix="chautari-", dir=temp_files_root()) as folder,
        _open_nameless_file() as context_file,
    ):
        results = Path(folder) / "results.jsonl"
        results.touch()
        context_file.write(json.dumps(_build_check_context(nodes, endpoints)).encode())
        context_file.flush()
        broken = _run_pytest_and_return_its_failure(
            outside_checks_command(context_file.fileno(), results, files), context_file.fileno()
        )
        found = [
            check_result_from_event(parse_outside_check(line))
            for line in results.read_text().splitlines()
        ]
        return found + broken


def _open_nameless_file() -> IO[bytes]:
    """Return a file without a name, so that its secrets are gone when this process ends."""
    return tempfile.TemporaryFile(prefix="chautari-", dir=temp_files_root())


def _run_pytest_and_return_its_failure(argv: tuple[str, ...], context_fd: int) -> list[CheckResult]:
    """Run pytest; return an empty list if it finished, else its failure as a failed check."""
    try:
        done = run(argv, timeout=LIMIT_SECONDS, check=False, pass_fds=[context_fd])
        error = "" if done.code in (0, 1) else done.text[-2000:]
    except ProcessError as failure:
        error = failure.message
    if not error:
        return []
    title = _("All outside checks finish")
    advice = _("Deploy again. If this happens again, report the problem with this message.")
    return [
        CheckResult(
            "", "outside", "run", "failed", title, message=error, advice=advice, side="outside"
        )
    ]


def outside_check_files(nodes: Sequence[NodeVariables]) -> list[Path]:
    """Return the outside checks of the roles on `nodes`."""
    roles = dict.fromkeys(role for node in nodes for role in node.roles)
    found = [content_root() / "roles" / role / "checks" / "test_outside.py" for role in roles]
    return [file for file in found if file.is_file()]


def outside_checks_command(
    context_fd: int, results: Path, files: Sequence[Path]
) -> tuple[str, ...]:
    """Return the command; `env` names the plugin's files without a change of our environment.

    `context_fd` is the number of an open file: the plugin reads it from the beginning.
    """
    return (
        "env", f"CHAUTARI_SETTINGS={context_fd}", f"CHAUTARI_RESULTS={results}",
        sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly",
        "-p", "chautari.checks.outside", "--import-mode=importlib", "-c", os.devnull,
        "--rootdir", str(content_root()), *map(str, files),
    )  # fmt: skip


def _build_check_context(nodes: Sequence[NodeVariables], endpoints: Endpoints) -> CheckContext:
    return {
        "nodes": {
            node.node: {
                "roles": list(node.roles),
                "settings": node.public,
                "secrets": {k: v for k, v in node.secret.items() if isinstance(v, str)},
            }
            for node in nodes
        },
        "masked": [text for node in nodes for text in all_texts_in(node.secret)],
        "resolver": endpoints.resolver,
        "ca_file": str(endpoints.ca_file) if endpoints.ca_file else None,
        "mail_api": endpoints.mail_api,
    }

"""Run an action that the control side sends to a node.

Most deploys are only a survey, so a survey loads only the modules that it needs. The modules of
some actions are all that the control side sends for them.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

STATE = Path("/var/lib/chautari")


def main(arguments: Mapping[str, Any], payload: IO[bytes]) -> int:
    """Run the action named in `arguments` and return the exit code of the SSH command."""
    os.umask(0o077)
    STATE.mkdir(parents=True, exist_ok=True)
    if arguments["action"].startswith("restore_"):
        from chautari.node.restore import answers

        return answers.main(arguments, payload)
    if arguments["action"] == "service_logs":
        from chautari.node import service_logs

        return service_logs.main(arguments)
    answer = _answer_query(arguments, payload)
    if answer is None:
        from chautari.node import runner

        return runner.main(arguments, payload)
    print(json.dumps(answer), flush=True)
    return 0


def _answer_query(arguments: Mapping[str, Any], payload: IO[bytes]) -> Mapping[str, Any] | None:
    """Return the answer to a short question; None for an action of the runner."""
    action = arguments["action"]
    if action == "survey":
        from chautari.node import lock, survey

        inputs = json.loads(zlib.decompress(payload.read()))
        return survey.survey_node(STATE, inputs, lock.lock_holder())
    if action == "drift":
        from chautari.node import drift, lock

        return drift.find_drift(STATE, lock.lock_holder())
    if action == "state_files":
        from chautari.node import service_state_files

        return service_state_files.state_files_answer(arguments["files"])
    if action == "artifact_digest":
        from chautari.node import download_digest

        return download_digest.artifact_digest_answer(
            arguments["url"], arguments["hosts"], arguments["max_bytes"], arguments["headers"]
        )
    if action == "activity":
        from chautari.node import lock_holder_progress

        return lock_holder_progress.run_activity_answer(STATE)
    return None

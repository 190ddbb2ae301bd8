"""Run an action that the control side sends to a node.

Most deploys are only a survey, so a survey loads only the modules that it needs.
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
    if arguments["action"] == "restore_follow":
        from chautari.node.restore import restore_unit

        return restore_unit.print_events_until_finished(int(arguments["offset"]))
    if arguments["action"] == "service_logs":
        from chautari.node import service_logs

        return service_logs.main(arguments)
    answer = _answer_query(arguments, payload) or _answer_restore(arguments, payload)
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


def _answer_restore(arguments: Mapping[str, Any], payload: IO[bytes]) -> Mapping[str, Any] | None:
    """Return the answer to an action of a restore; None for another action."""
    action = arguments["action"]
    if action == "restore_start":
        from chautari.node import lock
        from chautari.node.restore import restore_unit

        return restore_unit.start_restore_unit(
            json.loads(zlib.decompress(payload.read())), lock.lock_holder()
        )
    if action == "restore_results":
        from chautari.node.restore import restore_unit

        return restore_unit.earlier_restore_results()
    if action == "restore_clean":
        from chautari.node.restore import kept_data_deletion

        return kept_data_deletion.delete_kept_data(arguments["ids"])
    if action == "restore_record_drill":
        from chautari.node.restore import drill_record

        return drill_record.record_drill(arguments["record"])
    return None

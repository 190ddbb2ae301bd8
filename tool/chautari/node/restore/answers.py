"""Answer the questions and orders about restores that the control side sends."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from typing import IO, Any

from chautari.node import lock
from chautari.node.restore import drill_record, kept_data_deletion, restore_unit


def main(arguments: Mapping[str, Any], payload: IO[bytes]) -> int:
    """Run an action whose name begins with `restore_`; return the exit code of the SSH command."""
    if arguments["action"] == "restore_follow":
        return restore_unit.print_events_until_finished(int(arguments["offset"]))
    print(json.dumps(_answer(arguments, payload)), flush=True)
    return 0


def _answer(arguments: Mapping[str, Any], payload: IO[bytes]) -> Mapping[str, Any]:
    match arguments["action"]:
        case "restore_start":
            order = json.loads(zlib.decompress(payload.read()))
            return restore_unit.start_restore_unit(order, lock.lock_holder())
        case "restore_results":
            return restore_unit.earlier_restore_results()
        case "restore_clean":
            return kept_data_deletion.delete_kept_data(arguments["ids"])
        case "restore_record_drill":
            return drill_record.record_drill(arguments["record"])
        case unknown:
            raise ValueError(unknown)

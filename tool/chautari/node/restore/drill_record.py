"""Record the result of a drill in the node's state file, which `deploy status` reads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chautari.node.backup.state_file import HOME, STATE, update_state
from chautari.node.restore.errors import RestoreError


def record_drill(record: Mapping[str, Any], state: Path = STATE) -> dict[str, Any]:
    """Write the record; return the answer to `restore_record_drill`."""
    try:
        HOME.mkdir(parents=True, exist_ok=True)
        update_state(state, drill=dict(record))
    except OSError as error:
        found = RestoreError("disk_error", message=str(error)).as_object()
        return {"event": "restore_record_drill", "error": found}
    return {"event": "restore_record_drill", "error": None}

"""Record the result of a drill in the node's state file, which `deploy status` reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chautari.node.backup import state_file
from chautari.node.restore.errors import RestoreError


def record_drill(record: Mapping[str, Any]) -> dict[str, Any]:
    """Write the record; return the answer to `restore_record_drill`."""
    try:
        state_file.HOME.mkdir(parents=True, exist_ok=True)
        state_file.record_drill(record)
    except OSError as error:
        found = RestoreError("disk_error", message=str(error)).as_object()
        return {"event": "restore_record_drill", "error": found}
    return {"event": "restore_record_drill", "error": None}

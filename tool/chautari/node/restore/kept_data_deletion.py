"""Delete the old data that restores renamed aside, once a person asks for it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chautari.node.restore.copy_next_to_live_data import Database
from chautari.node.restore.databases import name_of_copy
from chautari.node.restore.errors import RestoreError
from chautari.node.restore.journal import STATE, write_json
from chautari.node.restore.request import RESTORE_ID
from chautari.node.restore.switch import delete_old_data


def delete_kept_data(ids: list[str], state: Path = STATE) -> dict[str, Any]:
    """Delete the old data of the restores called `ids`; return what was deleted."""
    deleted: list[str] = []
    try:
        for restore in ids:
            if not RESTORE_ID.fullmatch(restore):
                raise RestoreError("unsafe_path", path=restore)
            file = state / "history" / f"{restore}.json"
            result: dict[str, Any] = json.loads(file.read_bytes())
            deleted += _delete_kept_data(result)
            write_json(file, {**result, "kept": None})
    except RestoreError as error:
        return {"event": "restore_clean", "deleted": deleted, "error": error.as_object()}
    except OSError as error:
        found = RestoreError("disk_error", message=str(error)).as_object()
        return {"event": "restore_clean", "deleted": deleted, "error": found}
    return {"event": "restore_clean", "deleted": deleted, "error": None}


def _delete_kept_data(result: Mapping[str, Any]) -> list[str]:
    kept, restore = result.get("kept"), str(result["id"])
    if not kept:
        return []
    databases = [Database(server, name, "") for server, name in kept["databases"]]
    delete_old_data(kept["paths"], databases, restore)
    return [*kept["paths"], *(name_of_copy(item.name, "before", restore) for item in databases)]

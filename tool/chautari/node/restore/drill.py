"""Test every week, on the node itself, that the newest backup can be restored.

chautari-drill    restores the newest archive into a folder of its own and databases with other
                  names, compares them with the archive, and deletes them

No module that changes live data is imported here. This proves that the repository, the key and the
archive are complete and readable. That the services start with this data is what `deploy drill`
proves, which runs them in containers.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chautari.node.backup.manifest import parse_states
from chautari.node.backup.state_file import HOME, record_drill
from chautari.node.restore.copy_next_to_live_data import (
    CopyJob,
    Database,
    create_empty_index,
    databases_to_copy,
    read_archive,
)
from chautari.node.restore.errors import RestoreError
from chautari.node.restore.places import places_in_folder
from chautari.node.restore.repository import Archive, Repository
from chautari.node.restore.request import SETTINGS, Target, access_in
from chautari.node.restore.texts import PREFIX, error_text

FOLDER = Path("/var/lib/chautari/drill")
WEEK = 7 * 86_400


def main() -> int:
    """Run a drill, record its result, and return the exit code."""
    settings = json.loads((SETTINGS / "settings.json").read_text())
    with (HOME / "lock").open("a") as lock:
        # One after the other: a drill and a backup read the same disk and the same repository.
        fcntl.flock(lock, fcntl.LOCK_EX)
        record = run_drill(settings)
        if not is_without_backup(record):
            record_drill(record)
    if record["error"]:
        error = record["error"]
        reason, fix = error_text(error["code"].removeprefix(PREFIX), error["data"])
        print(f"{reason} Fix: {fix}", file=sys.stderr)
    return 0 if record["ok"] else 1


def is_without_backup(record: Mapping[str, Any]) -> bool:
    """Return whether there is no backup yet, so that there was nothing to test."""
    return bool(record["error"]) and record["error"]["code"] == f"{PREFIX}no_archives"


def run_drill(settings: Mapping[str, Any], folder: Path = FOLDER) -> dict[str, Any]:
    """Restore the newest archive of one target as a copy, compare it, delete it."""
    began = time.time()
    drill = time.strftime("%Y%m%dt%H%M%S", time.gmtime(began))
    record: dict[str, Any] = {
        "time": int(began), "archive": None, "ok": False, "tables": 0, "rows": 0, "files": 0,
        "error": None,
    }  # fmt: skip
    try:
        _delete_leftovers(folder)
        target = _target_of_week(settings["targets"], began)
        archive, figures = _copy_and_compare(settings, target, folder, drill)
        record |= {"archive": archive.name, "ok": True}
        record |= {key: figures[key] for key in ("tables", "rows", "files")}
    except RestoreError as error:
        record["error"] = {"code": f"{PREFIX}{error.code}", "data": error.data}
    finally:
        _delete_leftovers(folder)
    return record | {"seconds": round(time.time() - began, 1)}


def _target_of_week(targets: list[dict[str, Any]], now: float) -> Target:
    """Return another target each week, so that each one is tested."""
    if not targets:
        raise RestoreError("no_archives", target="backup.to", node="this node")
    item = targets[int(now // WEEK) % len(targets)]
    return Target(item["name"], item["kind"], item["repository"], item.get("mount", ""))


def _copy_and_compare(
    settings: Mapping[str, Any], target: Target, folder: Path, drill: str
) -> tuple[Archive, Mapping[str, Any]]:
    states = parse_states(settings["states"])
    repository = Repository(target, access_in(SETTINGS), folder.parent / "restore" / "borg")
    archive, manifest = read_archive(repository, settings["node"], 0, states)
    databases = list(databases_to_copy(states, "drill", drill))
    _record_databases_of_drill(folder, databases)
    index = create_empty_index(folder)
    try:
        job = CopyJob(
            repository, archive, manifest, places_in_folder(states, folder / "files"), databases,
            index, lambda _: None, known_owners=False, compare_hashes=True,
        )  # fmt: skip
        job.read_contents_and_check_space()
        job.extract_and_load()
        job.compare_with_archive()
        return archive, job.figures
    finally:
        index.close_and_delete()


def _record_databases_of_drill(folder: Path, databases: list[Database]) -> None:
    """Write which databases the drill makes, so that a later one deletes what was left."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.chmod(folder, 0o700)
    names = [[item.engine, item.name, item.copy] for item in databases]
    (folder / "databases.json").write_text(json.dumps(names))


def _delete_leftovers(folder: Path) -> None:
    """Delete what this drill or one that was killed made; only names of drills are deleted."""
    list_file = folder / "databases.json"
    if list_file.is_file():
        for item in json.loads(list_file.read_text()):
            database = Database(*item)
            database.server.drop(database.copy)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())

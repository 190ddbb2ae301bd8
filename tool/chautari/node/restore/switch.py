"""Exchange the live data and the restored copy by renames, or undo it.

Only restores import this module; a drill has no code that changes live data. Each function
completes its work wherever an earlier attempt was killed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from chautari.node.backup.manifest import StateSpec
from chautari.node.restore.copy_next_to_live_data import Database
from chautari.node.restore.databases import name_of_copy
from chautari.node.restore.errors import RestoreError
from chautari.node.restore.journal import sync_folder
from chautari.node.restore.places import RestorePlace, Swap, link_excluded_into_copy

KEPT_ERROR = 2000


def run_command(argv: Sequence[str], *arguments: str) -> None:
    """Run a command of a service.

    Raises:
        RestoreError: when it fails.
    """
    try:
        done = subprocess.run(
            [*argv, *arguments], stdin=subprocess.DEVNULL, capture_output=True, cwd="/"
        )
    except OSError as error:
        raise RestoreError("command_failed", command=argv[0], message=str(error.strerror)) from None
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip())[-KEPT_ERROR:]
        raise RestoreError("command_failed", command=argv[0], message=said.decode(errors="replace"))


def active_units(units: Sequence[str]) -> list[str]:
    """Return those of `units` that are running."""
    return [
        unit
        for unit in units
        if subprocess.run(["systemctl", "is-active", "--quiet", unit]).returncode == 0
    ]


def stop_units(units: Sequence[str]) -> None:
    """Stop units, the last one first."""
    for unit in reversed(units):
        run_command(["systemctl", "stop", unit])


def start_units(units: Sequence[str]) -> None:
    """Start units in their order."""
    for unit in units:
        run_command(["systemctl", "start", unit])


def pause(states: Sequence[StateSpec]) -> None:
    """Pause the services; one that is paused stays so."""
    for state in states:
        if state.pause:
            run_command(state.pause)


def resume(states: Sequence[StateSpec]) -> None:
    """Resume the services; one that runs stays so."""
    for state in states:
        if state.resume:
            run_command(state.resume)


def plan_swaps(places: Sequence[RestorePlace], restore: str) -> list[Swap]:
    """Return the exchanges of all places that the archive contains.

    What an archive lacks, such as a folder that did not exist yet, stays as it is.
    """
    swaps = []
    for place in places:
        if os.path.lexists(place.staged):
            link_excluded_into_copy(place)
            swaps += place.swaps(restore)
    return swaps


def switch_files(swaps: Sequence[Swap]) -> None:
    """Rename the live files aside and the restored ones into their place."""
    for swap in swaps:
        if swap.had_live and not os.path.lexists(swap.aside):
            os.makedirs(os.path.dirname(swap.aside), mode=0o700, exist_ok=True)
            _rename_and_sync(swap.live, swap.aside)
        if swap.had_staged and os.path.lexists(swap.staged):
            if os.path.lexists(swap.live):
                raise RestoreError("path_in_use", path=swap.live, aside=swap.aside)
            _rename_and_sync(swap.staged, swap.live)


def undo_switch_files(swaps: Sequence[Swap]) -> None:
    """Rename the restored files back into the copy and the old ones into their place."""
    for swap in reversed(swaps):
        if swap.had_staged and not os.path.lexists(swap.staged):
            _rename_and_sync(swap.live, swap.staged)
        if swap.had_live and os.path.lexists(swap.aside):
            _rename_and_sync(swap.aside, swap.live)


def switch_databases(databases: Sequence[Database], restore: str) -> None:
    """Rename the live databases aside and the restored ones into their place."""
    for database in databases:
        database.server.switch(
            database.name, database.copy, _name_of_old_database(database, restore)
        )


def undo_switch_databases(databases: Sequence[Database], restore: str) -> None:
    """Undo the exchange of databases."""
    for database in databases:
        database.server.undo_switch(
            database.name, database.copy, _name_of_old_database(database, restore)
        )


def _name_of_old_database(database: Database, restore: str) -> str:
    return name_of_copy(database.name, "before", restore)


def delete_copies(
    places: Sequence[RestorePlace], databases: Sequence[Database], restore: str
) -> None:
    """Delete what is left of the restored copy: staging folders and copies of databases."""
    for place in places:
        folder = place.staged if place.is_mount else os.path.dirname(place.staged)
        _delete_staging(folder, restore)
    for database in databases:
        database.server.drop(database.copy)


def delete_old_data(paths: Sequence[str], databases: Sequence[Database], restore: str) -> None:
    """Delete what an earlier restore renamed aside; a person asked for it."""
    for path in paths:
        if not os.path.basename(path).endswith(f".before-restore-{restore}"):
            raise RestoreError("unsafe_path", path=path)
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        else:
            Path(path).unlink(missing_ok=True)
    for database in databases:
        database.server.drop(_name_of_old_database(database, restore))


def kept_paths(places: Sequence[RestorePlace], swaps: Sequence[Swap], restore: str) -> list[str]:
    """Return the paths to which old data was renamed."""
    folders = {place.live for place in places if place.is_mount}
    aside = {
        os.path.join(folder, f".before-restore-{restore}")
        if (folder := os.path.dirname(os.path.dirname(swap.aside))) in folders
        else swap.aside
        for swap in swaps
    }
    return sorted(path for path in aside if os.path.lexists(path))


def _delete_staging(folder: str, restore: str) -> None:
    if os.path.basename(folder) != f".chautari-restore-{restore}":
        raise RestoreError("unsafe_path", path=folder)
    if os.path.isdir(folder):
        shutil.rmtree(folder)


def _rename_and_sync(old: str, new: str) -> None:
    os.rename(old, new)
    for folder in {os.path.dirname(old), os.path.dirname(new)}:
        sync_folder(folder)

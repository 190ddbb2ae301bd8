"""Where a region's files lie: found by name, before any of them is read."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from chautari.errors import BadInput
from chautari.files import is_present, refuse_special_file

REGION_FILE = "region.yml"
LOCK_FILE = "artifacts.lock"
SECRETS_FILE = "secrets.age"
KNOWN_HOSTS_FILE = "known_hosts"


def find_region_file(name: str, root: Path) -> Path:
    """Return the `region.yml` of region `name` under `root`, or of a path to a file or folder.

    Raises:
        BadInput: when there is none, naming the regions there are.
    """
    path = Path(name)
    if path.suffix in (".yml", ".yaml") or "/" in name:
        file = path / REGION_FILE if path.is_dir() and path.name != REGION_FILE else path
        if file.is_file():
            return file
        if is_present(file) and file.name != REGION_FILE:
            refuse_special_file(file)
        _refuse_unusable_region_file(file.parent)
        raise BadInput(
            f"{file}: no such file", fix="write the name of a region, or the path of its region.yml"
        )
    # A name must not climb out of the inventories folder.
    if re.fullmatch(r"[A-Za-z][A-Za-z0-9-]{0,30}", name):
        file = root / name / REGION_FILE
        if name.islower() and file.is_file():
            return file
        _refuse_capital_letters(name, root)
        _refuse_unusable_region_file(file.parent)
    there = region_names(root)
    from chautari.region.error_messages import nearest_word  # only a mistake needs it

    close = nearest_word(name, there)
    hint = f"did you mean {close}?" if close else f"known regions: {', '.join(there) or 'none yet'}"
    raise BadInput(f"no region {name!r} under {root}/", fix=hint)


def _refuse_capital_letters(name: str, root: Path) -> None:
    """Refuse a region's folder that differs from the name in capital letters only."""
    lower = name.lower()
    folders = [entry for entry in _entries(root) if entry.name.lower() == lower and entry.is_dir()]
    if any(folder.name == lower for folder in folders):
        if name != lower:
            raise BadInput(f"no region {name!r} under {root}/", fix=f"did you mean {lower}?")
    elif folders:
        raise BadInput(
            f"{folders[0]}: the name of a region and of its folder must be in lower case",
            fix=f"run `{_move_command(folders[0], root / lower)}`, then write `region: {lower}` in "
            f"{REGION_FILE}",
        )


def _refuse_unusable_region_file(folder: Path) -> None:
    """Refuse a folder whose `region.yml` has another name, or is not a file."""
    for entry in _entries(folder):
        if entry.name == REGION_FILE and not entry.is_file():
            raise BadInput(
                f"{entry} is not a file",
                fix=f"run `{_move_command(entry, folder / 'region.old')}`, then create {entry}",
            )
    for entry in _entries(folder):
        if entry.name.lower().startswith("region.y") and entry.is_file():
            raise BadInput(
                f"{entry}: a region's file must be called {REGION_FILE}",
                fix=_move_command(entry, folder / REGION_FILE),
            )


def _move_command(old: Path, new: Path) -> str:
    return shlex.join(("mv", str(old), str(new)))


def _entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def region_names(root: Path) -> list[str]:
    """Return the names of all regions under `root`."""
    try:
        folders = list(root.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(folder.name for folder in folders if _may_hold_region(folder))


def _may_hold_region(folder: Path) -> bool:
    """Return whether a folder has a region's file, or may have one that nobody may see."""
    try:
        return (folder / REGION_FILE).is_file()
    except PermissionError:
        return True

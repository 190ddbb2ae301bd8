"""Where a region's files lie: found by name, before any of them is read."""

from __future__ import annotations

import re
from pathlib import Path

from chautari.errors import BadInput

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
        file = path / REGION_FILE if path.is_dir() else path
        if not file.is_file():
            _refuse_region_yaml_file(file.parent)
            raise BadInput(f"{file}: no such file", fix="give a region's name or its region.yml")
        return file
    file = root / name / REGION_FILE
    # A name must not climb out of the inventories folder.
    if re.fullmatch(r"[a-z][a-z0-9-]{0,30}", name):
        if file.is_file():
            return file
        _refuse_region_yaml_file(file.parent)
    elif re.fullmatch(r"[A-Za-z][A-Za-z0-9-]{0,30}", name) and file.parent.is_dir():
        raise BadInput(
            f"{file.parent}: the names of regions and their folders are in lower case",
            fix=f"mv {file.parent} {root / name.lower()}, and write region: {name.lower()}",
        )
    there = region_names(root)
    from chautari.region.error_messages import nearest_word  # only a mistake needs it

    close = nearest_word(name, there)
    hint = f"did you mean {close}?" if close else f"known regions: {', '.join(there) or 'none yet'}"
    raise BadInput(f"no region {name!r} under {root}/", fix=hint)


def _refuse_region_yaml_file(folder: Path) -> None:
    other = folder / "region.yaml"
    if other.is_file():
        raise BadInput(
            f"{other}: a region's file is called {REGION_FILE}",
            fix=f"mv {other} {folder / REGION_FILE}",
        )


def region_names(root: Path) -> list[str]:
    """Return the names of all regions under `root`."""
    return sorted(file.parent.name for file in root.glob(f"*/{REGION_FILE}"))

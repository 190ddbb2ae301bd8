"""Where the toolkit's own content and the user's files lie."""

from __future__ import annotations

import os
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def content_root() -> Path:
    """Return the folder that holds `roles/`, `playbooks/` and `schemas/`.

    A wheel carries them inside the package; in a checkout they lie at the top of the tree.
    """
    deployed_services = _PACKAGE / "content"
    return deployed_services if deployed_services.is_dir() else _PACKAGE.parents[1]


def inventories_root() -> Path:
    """Return the folder of the user's regions: `CHAUTARI_INVENTORIES`, `./inventories` or ours."""
    named = os.environ.get("CHAUTARI_INVENTORIES")
    if named:
        return Path(named)
    here = Path("inventories")
    return here if here.is_dir() else content_root() / "inventories"


def state_dir() -> Path:
    """Return where the tool keeps its own state on this machine (XDG state home)."""
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "chautari"


def reports_dir(region: str) -> Path:
    """Return where the reports of `region` are written."""
    return state_dir() / "reports" / region

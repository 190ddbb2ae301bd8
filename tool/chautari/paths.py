"""Paths of the toolkit's own content and the user's files."""

from __future__ import annotations

import os
from pathlib import Path

from chautari.account import home_dir

INVENTORIES = "inventories"
_PACKAGE = Path(__file__).resolve().parent


def content_root() -> Path:
    """Return the folder that holds `roles/`, `playbooks/` and `schemas/`.

    A wheel contains them inside the package. In a checkout they are at the top of the tree.
    """
    packaged = _PACKAGE / "content"
    return packaged if packaged.is_dir() else _PACKAGE.parents[1]


def is_checkout() -> bool:
    """Return whether the toolkit runs from a clone of its repository."""
    return content_root() == _PACKAGE.parents[1]


def changelog_file() -> Path:
    """Return the list of changes of the toolkit."""
    return content_root() / "CHANGELOG.md"


def regions_root() -> Path:
    """Return the folder of regions: `CHAUTARI_INVENTORIES`, `./inventories` or the demo's."""
    named = os.environ.get("CHAUTARI_INVENTORIES")
    if named:
        return Path(named)
    here = Path(INVENTORIES)
    return here if here.is_dir() else content_root() / INVENTORIES


def state_dir() -> Path:
    """Return the folder of the tool's state on this machine (XDG state home)."""
    base = os.environ.get("XDG_STATE_HOME") or home_dir() / ".local" / "state"
    return Path(base) / "chautari"


def reports_dir(region: str) -> Path:
    """Return the folder of the reports of `region`."""
    return state_dir() / "reports" / region

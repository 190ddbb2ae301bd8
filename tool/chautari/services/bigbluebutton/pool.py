"""Whether BigBlueButton's servers form a pool, and what they are called then."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chautari.region.model import Region


def is_pooled(region: Region) -> bool:
    """Return whether Scalelite answers in the name of several BigBlueButton servers."""
    return bool(region.nodes_running("scalelite"))

"""Whether BigBlueButton's servers form a pool, and which of them the region uses itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chautari.services.bigbluebutton.packages import NAME

if TYPE_CHECKING:
    from chautari.region.model import Region


def is_pooled(region: Region) -> bool:
    """Return whether Scalelite answers in the name of several BigBlueButton servers."""
    return bool(region.nodes_running("scalelite"))


def own_servers(region: Region) -> tuple[str, ...]:
    """Return the nodes with servers that the region uses itself; the others are lent."""
    nodes = region.nodes_running(NAME)
    return tuple(name for name in nodes if region.nodes[name].lend_to is None)

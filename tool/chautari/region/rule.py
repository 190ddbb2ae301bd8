"""What a rule across fields is, and where it points."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from chautari.region.yaml_reader import Path_
from chautari.services.artifacts import Pins

if TYPE_CHECKING:
    from chautari.region.model import Region

__all__ = ["Finding", "Pins", "Rule", "field_path", "placement_path"]
Finding = tuple[Path_, str]
Rule = Callable[["Region", Pins], Iterator[Finding]]


def placement_path(region: Region, service: str, node: str = "") -> Path_:
    """Return where `service` is placed on `node`, or on the first node that runs it."""
    node = node or region.first_node_running(service)
    return ("nodes", node, "services", region.nodes[node].services.index(service))


def field_path(region: Region, service: str, field: str) -> Path_:
    """Return where `field` of `service` is set, or where the service is placed without settings."""
    if region.services.has_settings_for(service):
        return ("services", service, field)
    return placement_path(region, service)

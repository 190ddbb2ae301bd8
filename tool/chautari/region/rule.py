"""What a rule across fields is, and where it points."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from chautari.region.catalog import Artifact
from chautari.region.guard import Path_
from chautari.region.model import Region

Finding = tuple[Path_, str]
Pins = Mapping[str, Mapping[str, Artifact]]
Rule = Callable[[Region, Pins], Iterator[Finding]]


def placing(region: Region, service: str, node: str = "") -> Path_:
    """Return where `service` is put on `node`, or on the first node that carries it."""
    node = node or region.node_of(service)
    return ("nodes", node, "services", region.nodes[node].services.index(service))

"""Sum up what the services of a region allow on its machines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, get_args

from chautari.region.model import Region
from chautari.services.capacity_figures import CapacityLimit, Kind, MachineSize

# Where a meeting must fit on one machine, the largest counts.
_LARGEST = ("people_in_one_meeting",)


class ServiceCapacity(NamedTuple):
    """What one service allows on one node; `limits` is empty if no figure is known."""

    service: str
    title: str
    node: str
    limits: tuple[CapacityLimit, ...]

    def first_limits(self) -> Iterator[CapacityLimit]:
        """Yield for each kind the limit that is reached first; one without a number if unknown."""
        for kind in get_args(Kind):
            own = [limit for limit in self.limits if limit.kind == kind]
            known = [limit for limit in own if limit.number is not None]
            if own:
                yield min(known, key=lambda limit: limit.number or 0) if known else own[0]

    def unknown_resources(self) -> list[str]:
        """Return the resources whose size is not known, so that they may limit earlier."""
        return list(dict.fromkeys(x.resource for x in self.limits if x.number is None))

    def as_object(self) -> dict[str, Any]:
        """Return it as plain JSON data."""
        return {
            "service": self.service,
            "node": self.node,
            "limits": [limit._asdict() for limit in self.limits],
            "first": [limit._asdict() for limit in self.first_limits()],
            "unknown": self.unknown_resources(),
        }


def capacity_of_region(
    region: Region, sizes: Mapping[str, MachineSize]
) -> tuple[ServiceCapacity, ...]:
    """Return what each service allows on each of its nodes.

    A node that is lent as a whole has room for the peer's people only.
    """
    found = []
    for node in (name for name, item in region.nodes.items() if item.lend_to is None):
        size = sizes.get(node, MachineSize())
        for service in region.services_of(node):
            limits = tuple(service.capacity(region, node, size)) if service.capacity else ()
            found.append(ServiceCapacity(service.name, service.title, node, limits))
    return tuple(found)


def total_of_kind(capacities: Iterable[ServiceCapacity], kind: Kind) -> int | None:
    """Return what the whole region allows of a kind; None if no service has a known number."""
    numbers = [
        limit.number
        for item in capacities
        for limit in item.first_limits()
        if limit.kind == kind and limit.number is not None
    ]
    if not numbers:
        return None
    return max(numbers) if kind in _LARGEST else sum(numbers)

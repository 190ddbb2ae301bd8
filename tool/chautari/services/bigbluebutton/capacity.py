"""How many people BigBlueButton's servers have room for, as upstream says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from chautari.language import Text
from chautari.services.capacity_figures import CapacityLimit, MachineSize, Resource, scale_figure

if TYPE_CHECKING:
    from chautari.region.model import Region

# "the server should be able to support 200 simultaneous users" if it meets the requirements.
PEOPLE = 200
FAQ: Text = "docs.bigbluebutton.org/support/faq: 200 people on a server with the required hardware"
# Minimum server requirements.
CORES, MEMORY_GB, MBIT = 8, 16, 250
INSTALL: Text = "docs.bigbluebutton.org/administration/install: 8 cores, 16 GB, 250 Mbit/s"
# "we recommend no single sessions" above this number, as of release 2.5.
ONE_MEETING: Text = "docs.bigbluebutton.org/support/faq: at most 200 people in one meeting"


def capacity_limits(region: Region, node: str, size: MachineSize) -> Iterator[CapacityLimit]:
    """Yield what each resource of a server allows."""
    source = f"{FAQ}; {INSTALL}"
    needed: tuple[tuple[Resource, float | None, float], ...] = (
        ("cores", size.cores, CORES),
        ("memory", size.memory_gb, MEMORY_GB * 0.94),  # the kernel keeps some
        ("network", size.mbit, MBIT),
    )
    for resource, has, needs in needed:
        is_estimate = has is not None and has < needs
        yield CapacityLimit(
            "people", resource, scale_figure(PEOPLE, has, needs), source, is_estimate
        )
    yield CapacityLimit("people_in_one_meeting", "software", PEOPLE, ONE_MEETING)

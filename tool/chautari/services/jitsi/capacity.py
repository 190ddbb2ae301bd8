"""How many people Jitsi Meet's video bridges have room for, as upstream says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from chautari.language import Text
from chautari.services.capacity_figures import CapacityLimit, MachineSize, scale_figure
from chautari.services.jitsi.settings import Jitsi

if TYPE_CHECKING:
    from chautari.region.model import Region

# A bridge counts as overloaded at a stress of 0.8, and a person adds 0.01.
PEOPLE = 80
SOFTWARE: Text = "jicofo's reference.conf: max-bridge-participants = 80"
MEMORY_GB = 8
MEMORY: Text = "jitsi.github.io/handbook, Requirements: 8 GB for a server in use"
# "more than 1000 video streams" at 20% of a quad-core machine: 250 a core are far from the limit.
STREAMS_PER_CORE = 250
CORES: Text = "jitsi.org, performance evaluation: 1000 streams on 4 cores"
# Video that each person receives. The role shows at most four cameras in regions with bandwidth:
# low, one of them larger (300 kbit/s) than the others (100 kbit/s).
STREAMS_SEEN = 4
LOW_KBIT = 300 + 3 * 100
NORMAL_KBIT = STREAMS_SEEN * 500
LOW_NETWORK: Text = "role jitsi, settings for low bandwidth: 600 kbit/s for each person"
NORMAL_NETWORK: Text = (
    "jitsi.github.io/handbook, Requirements: 500 kbit/s for a stream at 360p; assumed: each person "
    "sees 4 cameras"
)


def capacity_limits(region: Region, node: str, size: MachineSize) -> Iterator[CapacityLimit]:
    """Yield what each resource of a bridge allows."""
    is_low = region.bandwidth == "low"
    kbit, network = (LOW_KBIT, LOW_NETWORK) if is_low else (NORMAL_KBIT, NORMAL_NETWORK)
    streams = None if size.cores is None else size.cores * STREAMS_PER_CORE // STREAMS_SEEN
    by_network = None if size.mbit is None else int(size.mbit * 1000 / kbit)
    memory = scale_figure(PEOPLE, size.memory_gb, MEMORY_GB * 0.94)  # the kernel keeps some
    yield CapacityLimit("people", "software", PEOPLE, SOFTWARE)
    yield CapacityLimit("people", "memory", memory, MEMORY, is_estimate=memory != PEOPLE)
    yield CapacityLimit("people", "cores", streams, CORES, is_estimate=True)
    yield CapacityLimit("people", "network", by_network, network, is_estimate=True)
    if not region.settings_of(Jitsi).relays:
        yield CapacityLimit("people_in_one_meeting", "software", PEOPLE, SOFTWARE)

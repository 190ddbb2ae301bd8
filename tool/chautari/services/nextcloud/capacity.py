"""How many accounts and how much storage Nextcloud has room for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from chautari.language import Text
from chautari.services.capacity_figures import CapacityLimit, MachineSize, scale_figure
from chautari.services.nextcloud.settings import Nextcloud

if TYPE_CHECKING:
    from chautari.region.model import Region

PEOPLE, CORES, MEMORY_GB = 150, 2, 16
DOCUMENTED: Text = (
    "docs.nextcloud.com, Deployment recommendations: up to 150 people with 2 cores and 16 GB"
)
DISK: Text = "free disk space of the machine"
QUOTA: Text = "free disk space of the machine, divided by the quota in region.yml"
_GB = {"MB": 0.001, "GB": 1.0, "TB": 1000.0}


def capacity_limits(region: Region, node: str, size: MachineSize) -> Iterator[CapacityLimit]:
    """Yield what each resource allows; an account counts with its whole quota."""
    by_cores = scale_figure(PEOPLE, size.cores, CORES)
    by_memory = scale_figure(PEOPLE, size.memory_gb, MEMORY_GB * 0.94)  # the kernel keeps some
    yield CapacityLimit("accounts", "cores", by_cores, DOCUMENTED, by_cores != PEOPLE)
    yield CapacityLimit("accounts", "memory", by_memory, DOCUMENTED, by_memory != PEOPLE)
    free = None if size.free_gb is None else int(size.free_gb)
    full = None if free is None else int(free / quota_gb(region.settings_of(Nextcloud).quota))
    yield CapacityLimit("accounts", "disk", full, QUOTA)
    yield CapacityLimit("storage_gb", "disk", free, DISK)


def quota_gb(text: str) -> float:
    """Return an amount of storage, such as `5 GB`, in GB."""
    number, unit = text.split()
    return int(number) * _GB[unit]

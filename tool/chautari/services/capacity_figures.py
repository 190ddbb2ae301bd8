"""How much a service can do on a machine: figures with their sources.

Every figure names who measured or recommends it. Where no source has a figure, the number is None.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

# What is counted: people in meetings at the same time, people in one meeting, accounts, storage.
Kind = Literal["people", "people_in_one_meeting", "accounts", "storage_gb"]
Resource = Literal["cores", "memory", "disk", "network", "software"]


class MachineSize(NamedTuple):
    """What a machine has; None where it is not known.

    Attributes:
        memory_gb: memory in GB (10^9 bytes).
        free_gb: free disk space for data, in GB.
        mbit: speed of the connection in each direction, in Mbit/s.
    """

    cores: int | None = None
    memory_gb: float | None = None
    free_gb: float | None = None
    mbit: float | None = None


class CapacityLimit(NamedTuple):
    """How much one resource of a machine allows.

    Attributes:
        number: None if the resource, or what it allows, is not known.
        source: where the figure is from.
        is_estimate: whether the source's figure was scaled to this machine, or an assumption made.
    """

    kind: Kind
    resource: Resource
    number: int | None
    source: str
    is_estimate: bool = False


def scale_figure(figure: int, has: float | None, needs: float) -> int | None:
    """Return the part of `figure` that a machine with `has` of the `needs` reaches, at most all.

    More than the figure was not measured, so a larger machine counts as one that has all.
    """
    return None if has is None else int(figure * min(1.0, has / needs))

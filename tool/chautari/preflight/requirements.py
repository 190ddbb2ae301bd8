"""What a machine is to become, as the preflight needs to know it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class NodeRequirements:
    """What a node is to become.

    Attributes:
        os: what the machine has to run.
        web: whether it answers on 80 and 443.
        arch: the processor that the region names; empty for any.
        container: whether the machine may be a container, as a sandbox's nodes are.
        memory_mb: memory that a sandbox asks of it in place of what the services ask.
        cores: cores, likewise; 0 where the services say.
        names: public names whose records have to be right before anything begins.
        address: the node's address; A records have to give it and nothing else.
        address6: its IPv6 address, or nothing; likewise for AAAA records.
    """

    os: str
    services: tuple[str, ...]
    web: bool
    arch: str = ""
    container: bool = False
    memory_mb: int = 0
    cores: int = 0
    names: tuple[str, ...] = ()
    address: str = ""
    address6: str = ""

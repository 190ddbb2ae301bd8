"""The requirements that a machine must meet, as the preflight needs them."""

from __future__ import annotations

from typing import NamedTuple


class NodeRequirements(NamedTuple):
    """The requirements of a node's services.

    Attributes:
        os: the required OS and release.
        arch: the required processor; empty for any.
        container: whether the machine may be a container, like the nodes of a sandbox.
        memory_mb: the required memory in a sandbox, instead of what the services require.
        cores: the same for cores; 0 if the services decide.
        names: public names whose records must be right before anything changes.
        domain: the region's domain, if a service of the node answers under it; empty otherwise.
        service_at_domain: this service.
        address: the node's address, the only one that A records may contain.
        address6: the node's IPv6 address or nothing; the same for AAAA records.
    """

    os: str
    services: tuple[str, ...]
    arch: str = ""
    container: bool = False
    memory_mb: int = 0
    cores: int = 0
    names: tuple[str, ...] = ()
    domain: str = ""
    service_at_domain: str = ""
    address: str = ""
    address6: str = ""

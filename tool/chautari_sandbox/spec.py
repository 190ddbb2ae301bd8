"""The desired state of a sandbox, as plain frozen values."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Literal, NamedTuple

from chautari.errors import BadInput
from chautari.language import _

Release = Literal["12", "13"]
RESERVED = ("acme", "internet", "mirror", "smtp")
NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")


class NodeSpec(NamedTuple):
    """One node: `names` are its public DNS names; one that `nests` runs containers itself."""

    name: str
    address: str
    release: Release
    names: tuple[str, ...] = ()
    nests: bool = False


class RequiredArtifact(NamedTuple):
    """One upstream file that a role will download, and its pin.

    An `older` one is a release that an upgrade passes through.
    """

    name: str
    version: str
    file: str
    url: str
    sha256: str
    older: bool = False


class RequiredRepository(NamedTuple):
    """One of upstream's package repositories, and the release that a node will install from it."""

    name: str
    version: str
    key_url: str


class UpstreamImage(NamedTuple):
    """One of upstream's container images, and the release that a node will run."""

    name: str
    version: str


class SandboxSpec(NamedTuple):
    """One sandbox; `owner` says which inventory it was made for."""

    name: str
    zone: str
    network: str
    nodes: tuple[NodeSpec, ...]
    wanted: tuple[RequiredArtifact, ...] = ()
    repositories: tuple[RequiredRepository, ...] = ()
    images: tuple[UpstreamImage, ...] = ()
    mirror: Path | None = None
    owner: str = ""
    neighbours: tuple[str, ...] = ()

    @property
    def internet_address(self) -> str:
        """Return the address of the simulated internet."""
        return str(ipaddress.ip_network(self.network)[2])

    @property
    def gateway(self) -> str:
        """Return this machine's own address in the network."""
        return gateway_of_network(self.network)


def gateway_of_network(network: str) -> str:
    """Return this machine's own address in a network of podman's."""
    return str(ipaddress.ip_network(network)[1])


def validate_spec(spec: SandboxSpec) -> SandboxSpec:
    """Return `spec` if podman and DNS can hold it.

    Raises:
        BadInput: when a name or an address cannot be used.
    """
    network = ipaddress.ip_network(spec.network)
    taken = {str(network[n]) for n in (0, 1, 2, -1)}
    for name in (spec.name, *(node.name for node in spec.nodes)):
        if not NAME.fullmatch(name):
            raise BadInput(
                _("{name!r} is not a valid name: use only a-z, 0-9 and hyphens", name=name)
            )
    for node in spec.nodes:
        if node.name in RESERVED:
            raise BadInput(
                _(
                    "node {name}: the sandbox reserves this name; choose another name",
                    name=node.name,
                )
            )
        if ipaddress.ip_address(node.address) not in network:
            raise BadInput(
                _(
                    "node {name}: {address} is not in {network}; choose another address",
                    name=node.name,
                    address=node.address,
                    network=spec.network,
                )
            )
        if node.address in taken:
            raise BadInput(
                _(
                    "node {name}: {address} is in use; choose another address",
                    name=node.name,
                    address=node.address,
                )
            )
        taken.add(node.address)
    return spec

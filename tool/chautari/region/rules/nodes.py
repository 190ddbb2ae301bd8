"""Rules about the nodes of a region: their addresses, their names, and a sandbox's containers."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address, ip_network

from chautari.language import _
from chautari.region.model import Region
from chautari.region.operating_systems import DEBIAN
from chautari.region.rule import Finding, Pins, Rule
from chautari.services.registry import ROLES

# Groups that Ansible defines itself.
ANSIBLE_GROUPS = ("all", "ungrouped", "localhost")
RESERVED_ADDRESSES = 9  # in a sandbox's network: gateway, simulated internet and room to grow


def check_addresses_are_unique(region: Region, __: Pins) -> Iterator[Finding]:
    """Two nodes with one address and port would be one machine deployed twice."""
    seen: dict[tuple[str, int], str] = {}
    for name, node in region.nodes.items():
        for field, address in (("address", node.address), ("address6", node.address6)):
            if address is None:
                continue
            if other := seen.get((address, node.port)):
                yield (
                    ("nodes", name, field),
                    _(
                        "{address} is already the address of {other}; each node needs its "
                        "own address",
                        address=address,
                        other=other,
                    ),
                )
            seen[address, node.port] = name


def check_address6_is_version_6(region: Region, __: Pins) -> Iterator[Finding]:
    """`address6` is for the AAAA record."""
    for name, node in region.nodes.items():
        if node.address6 and ip_address(node.address6).version != 6:
            yield (
                ("nodes", name, "address6"),
                _(
                    "{address6} is an IPv4 address; write it in `address`, and the IPv6 "
                    "address in `address6`",
                    address6=node.address6,
                ),
            )


def check_names_are_not_groups(region: Region, __: Pins) -> Iterator[Finding]:
    """A node named like one of Ansible's groups would get that group's roles."""
    for name in region.nodes:
        if name in ANSIBLE_GROUPS or name in ROLES:
            yield (
                ("nodes", name),
                _(
                    "{name!r} is reserved (an Ansible group or a role); choose another name",
                    name=name,
                ),
            )


def check_sandbox_addresses_are_inside(region: Region, __: Pins) -> Iterator[Finding]:
    """A sandbox never connects to a real machine, and serves doubles to containers only."""
    if region.sandbox is None:
        return
    network = ip_network(region.sandbox.network)
    for name, node in region.nodes.items():
        address = ip_address(node.address)
        inside = address in network
        reserved = inside and int(address) - int(network.network_address) <= RESERVED_ADDRESSES
        if not inside or reserved or address == network.broadcast_address:
            first = network.network_address + RESERVED_ADDRESSES + 1
            yield (
                ("nodes", name, "address"),
                _(
                    "{address} cannot be the address of a container in this sandbox; choose "
                    "an address from {first} to {broadcast_address}",
                    address=address,
                    first=first,
                    broadcast_address=network.broadcast_address - 1,
                ),
            )


def check_sandbox_has_an_image_for_every_os(region: Region, __: Pins) -> Iterator[Finding]:
    """A sandbox has images of Debian only; what replaces another OS is written down openly."""
    if region.sandbox is None:
        return
    for name, node in region.nodes.items():
        if node.os not in DEBIAN and node.os not in region.sandbox.os_substitutes:
            yield (
                ("nodes", name, "os"),
                _(
                    "the sandbox has no image for {os}; add a substitute: sandbox: "
                    "{{os_substitutes: {{{os}: {{os: debian-12, memory_mb: 900, cores: "
                    "1}}}}}}",
                    os=node.os,
                ),
            )


RULES: tuple[Rule, ...] = (
    check_addresses_are_unique,
    check_address6_is_version_6,
    check_names_are_not_groups,
    check_sandbox_addresses_are_inside,
    check_sandbox_has_an_image_for_every_os,
)

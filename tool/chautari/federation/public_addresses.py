"""Which addresses a peer's server may have, so that no peer leads us to a machine of our own.

This module needs only Python's standard library: nodes use it too.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

# Not for machines of others, although some releases of Python call them global: the whole of what
# RFC 6890 reserves for protocols (Oracle's metadata is there), and the metadata of Azure.
_RESERVED = tuple(map(ip_network, ("192.0.0.0/24", "168.63.129.16/32")))
_GLOBAL_UNICAST = ip_network("2000::/3")  # all that IANA gives to providers (RFC 4291)
_NAT64 = ip_network("64:ff9b::/96")  # how networks without IPv4 reach it (RFC 6052)


def is_allowed_peer_address(item: str, peer_networks: Iterable[str]) -> bool:
    """Return whether a peer may have this address: a public one, or one of `peer_networks`."""
    address = ip_address(item)
    if any(address in ip_network(network) for network in peer_networks):
        return True
    inner = _embedded_ipv4(address)
    if inner is not None:
        return _is_public_address(inner) and (address in _NAT64 or _is_public_address(address))
    return _is_public_address(address)


def _is_public_address(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv6Address) and address not in _GLOBAL_UNICAST:
        return False
    if any(address in network for network in _RESERVED):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved)


def _embedded_ipv4(address: IPv4Address | IPv6Address) -> IPv4Address | None:
    """Return the IPv4 address that a router takes out of an IPv6 address, if any."""
    if isinstance(address, IPv4Address):
        return None
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]

"""Whether a network on a subnet would make other servers unreachable from this machine."""

from __future__ import annotations

import ipaddress
import json
import socket
import urllib.parse
from collections.abc import Iterable
from typing import Required, TypedDict

from chautari.language import _
from chautari.process import run
from chautari.region.field_types import DOCUMENTATION_NETWORKS
from chautari_sandbox import apt_sources, dns, trust_and_proxies


class Route(TypedDict, total=False):
    """A route as `ip -json` lists it; a `default` or local route may have no device."""

    dst: Required[str]
    dev: str


ROUTES = ("ip", "-json", "-4", "route", "show")


def subnet_conflict(subnet: str, own_interface: str = "") -> str:
    """Return why this machine needs addresses of the subnet; empty when it does not."""
    network = ipaddress.ip_network(subnet)
    routes: list[Route] = json.loads(run(ROUTES).text or "[]")
    return describe_overlapping_route(network, routes, own_interface) or describe_server_in_subnet(
        network, servers_used_by_host()
    )


def find_free_subnet_of_same_size(subnet: str, own_interface: str = "") -> str:
    """Return a part of a documentation network, as large as `subnet`, that nothing here needs.

    Empty when there is none.
    """
    size = ipaddress.ip_network(subnet).prefixlen
    routes: list[Route] = json.loads(run(ROUTES).text or "[]")
    servers = servers_used_by_host()
    for parent in DOCUMENTATION_NETWORKS:
        for part in parent.subnets(new_prefix=max(size, parent.prefixlen)):
            if not describe_overlapping_route(
                part, routes, own_interface
            ) and not describe_server_in_subnet(part, servers):
                return str(part)
    return ""


def describe_overlapping_route(
    network: ipaddress.IPv4Network | ipaddress.IPv6Network,
    routes: Iterable[Route],
    own_interface: str,
) -> str:
    """Return the route that a network would hide; empty when there is none."""
    for route in routes:
        if route["dst"] == "default" or route.get("dev") == own_interface:
            continue
        if network.overlaps(ipaddress.ip_network(route["dst"], strict=False)):
            dev = route.get("dev", _("this machine"))
            return _(
                "{network} overlaps with the route to {dst} on {dev}",
                network=network,
                dst=route["dst"],
                dev=dev,
            )
    return ""


def describe_server_in_subnet(
    network: ipaddress.IPv4Network | ipaddress.IPv6Network, lifelines: Iterable[tuple[str, str]]
) -> str:
    """Return the server that a network would make unreachable; empty when there is none."""
    for name, address in lifelines:
        if ipaddress.ip_address(address) in network:
            return _(
                "{network} contains {address}, the address of {name}",
                network=network,
                address=address,
                name=name,
            )
    return ""


def servers_used_by_host() -> tuple[tuple[str, str], ...]:
    """Return the servers that this machine needs: resolvers, archives, package index."""
    resolvers = [line.split()[1] for line in dns.reachable_resolvers_text().splitlines()]
    uris = [
        line.split()[1]
        for line in apt_sources.sources_list_lines(apt_sources.host_apt_index_targets_text(), "12")
    ]
    index = trust_and_proxies.host_pip_index_url()
    hosts = {urllib.parse.urlsplit(uri).hostname or "" for uri in (*uris, index)} - {""}
    return (
        *((_("this machine's DNS server"), resolver) for resolver in resolvers),
        *((host, address) for host in sorted(hosts) for address in _ipv4_addresses_of_host(host)),
    )


def _ipv4_addresses_of_host(host: str) -> set[str]:
    try:
        found = socket.getaddrinfo(host, None, socket.AF_INET, socket.SOCK_STREAM)
    except OSError:
        return set()
    return {str(item[4][0]) for item in found}

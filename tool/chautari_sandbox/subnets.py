"""Whether a subnet may be used here, before a network on it cuts this machine off."""

from __future__ import annotations

import ipaddress
import json
import socket
import urllib.parse
from collections.abc import Iterable
from typing import Any

from chautari.process import run
from chautari_sandbox import archives, dns, trust

ROUTES = ("ip", "-json", "-4", "route", "show")


def conflict(subnet: str, own_interface: str = "") -> str:
    """Why this machine needs addresses of the subnet for itself; empty when it does not."""
    network = ipaddress.ip_network(subnet)
    routes: list[dict[str, Any]] = json.loads(run(ROUTES).text or "[]")
    return overlap(network, routes, own_interface) or needed(network, lifelines())


def overlap(
    network: ipaddress.IPv4Network | ipaddress.IPv6Network,
    routes: Iterable[dict[str, Any]],
    own_interface: str,
) -> str:
    """The route that a network would hide."""
    for route in routes:
        if route["dst"] == "default" or route.get("dev") == own_interface:
            continue
        if network.overlaps(ipaddress.ip_network(route["dst"], strict=False)):
            return f"{network} overlaps with {route['dst']} on {route.get('dev', 'this machine')}"
    return ""


def needed(
    network: ipaddress.IPv4Network | ipaddress.IPv6Network, lifelines: Iterable[tuple[str, str]]
) -> str:
    """The server that would be out of reach behind a network."""
    for name, address in lifelines:
        if ipaddress.ip_address(address) in network:
            return f"{network} holds {address}, where this machine reaches {name}"
    return ""


def lifelines() -> tuple[tuple[str, str], ...]:
    """The servers that building and preparing need: resolvers, archives, package index."""
    resolvers = [line.split()[1] for line in dns.upstream().splitlines()]
    uris = [line.split()[1] for line in archives.sources(archives.host_targets(), "12")]
    index = trust.package_index()
    hosts = {urllib.parse.urlsplit(uri).hostname or "" for uri in (*uris, index)} - {""}
    return (
        *(("its resolver", resolver) for resolver in resolvers),
        *((host, address) for host in sorted(hosts) for address in _addresses(host)),
    )


def _addresses(host: str) -> set[str]:
    try:
        found = socket.getaddrinfo(host, None, socket.AF_INET, socket.SOCK_STREAM)
    except OSError:
        return set()
    return {str(item[4][0]) for item in found}

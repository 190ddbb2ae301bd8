"""What the firewall role promises, seen from the node."""

from __future__ import annotations

import ipaddress
import json
import re
from typing import Any, NamedTuple

import pytest
from testinfra.host import Host

pytestmark = pytest.mark.role("firewall")

# DHCP clients listen by the nature of the protocol.
DHCP = {("udp", 68), ("udp", 546)}


class Listener(NamedTuple):
    """A socket that waits for peers."""

    protocol: str
    address: str
    port: int
    process: str


def parse(line: str) -> Listener:
    """Read one line of ss -Hltunp."""
    protocol, _, _, _, local, *rest = line.split()
    address, _, port = local.rpartition(":")
    names = re.findall(r'\("([^"]+)"', " ".join(rest[1:]))
    return Listener(protocol, address, int(port), "/".join(sorted(set(names))) or "unknown")


def is_public(listener: Listener) -> bool:
    """Whether others than the node itself can reach the socket."""
    address, _, interface = listener.address.strip("[]").partition("%")
    if interface == "lo":
        return False
    return address == "*" or not ipaddress.ip_address(address.strip("[]")).is_loopback


def is_allowed(listener: Listener, settings: dict[str, Any]) -> bool:
    """Whether the settings know of the socket: its port is open, or kept closed on purpose."""
    if (listener.protocol, listener.port) in DHCP or listener.process == "sshd":
        return True
    if listener.protocol == "tcp" and listener.port == settings["firewall_ssh_port"]:
        return True
    known = [*settings.get("firewall_ports", []), *settings.get("firewall_closed_ports", [])]
    for entry in known:
        first, _, last = str(entry["port"]).partition("-")
        inside = int(first) <= listener.port <= int(last or first)
        if entry["protocol"] == listener.protocol and inside:
            return True
    return False


def input_rules(host: Host) -> list[dict[str, Any]]:
    """The table of ours as the kernel has it."""
    table = host.check_output("nft --json list table inet chautari")
    entries: list[dict[str, Any]] = json.loads(table)["nftables"]
    return entries


@pytest.mark.advice("Load the rules: 'systemctl restart nftables'.", units=["nftables"])
def test_rules_are_loaded(host: Host) -> None:
    """The firewall's rules are loaded and block all ports by default"""
    chains = [entry["chain"] for entry in input_rules(host) if "chain" in entry]
    policies = {chain["name"]: chain.get("policy") for chain in chains}
    assert policies.get("input") == "drop"


@pytest.mark.advice("Deploy again to open the ports of the region's services.", units=["nftables"])
def test_ports_of_the_services_are_open(host: Host, settings: dict[str, Any]) -> None:
    """The loaded rules open the ports of SSH and the services"""
    rules = host.check_output("nft --numeric list table inet chautari")
    opened = " ".join(re.findall(r"dport (\{[^}]+\}|\S+)", rules))
    ports = [str(settings["firewall_ssh_port"])]
    ports += [str(entry["port"]) for entry in settings.get("firewall_ports", [])]
    missing = [port for port in ports if not re.search(rf"(?<![\d-]){port}(?![\d-])", opened)]
    assert not missing, f"not open: {', '.join(missing)}"


@pytest.mark.advice(
    "Deploy again, because only the node itself may use these ports.", units=["nftables"]
)
def test_ports_that_stay_closed_are_closed(host: Host, settings: dict[str, Any]) -> None:
    """No loaded rule opens an internal port"""
    rules = host.check_output("nft --numeric list table inet chautari")
    opened = " ".join(re.findall(r"dport (\{[^}]+\}|\S+)", rules))
    for entry in settings.get("firewall_closed_ports", []):
        port = entry["port"]
        assert not re.search(rf"(?<![\d-]){port}(?![\d-])", opened), f"{port} is open"


@pytest.mark.advice("Enable it: 'systemctl enable --now nftables'.", units=["nftables"])
def test_firewall_comes_up_with_the_node(host: Host) -> None:
    """The firewall is enabled and active"""
    assert host.service("nftables").is_enabled
    assert host.service("nftables").is_running


@pytest.mark.advice(
    "Stop and disable the reported process, or make it listen only on 127.0.0.1.",
    units=[],
)
def test_nothing_else_listens_publicly(host: Host, settings: dict[str, Any]) -> None:
    """Only SSH and the node's services listen on public addresses"""
    listeners = [parse(line) for line in host.check_output("ss -Hltunp").splitlines()]
    stray = [
        f"{one.process} on {one.protocol} {one.address}:{one.port}"
        for one in listeners
        if is_public(one) and not is_allowed(one, settings)
    ]
    assert not stray, "also listening: " + "; ".join(sorted(stray))

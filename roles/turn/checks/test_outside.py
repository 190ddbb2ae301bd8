"""The TURN server as browsers behind a strict firewall use it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import Any

import pytest

from chautari.checks import turn

pytestmark = pytest.mark.role("turn")

UNITS = ["coturn"]
PRIVATE_PEERS = ("10.0.0.1", "127.0.0.1", "169.254.169.254", "192.168.1.1")


@pytest.fixture
def issued(secret: Callable[[str], str]) -> tuple[str, str]:
    """A name and a password as a meeting server makes them, good for some minutes."""
    return turn.temporary_credentials(secret("turn_secret"), int(time.time()) + 600)


@pytest.fixture
def port(settings: dict[str, Any]) -> int:
    """The server's port."""
    return int(settings.get("turn_port", 3478))


@pytest.fixture
def addresses(
    settings: dict[str, Any], resolver_of_reachable_addresses: Callable[[str], list[str]]
) -> list[str]:
    """The addresses of the server that can be tried from here."""
    return resolver_of_reachable_addresses(settings["turn_domain"])


def relay(one: turn.TurnClient, other: turn.TurnClient) -> None:
    """Send data from one client to the other through both their relayed addresses."""
    here, there = one.allocate(), other.allocate()
    one.permit_peer(there)
    other.permit_peer(here)
    for number in range(5):
        data = secrets.token_bytes(400)
        one.send_to_peer(there, data)
        assert other.receive_from_peer() == data, f"packet {number} was lost or changed"
    one.close()
    other.close()


@pytest.mark.advice("Open UDP port 3478 to the node, then check coturn.", units=UNITS)
def test_relay_over_udp(issued: tuple[str, str], port: int, addresses: list[str]) -> None:
    """The relay transports data over UDP"""
    for address in addresses:
        relay(turn.udp_client(address, port, *issued), turn.udp_client(address, port, *issued))


@pytest.mark.advice("Open TCP port 5349 to the node, then check coturn.", units=UNITS)
def test_relay_over_tls(
    settings: dict[str, Any], issued: tuple[str, str], addresses: list[str], ca_file: str
) -> None:
    """The relay transports data over TLS with a valid certificate"""
    if settings.get("turn_tcp", False):
        pytest.skip(
            "a proxy in front of coturn terminates TLS, and the checks of its role test TLS"
        )
    port, name = int(settings.get("turn_tls_port", 5349)), settings["turn_domain"]
    for address in addresses:
        relay(
            turn.tls_client(address, port, name, ca_file, *issued),
            turn.tls_client(address, port, name, ca_file, *issued),
        )


@pytest.mark.advice("Open TCP port 3478 to the node, then check coturn.", units=UNITS)
def test_relay_over_tcp(
    settings: dict[str, Any], issued: tuple[str, str], port: int, addresses: list[str]
) -> None:
    """The relay transports data over TCP"""
    if not settings.get("turn_tcp", False):
        pytest.skip("over TCP, this server accepts only TLS")
    for address in addresses:
        relay(turn.tcp_client(address, port, *issued), turn.tcp_client(address, port, *issued))


@pytest.mark.advice("Deploy again, because the relay accepts every client.", units=UNITS)
def test_wrong_credentials_are_refused(
    issued: tuple[str, str], port: int, addresses: list[str]
) -> None:
    """Wrong and expired credentials are refused"""
    outdated = turn.temporary_credentials(secrets.token_hex(16), 1_700_000_000)
    for name, password in ((issued[0], secrets.token_hex(8)), outdated):
        client = turn.udp_client(addresses[0], port, name, password)
        with pytest.raises(turn.RequestRefused) as refused:
            client.allocate()
        client.stream.close()
        assert refused.value.code in (401, 403), refused.value


@pytest.mark.advice(
    "Deploy again, because strangers can reach private networks through the relay.", units=UNITS
)
def test_private_networks_are_not_relayed_to(
    issued: tuple[str, str], port: int, addresses: list[str]
) -> None:
    """The relay refuses private networks and metadata services"""
    client = turn.udp_client(addresses[0], port, *issued)
    client.allocate()
    for peer in PRIVATE_PEERS:
        with pytest.raises(turn.RequestRefused) as refused:
            client.permit_peer((peer, 80))
        assert refused.value.code == 403, f"{peer}: {refused.value}"
    client.close()

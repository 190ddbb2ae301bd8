"""The TURN server as browsers behind a strict firewall use it."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

import pytest

from chautari.checks import turn
from chautari.checks.xmpp import Bosh, Person

pytestmark = pytest.mark.role("turn")

UNITS = ["coturn"]
Offer = dict[str, dict[str, str]]
PRIVATE_PEERS = ("10.0.0.1", "127.0.0.1", "169.254.169.254", "192.168.1.1")


@pytest.fixture
def offer(settings: dict[str, Any], web: Any) -> Offer:
    """The servers that the meeting page is offered, by kind, with credentials."""
    domain = settings["turn_domain"]
    where = f"guest.{domain}" if settings["jitsi_access"] == "members" else domain
    guest = Person(Bosh(web, f"https://{domain}/http-bind"), where)
    found = {item["type"]: item for item in guest.services(domain)}
    guest.leave()
    return found


@pytest.fixture
def addresses(settings: dict[str, Any], reach: Callable[[str], list[str]]) -> list[str]:
    """The addresses of the server that can be tried from here."""
    return reach(settings["turn_domain"])


def relay(one: turn.Client, other: turn.Client) -> None:
    """Send data from one client to the other through both their relayed addresses."""
    here, there = one.allocate(), other.allocate()
    one.permit(there)
    other.permit(here)
    for number in range(5):
        data = secrets.token_bytes(400)
        one.send(there, data)
        assert other.receive() == data, f"packet {number} was lost or changed"
    one.close()
    other.close()


@pytest.mark.advice("Deploy again: it tells Prosody which servers there are.", units=["prosody"])
def test_only_the_region_s_own_servers_are_offered(settings: dict[str, Any], offer: Offer) -> None:
    """People are offered the region's own servers alone, with credentials"""
    assert set(offer) == {"stun", "turn", "turns"}
    assert {item["host"] for item in offer.values()} == {settings["turn_domain"]}
    for kind in ("turn", "turns"):
        assert offer[kind].get("username"), f"{kind} comes without credentials"


@pytest.mark.advice("Open UDP port 3478 towards the node, then look at coturn.", units=UNITS)
def test_relay_over_udp(offer: Offer, addresses: list[str]) -> None:
    """Data passes the relay over UDP with the credentials that were issued"""
    way = offer["turn"]
    for address in addresses:
        clients = [
            turn.over_udp(address, int(way["port"]), way["username"], way["password"])
            for _ in range(2)
        ]
        relay(*clients)


@pytest.mark.advice("Open TCP port 5349 towards the node, then look at coturn.", units=UNITS)
def test_relay_over_tls(
    settings: dict[str, Any], offer: Offer, addresses: list[str], ca_file: str
) -> None:
    """Data passes the relay over TLS, whose certificate is good"""
    way = offer["turns"]
    for address in addresses:
        clients = [
            turn.over_tls(
                address, int(way["port"]), settings["turn_domain"], ca_file,
                way["username"], way["password"],
            )
            for _ in range(2)
        ]  # fmt: skip
        relay(*clients)


@pytest.mark.advice("Deploy again: the relay is open to everyone.", units=UNITS)
def test_wrong_credentials_are_refused(offer: Offer, addresses: list[str]) -> None:
    """Wrong and outdated credentials are refused"""
    way = offer["turn"]
    outdated = turn.credentials(secrets.token_hex(16), 1_700_000_000)
    for name, password in ((way["username"], secrets.token_hex(8)), outdated):
        client = turn.over_udp(addresses[0], int(way["port"]), name, password)
        with pytest.raises(turn.Refused) as refused:
            client.allocate()
        client.stream.close()
        assert refused.value.code in (401, 403), refused.value


@pytest.mark.advice("Deploy again: strangers reach private networks by the relay.", units=UNITS)
def test_private_networks_are_not_relayed_to(offer: Offer, addresses: list[str]) -> None:
    """Nobody reaches private networks or metadata services by the relay"""
    way = offer["turn"]
    client = turn.over_udp(addresses[0], int(way["port"]), way["username"], way["password"])
    client.allocate()
    for peer in PRIVATE_PEERS:
        with pytest.raises(turn.Refused) as refused:
            client.permit((peer, 80))
        assert refused.value.code == 403, f"{peer}: {refused.value}"
    client.close()

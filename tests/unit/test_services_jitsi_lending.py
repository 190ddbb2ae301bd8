"""A lent video bridge, on both sides: rendered where both ask for it, and taken back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from lending_samples import ENDPOINTS, Side, pinned_sides, shared_sides, take_letter

from chautari.render.variables import NodeContext, all_texts_in, variables_of_node
from chautari.services.jitsi.secrets import xmpp_certificate

MEET = "meet.andes.example.org"
BRIDGE = ["203.0.113.41", "2001:db8::41"]


def xmpp_sources(found: Any) -> list[list[str]]:
    ports = found.public["firewall_ports"]
    return [port["sources"] for port in ports if port["port"] == "5222"]


def assert_nothing_borrowed(borrower: Side) -> None:
    found = borrower.node("cal1")
    assert found.secret["jitsi_peer_accounts"] == []
    assert found.public["jitsi_peer_names"] == []
    assert xmpp_sources(found) == []
    assert found.public["turn_allowed_peers"] == ["203.0.113.12"]


def assert_nothing_lent(lender: Side) -> None:
    found = lender.node("ktm2")
    assert found.public["videobridge_borrowers"] == []
    assert found.secret["videobridge_borrower_passwords"] == {}
    assert found.public["videobridge_relay_id"] == "ktm2"
    assert found.public["videobridge_relays"] is False


def test_borrower_lets_in_the_lent_bridge_and_no_other(tmp_path: Path) -> None:
    borrower, _ = shared_sides(tmp_path)
    found = borrower.node("cal1")
    password = borrower.secrets["jitsi_peer_himalaya"]
    assert found.secret["jitsi_peer_accounts"] == [{"name": "peer-himalaya", "password": password}]
    assert found.public["jitsi_peer_names"] == ["himalaya"]
    assert xmpp_sources(found) == [BRIDGE]
    assert found.public["turn_allowed_peers"] == ["203.0.113.12", *BRIDGE]
    assert password != found.secret["jitsi_bridge_password"]
    assert password in set(all_texts_in(found.secret)) and password not in str(found.public)


def test_lent_bridge_of_another_sandbox_comes_from_the_gateway(tmp_path: Path) -> None:
    borrower, _ = shared_sides(tmp_path)
    endpoints = replace(ENDPOINTS, peer_gateway="203.0.113.1")
    found = variables_of_node(NodeContext(borrower.deploy(), endpoints, "cal1"), borrower.secrets)
    assert xmpp_sources(found) == [[*BRIDGE, "203.0.113.1"]]
    # Only ports for peers are open to it.
    ports = found.public["firewall_ports"]
    assert sum("203.0.113.1" in port.get("sources", []) for port in ports) == 1


def test_lent_bridge_joins_the_server_of_the_borrower_too(tmp_path: Path) -> None:
    borrower, lender = shared_sides(tmp_path)
    found = lender.node("ktm2")
    [server] = found.public["videobridge_borrowers"]
    assert server == {
        "name": "andes", "domain": MEET, "user": "peer-himalaya", "nickname": "himalaya-ktm2",
        "certificate": xmpp_certificate(borrower.secrets["jitsi_key"], MEET),
    }  # fmt: skip
    password = borrower.secrets["jitsi_peer_himalaya"]
    assert found.secret["videobridge_borrower_passwords"] == {"andes": password}
    assert password in set(all_texts_in(found.secret)) and password not in str(found.public)
    assert found.public["videobridge_relay_id"] == "himalaya-ktm2"
    assert found.public["videobridge_relays"] is True
    # It still joins its own meeting node as before.
    assert found.public["videobridge_domain"] == "meet.himalaya.example.org"
    assert found.public["videobridge_nickname"] == "ktm2"


def test_peer_cannot_take_the_place_of_another_meeting_service(tmp_path: Path) -> None:
    """A peer's domain may contain this region's domain."""
    _, lender = shared_sides(tmp_path)
    known = lender.deploy()
    context = NodeContext(known, ENDPOINTS, "ktm2")
    request = known.received["andes"].requests["jitsi-bridge"]
    own = request.model_copy(update={"domain": "meet.himalaya.example.org"})
    letter = known.received["andes"]._replace(requests={"jitsi-bridge": own})
    taken = context._replace(loaded_region=known._replace(received={"andes": letter}))
    assert len(variables_of_node(context, None).public["videobridge_borrowers"]) == 1
    assert variables_of_node(taken, None).public["videobridge_borrowers"] == []


def test_meeting_node_of_the_lender_is_not_lent(tmp_path: Path) -> None:
    _, lender = shared_sides(tmp_path)
    found = lender.node("ktm1")
    assert found.public["videobridge_borrowers"] == []
    assert found.public["videobridge_relays"] is False
    assert "videobridge_borrower_passwords" not in found.secret
    assert xmpp_sources(found) == [BRIDGE]  # the lender's own bridge


def test_nothing_is_shared_before_the_letters_are_there(tmp_path: Path) -> None:
    borrower, lender = pinned_sides(tmp_path)
    assert_nothing_borrowed(borrower)
    assert_nothing_lent(lender)


def test_lender_that_stops_lending_takes_its_bridge_back(tmp_path: Path) -> None:
    borrower, lender = shared_sides(tmp_path)
    lender.text = lender.text.replace("lend: {andes: [jitsi-bridge]}", "lend: {}")
    assert_nothing_lent(lender)
    take_letter(lender, borrower)
    assert_nothing_borrowed(borrower)


def test_borrower_that_stops_borrowing_removes_the_account(tmp_path: Path) -> None:
    borrower, lender = shared_sides(tmp_path)
    borrower.text = borrower.text.replace("borrow: {himalaya: [jitsi-bridge]}", "borrow: {}")
    assert_nothing_borrowed(borrower)
    take_letter(borrower, lender)
    assert_nothing_lent(lender)


@pytest.mark.parametrize("who", ["borrower", "lender"])
def test_leaving_takes_everything_back(who: str, tmp_path: Path) -> None:
    borrower, lender = shared_sides(tmp_path)
    side = borrower if who == "borrower" else lender
    side.text = "".join(
        line for line in side.text.splitlines(keepends=True) if "federation" not in line
    )
    if who == "borrower":
        assert_nothing_borrowed(borrower)
    else:
        assert_nothing_lent(lender)


def test_node_without_open_secrets_shows_no_address_of_a_peer(tmp_path: Path) -> None:
    borrower, _ = shared_sides(tmp_path)
    rendered = variables_of_node(NodeContext(borrower.load(), ENDPOINTS, "cal1"), None)
    assert xmpp_sources(rendered) == [] and not rendered.secret

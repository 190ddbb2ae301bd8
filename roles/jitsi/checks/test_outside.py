"""Jitsi Meet as people use it: pages, logins, rooms and chat, by BOSH and by websocket."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chautari.checks import security_headers, turn
from chautari.services.jitsi.xmpp import Participant, XMPPOverBosh, XMPPOverWebsocket

pytestmark = pytest.mark.role("jitsi")

# One path for each kind of location in nginx's settings.
LOCATIONS = (
    "/",
    "/config.js",
    "/external_api.js",
    "/libs/no-such-file",
    "/http-bind",
    "/AnyRoom",
    "/.hidden",
)

UNITS = ["prosody", "jicofo", "nginx"]
ACCOUNT = "chautari-check"
Door = Callable[..., Participant]


@pytest.fixture
def domain(settings: dict[str, Any]) -> str:
    """The name of the service."""
    return str(settings["jitsi_domain"])


@pytest.fixture
def guests(settings: dict[str, Any], domain: str) -> str:
    """The domain that people without an account log in at."""
    return f"guest.{domain}" if settings["jitsi_access"] == "members" else domain


@pytest.fixture
def room(domain: str) -> str:
    """The address of a room that nobody else is in."""
    return f"chautari-check-{secrets.token_hex(6)}@conference.{domain}"


@pytest.fixture
def door(web: Any, domain: str) -> Iterator[Door]:
    """Lets people in by BOSH, and sees them off when the check is over."""
    inside: list[Participant] = []

    def let_in(where: str, name: str = "", password: str = "") -> Participant:
        person = Participant(
            XMPPOverBosh(web, f"https://{domain}/http-bind"), where, name, password
        )
        inside.append(person)
        return person

    yield let_in
    for person in inside:
        person.leave()


@pytest.fixture
def host_of_rooms(
    settings: dict[str, Any], domain: str, door: Door, secret: Callable[[str], str]
) -> Participant:
    """Someone who may open a room."""
    if settings["jitsi_access"] == "open":
        return door(domain)
    return door(domain, ACCOUNT, secret("jitsi_check_password"))


@pytest.mark.advice("Check DNS, and nginx on the node.", units=["nginx"])
def test_page_of_a_room_is_served(domain: str, web: Any) -> None:
    """The page of a room loads"""
    for path in ("/", "/a-room-of-ours"):
        answer = web.get(f"https://{domain}{path}")
        assert answer.status_code == 200, f"{path}: {answer.status_code}"
        assert "Jitsi Meet" in answer.text, f"{path} is not the page of Jitsi Meet"
        assert "<!--#include" not in answer.text, (
            f"{path}: nginx does not process the includes in the page"
        )


@pytest.mark.advice("Deploy again to write the settings of the web pages.", units=["nginx"])
def test_page_asks_nobody_outside_the_region(domain: str, web: Any) -> None:
    """The settings of the web pages contain no server of a third party"""
    answer = web.get(f"https://{domain}/config.js")
    assert answer.status_code == 200, f"{answer.status_code}"
    found = re.search(r"var config = (\{.*\});", answer.text, re.S)
    assert found, f"this is not the settings file: {answer.text[:200]}"
    config = json.loads(found[1])
    assert config["disableThirdPartyRequests"] is True
    assert config["gravatar"]["disabled"] is True
    assert config["analytics"]["disabled"] is True
    assert config["p2p"] == {"enabled": False, "stunServers": []}
    hosts = set(re.findall(r"(?:https?|wss?|stun|turns?):(?://)?([A-Za-z0-9.-]+)", answer.text))
    assert hosts == {domain}, f"the settings contain the servers {hosts}"


@pytest.mark.advice("Deploy again to write nginx's settings.", units=["nginx"])
def test_security_headers_are_sent(domain: str, web: Any) -> None:
    """Security headers are sent"""
    headers = web.get(f"https://{domain}/").headers
    hsts = re.fullmatch(r"max-age=(\d+).*", headers.get("Strict-Transport-Security", ""))
    assert hsts and int(hsts[1]) >= 63072000, headers.get("Strict-Transport-Security")
    assert headers.get("X-Content-Type-Options") == "nosniff"
    assert headers.get("Referrer-Policy") == "no-referrer"


@pytest.mark.advice(
    "Close the ports, because only the node itself may connect to them.", units=UNITS
)
def test_private_interfaces_are_closed(domain: str, web: Any) -> None:
    """The private interfaces of Jicofo and the bridge are not reachable from outside"""
    for path in ("/colibri/stats", "/about/health", "/stats"):
        answer = web.get(f"https://{domain}{path}")
        assert "bridge_selector" not in answer.text, f"{path} shows Jicofo's statistics"
        assert "stress_level" not in answer.text, f"{path} shows the bridge's statistics"
        assert answer.status_code == 404 or "<html" in answer.text, f"{path}: {answer.text[:80]}"


@pytest.mark.advice("Read /var/log/prosody/prosody.log on the node.", units=UNITS)
def test_guest_comes_in_by_bosh(door: Door, guests: str) -> None:
    """A guest can connect with BOSH"""
    assert door(guests).jid.endswith(f"@{guests}") or f"@{guests}/" in door(guests).jid


@pytest.mark.advice("Read nginx's error log and Prosody's log on the node.", units=UNITS)
def test_guest_comes_in_by_websocket(
    domain: str,
    guests: str,
    resolver_of_reachable_addresses: Callable[[str], list[str]],
    ca_file: str,
) -> None:
    """A guest can connect with WebSocket, on every address"""
    for address in resolver_of_reachable_addresses(domain):
        line = XMPPOverWebsocket(domain, "/xmpp-websocket", address, ca_file)
        person = Participant(line, guests)
        assert f"@{guests}/" in person.jid, person.jid
        person.leave()


@pytest.mark.advice("Deploy again to apply the access setting of the region.", units=UNITS)
def test_guest_cannot_open_a_room_where_members_do(
    settings: dict[str, Any], door: Door, domain: str, guests: str, room: str
) -> None:
    """A guest cannot open a room that only members may open"""
    if settings["jitsi_access"] == "open":
        pytest.skip("anyone may open rooms in this region")
    guest = door(guests)
    assert guest.try_to_open_room(f"focus.{domain}", room) == "not-authorized"
    assert guest.try_to_join_room(room, "guest") == "not-allowed"


@pytest.mark.advice("Deploy again to apply the access setting of the region.", units=UNITS)
def test_stranger_cannot_log_in(settings: dict[str, Any], door: Door, domain: str) -> None:
    """A member cannot log in with a wrong password"""
    if settings["jitsi_access"] == "open":
        pytest.skip("this region has no logins")
    with pytest.raises(PermissionError):
        door(domain, ACCOUNT, secrets.token_hex(8))
    with pytest.raises(PermissionError):
        door(domain)


@pytest.mark.advice(
    "Read /var/log/jitsi/jicofo.log. Check that 'prosodyctl mod_chautari_accounts list' shows the "
    "members.",
    units=UNITS,
)
def test_room_is_opened_and_people_chat(
    domain: str, door: Door, guests: str, room: str, host_of_rooms: Participant
) -> None:
    """A member opens a room, a guest joins, and they chat"""
    assert host_of_rooms.try_to_open_room(f"focus.{domain}", room) == "ready"
    assert host_of_rooms.try_to_join_room(room, "host") == "inside"
    guest = door(guests)
    assert guest.try_to_open_room(f"focus.{domain}", room) == "ready"
    assert guest.try_to_join_room(room, "guest") == "inside"
    guest.send_message(room, "hello from the guest")
    assert host_of_rooms.wait_for_sender_of_text("hello from the guest") == f"{room}/guest"
    host_of_rooms.send_message(room, "hello from the host")
    assert guest.wait_for_sender_of_text("hello from the host") == f"{room}/host"


@pytest.mark.advice("Deploy again to write the settings of Prosody.", units=["prosody"])
def test_features_of_meetings_are_announced(domain: str, door: Door, guests: str) -> None:
    """Polls, breakout rooms, the lobby, moderation and speaker statistics are available"""
    announced = door(guests).discover_components(domain)
    expected = {
        "av_moderation": f"avmoderation.{domain}",
        "breakout_rooms": f"breakout.{domain}",
        "end_conference": f"endconference.{domain}",
        "lobbyrooms": f"lobby.{domain}",
        "polls": f"polls.{domain}",
        "room_metadata": f"metadata.{domain}",
        "speakerstats": f"speakerstats.{domain}",
    }
    missing = {name for name, host in expected.items() if announced.get(name) != host}
    assert not missing, f"not available: {', '.join(sorted(missing))}"


@pytest.mark.advice("Deploy again to write the list of relays for Prosody.", units=["prosody"])
def test_only_the_region_s_own_relays_are_offered(
    domain: str,
    door: Door,
    guests: str,
    resolver_of_reachable_addresses: Callable[[str], list[str]],
) -> None:
    """Browsers get only the region's own relays, with working credentials"""
    offer = {item["type"]: item for item in door(guests).relay_servers(domain)}
    assert set(offer) == {"stun", "turn", "turns"}
    assert {item["host"] for item in offer.values()} == {domain}
    for kind in ("turn", "turns"):
        assert offer[kind].get("username"), f"{kind} has no credentials"
    way = offer["turn"]
    client = turn.udp_client(
        resolver_of_reachable_addresses(domain)[0],
        int(way["port"]),
        way["username"],
        way["password"],
    )
    assert client.allocate()
    client.close()


@pytest.mark.advice("Deploy again to write nginx's settings.", units=["nginx"])
def test_every_location_has_security_headers(domain: str, web: Any) -> None:
    """Security headers are sent by each location of the site, once"""
    security_headers.assert_security_headers(web, f"https://{domain}", LOCATIONS)

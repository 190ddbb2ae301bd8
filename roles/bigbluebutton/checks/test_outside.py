"""BigBlueButton as people and programs use it: meetings by the interface, relays, media's way."""

from __future__ import annotations

import ipaddress
import re
import secrets
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chautari.checks import http2_client, security_headers, turn, udp
from chautari.services.bigbluebutton.api_client import BigBlueButtonServer, RequestRefused

pytestmark = pytest.mark.role("bigbluebutton")

# One path for each kind of location in nginx's settings.
LOCATIONS = (
    "/",
    "/chautari/welcome.pdf",
    "/chautari/door",
    "/bigbluebutton/api",
    "/html5client/",
    "/plugins/no-such-file",
)

UNITS = ["haproxy", "nginx", "bbb-web"]
ALGORITHMS = ("sha1", "sha256", "sha384", "sha512")
MEDIA = udp.PortRange(16384, 32768)
RELAYED = udp.PortRange(32769, 65535)
GUESTS = {"ask": "WAIT", "accept": "ALLOW", "refuse": "DENY"}
AddressResolver = Callable[[str], list[str]]


@pytest.fixture
def domain(settings: dict[str, Any]) -> str:
    """The name of the server."""
    return str(settings["bigbluebutton_domain"])


@pytest.fixture
def server(web: Any, domain: str, secret: Callable[[str], str]) -> BigBlueButtonServer:
    """The server's interface."""
    return BigBlueButtonServer(web, domain, secret("bigbluebutton_secret"))


@pytest.fixture
def opened(server: BigBlueButtonServer) -> Iterator[Callable[..., str]]:
    """Opens meetings of the checks' own, and ends them when the check is over."""
    names: list[str] = []

    def open_one(**more: object) -> str:
        name = f"chautari-check-{secrets.token_hex(8)}"
        server.call("create", meetingID=name, name="Chautari check", **more)
        names.append(name)
        return name

    yield open_one
    for name in names:
        try:
            server.call("end", meetingID=name)
        except RequestRefused as refused:
            assert refused.key == "notFound", refused


@pytest.fixture
def meeting(opened: Callable[..., str]) -> str:
    """A meeting of the checks' own, which nobody records."""
    return opened(record=False)


def join(server: BigBlueButtonServer, meeting: str, role: str, **more: object) -> Any:
    """Come into a meeting, and return what the server says to that."""
    return server.call(
        "join", meetingID=meeting, fullName="Chautari check", role=role, redirect=False, **more
    )


@pytest.mark.advice("Check DNS, and haproxy and nginx on the node.", units=UNITS)
def test_pages_are_served(domain: str, web: Any) -> None:
    """The server's page and its default slides load"""
    page = web.get(f"https://{domain}/")
    assert page.status_code == 200, f"{page.status_code}"
    hsts = re.fullmatch(r"max-age=(\d+).*", page.headers.get("Strict-Transport-Security", ""))
    assert hsts and int(hsts[1]) >= 63072000, page.headers.get("Strict-Transport-Security")
    slides = web.get(f"https://{domain}/chautari/welcome.pdf")
    assert slides.status_code == 200, f"{slides.status_code}"
    assert slides.content.startswith(b"%PDF-"), slides.content[:20]


@pytest.mark.advice("Read /var/log/bigbluebutton/bbb-web.log on the node.", units=UNITS)
def test_interface_tells_its_version(server: BigBlueButtonServer) -> None:
    """The API responds and returns its version"""
    assert re.fullmatch(r"\d+\.\d+", server.call("").findtext("version") or "")


@pytest.mark.advice(
    "Deploy again to give the server and the programs the same secret.", units=UNITS
)
def test_right_signatures_are_taken(settings: dict[str, Any], server: BigBlueButtonServer) -> None:
    """Requests signed with the secret are accepted, but only with the region's algorithms"""
    allowed = settings.get("bigbluebutton_checksums", ["sha256", "sha384", "sha512"])
    for algorithm in ALGORITHMS:
        signing = BigBlueButtonServer(server.web, "", server.secret, algorithm)
        signing.url = server.url
        if algorithm in allowed:
            signing.call("getMeetings")
        else:
            with pytest.raises(RequestRefused) as refused:
                signing.call("getMeetings")
            assert refused.value.key == "checksumError", refused.value


@pytest.mark.advice("Deploy again now, because strangers can open and end meetings.", units=UNITS)
def test_wrong_signatures_are_refused(server: BigBlueButtonServer) -> None:
    """Requests signed with another secret are refused"""
    stranger = BigBlueButtonServer(server.web, "", secrets.token_hex(20))
    stranger.url = server.url
    for call in ("getMeetings", "create", "end"):
        with pytest.raises(RequestRefused) as refused:
            stranger.call(call, meetingID="chautari-check", name="Chautari check")
        assert refused.value.key == "checksumError", refused.value


@pytest.mark.advice("Read /var/log/bigbluebutton/bbb-web.log on the node.", units=UNITS)
def test_meeting_is_opened_joined_and_ended(
    settings: dict[str, Any], server: BigBlueButtonServer, meeting: str
) -> None:
    """A meeting opens, a moderator and an attendee join, and the meeting ends"""
    told = server.call("getMeetingInfo", meetingID=meeting)
    assert told.findtext("meetingID") == meeting
    listed = [item.findtext("meetingID") for item in server.call("getMeetings").iter("meeting")]
    assert meeting in listed
    sessions = set()
    for role in ("MODERATOR", "VIEWER"):
        found = join(server, meeting, role)
        sessions.add(found.findtext("session_token"))
        assert f"https://{settings['bigbluebutton_domain']}/" in (found.findtext("url") or ""), role
    assert len(sessions) == 2 and all(sessions), "both participants have the same session"
    server.call("end", meetingID=meeting)
    for _ in range(30):
        # An ended meeting is still known for a while.
        try:
            told = server.call("getMeetingInfo", meetingID=meeting)
        except RequestRefused as refused:
            assert refused.key == "notFound", refused
            return
        if told.findtext("hasBeenForciblyEnded") == "true":
            return
        time.sleep(2)
    pytest.fail(
        "the meeting is still running one minute after the request to end it", pytrace=False
    )


@pytest.mark.advice(
    "Deploy again, because guests are not admitted as region.yml says.", units=UNITS
)
def test_guests_are_treated_as_the_region_says(
    settings: dict[str, Any], server: BigBlueButtonServer, meeting: str
) -> None:
    """Guests wait, join or are refused, as region.yml says"""
    wanted = GUESTS[settings["bigbluebutton_guests"]]
    try:
        found = join(server, meeting, "VIEWER", guest=True)
    except RequestRefused as refused:
        assert wanted == "DENY", refused
        assert refused.key in ("guestDeny", "guestDeniedAccess"), refused
        return
    assert found.findtext("guestStatus") == wanted


@pytest.mark.advice("Deploy again to set whether meetings may be recorded.", units=UNITS)
def test_nothing_is_recorded_that_the_region_does_not_want(
    settings: dict[str, Any], server: BigBlueButtonServer, opened: Callable[..., str]
) -> None:
    """Meetings are recorded only on request, and never if the region does not allow recordings

    If it has recordings, the check does not request one: its raw files would stay on the server.
    """
    meeting = opened(record=not settings["bigbluebutton_recordings"])
    told = server.call("getMeetingInfo", meetingID=meeting).findtext("recording")
    assert told == "false", f"recording is {told}"


def offers(server: BigBlueButtonServer, domain: str, meeting: str) -> Any:
    """The servers that someone in a meeting is offered to find their way by."""
    token = join(server, meeting, "MODERATOR").findtext("session_token")
    answer = server.web.get(f"https://{domain}/bigbluebutton/api/stuns?sessionToken={token}")
    assert answer.status_code == 200, answer.status_code
    return answer.json()


@pytest.mark.advice(
    "Deploy again to write the list of relays. Then check coturn.", units=["coturn"]
)
def test_region_s_own_relay_works(
    server: BigBlueButtonServer,
    domain: str,
    meeting: str,
    resolver_of_reachable_addresses: AddressResolver,
    ca_file: str,
) -> None:
    """Browsers get only the region's own relay, with working credentials"""
    offer = offers(server, domain, meeting)
    urls = [item["url"] for item in (*offer["stunServers"], *offer["turnServers"])]
    hosts = {url.partition(":")[2].partition(":")[0] for url in urls}
    assert hosts == {domain}, urls
    ways = {item["url"]: (item["username"], item["password"]) for item in offer["turnServers"]}
    names = [url for url in ways if url.startswith("turns:")]
    assert names and any(url.startswith("turn:") for url in ways), urls
    for address in resolver_of_reachable_addresses(domain):
        for url, (name, password) in ways.items():
            client = client_for(url, address, domain, ca_file, name, password)
            assert client.allocate(), url
            client.close()


def client_for(
    url: str, address: str, domain: str, ca_file: str, name: str, password: str
) -> turn.TurnClient:
    """A client that goes the way that an offer names."""
    scheme, _, rest = url.partition(":")
    named = re.search(r":(\d+)", rest)
    assert named, f"{url} has no port"
    port = int(named[1])
    if scheme == "turns":
        return turn.tls_client(address, port, domain, ca_file, name, password)
    if rest.endswith("transport=tcp"):
        return turn.tcp_client(address, port, name, password)
    return turn.udp_client(address, port, name, password)


@pytest.mark.advice("Deploy again to write the rules of haproxy.", units=["haproxy", "coturn"])
@pytest.mark.parametrize("protocols", [(), ("stun.turn",)], ids=["first-byte", "named"])
def test_proxy_leads_the_relay_s_guests_to_it(
    domain: str,
    secret: Callable[[str], str],
    resolver_of_reachable_addresses: AddressResolver,
    ca_file: str,
    protocols: tuple[str, ...],
) -> None:
    """TURN over TLS on port 443 reaches the relay, with and without ALPN"""
    name, password = turn.temporary_credentials(
        secret("bigbluebutton_turn_secret"), int(time.time()) + 600
    )
    for address in resolver_of_reachable_addresses(domain):
        client = turn.tls_client(address, 443, domain, ca_file, name, password, protocols)
        assert client.allocate()
        client.close()


@pytest.mark.advice("Deploy again to write the rules of haproxy.", units=["haproxy", "nginx"])
def test_proxy_leads_http_to_its_two_doors(
    domain: str, web: Any, resolver_of_reachable_addresses: AddressResolver, ca_file: str
) -> None:
    """HTTP/1.1 and HTTP/2 requests reach the right ports, with the client's address"""
    seen = set()
    old = web.get(f"https://{domain}/chautari/door")
    assert old.status_code == 200, old.status_code
    address, port = old.text.split()
    assert port == "81", f"HTTP/1.1 arrived at port {port}"
    seen.add(address)
    for place in resolver_of_reachable_addresses(domain):
        channel = http2_client.connect_with_http2(place, domain, ca_file)
        status, body = http2_client.send_get_request(channel, domain, "/chautari/door")
        channel.close()
        assert status == 200, f"HTTP/2 at {place}: {status}"
        address, port = body.decode().split()
        assert port == "82", f"HTTP/2 arrived at port {port}"
        seen.add(address)
    own = {str(ipaddress.ip_address(place)) for place in resolver_of_reachable_addresses(domain)}
    for address in seen:
        assert not ipaddress.ip_address(address).is_loopback, (
            "every client appears to have the proxy's address"
        )
        assert address not in own, "every client appears to have the node's address"


@pytest.mark.advice(
    "Open UDP ports 16384-32768 and 32769-65535 to the node. Open them at the provider's"
    " firewall and at the router as well.",
    units=["nftables"],
)
def test_way_of_media_is_open(
    domain: str, secret: Callable[[str], str], resolver_of_reachable_addresses: AddressResolver
) -> None:
    """UDP packets from outside reach the media ports"""
    addresses = [
        place for place in resolver_of_reachable_addresses(domain) if ":" not in place
    ] or resolver_of_reachable_addresses(domain)
    parts = MEDIA.split_into(2)
    closed = [part for part in parts if not udp.packet_arrives_in_range(addresses[0], part)]
    if not closed:
        return
    if len(closed) == len(parts) and not udp.packet_arrives_in_range(addresses[0], RELAYED):
        only_icmp_is_missing(addresses[0], secret("bigbluebutton_turn_secret"))
    named = ", ".join(f"{part.first}-{part.last}" for part in closed)
    pytest.fail(f"packets do not reach UDP ports {named}", pytrace=False)


def only_icmp_is_missing(address: str, secret: str) -> None:
    """Skip the check when packets do come through, but no word of unused ports comes back."""
    client = turn.udp_client(
        address, 3478, *turn.temporary_credentials(secret, int(time.time()) + 600)
    )
    try:
        arrived = client.is_relayed_address_reachable(client.allocate())
    except turn.RequestRefused as refused:
        pytest.skip(f"the relay does not serve this machine's address: {refused}")
    finally:
        client.close()
    if arrived:
        pytest.skip("the node sends no ICMP to this machine, so its unused ports cannot be tested")


@pytest.mark.advice("Deploy again to write nginx's settings.", units=["nginx"])
def test_every_location_has_security_headers(domain: str, web: Any) -> None:
    """Security headers are sent by each location of the site, once"""
    security_headers.assert_security_headers(web, f"https://{domain}", LOCATIONS)

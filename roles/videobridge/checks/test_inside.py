"""What the videobridge role promises, seen from the node."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import socket
import struct
import time
import uuid
import zlib
from typing import Any

import pytest
from testinfra.host import Host

from chautari.checks import sandboxing

pytestmark = pytest.mark.role("videobridge")

UNITS = ["jitsi-videobridge2"]
FILES = ("/etc/jitsi/videobridge/config", "/etc/jitsi/videobridge/jvb.conf")
ASK = "import sys, urllib.request as u; print(u.urlopen(sys.argv[1], timeout=10).read().decode())"


POST = """import sys, urllib.request as u
r = u.Request(sys.argv[1], sys.argv[2].encode(), {"Content-Type": "application/json"})
print(u.urlopen(r, timeout=10).read().decode())"""


def ask(host: Host, path: str) -> Any:
    """What the bridge's private interface answers."""
    result = host.run("python3 -c %s %s", ASK, f"http://127.0.0.1:8080{path}")
    assert result.rc == 0, f"{path}: {result.stderr.strip().splitlines()[-1]}"
    return json.loads(result.stdout) if result.stdout.strip() else {}


@pytest.mark.advice("Start it: 'systemctl enable --now jitsi-videobridge2'.", units=UNITS)
def test_bridge_runs(host: Host) -> None:
    """The bridge is enabled and running"""
    assert host.service("jitsi-videobridge2").is_enabled
    assert host.service("jitsi-videobridge2").is_running


@pytest.mark.advice("Read /var/log/jitsi/jvb.log on the node.", units=UNITS)
def test_bridge_is_healthy(host: Host) -> None:
    """The bridge's health page reports success"""
    for _ in range(30):
        result = host.run("python3 -c %s %s", ASK, "http://127.0.0.1:8080/about/health")
        if result.rc == 0:
            return
        time.sleep(2)
    pytest.fail(result.stderr.strip().splitlines()[-1], pytrace=False)


@pytest.mark.advice(
    "Read in /var/log/jitsi/jvb.log why the bridge cannot log in to the meeting node. Check that "
    "TCP port 5222 of the meeting node is open to this node.",
    units=UNITS,
)
def test_bridge_has_joined_the_meeting_node(host: Host, settings: dict[str, Any]) -> None:
    """The bridge has joined the meeting node

    At a first deploy the meeting node may take minutes longer than this one. The meeting nodes of
    other regions, which borrow the bridge, may be down.
    """
    for _ in range(180):
        statistics = ask(host, "/colibri/stats")
        if statistics.get("muc_clients_connected", 0) and statistics.get("mucs_joined", 1):
            break
        time.sleep(2)
    connected = statistics.get("muc_clients_connected", 0)
    configured = statistics.get("muc_clients_configured", 1)
    assert connected >= configured - len(settings["videobridge_borrowers"]), (
        f"{connected} of {configured} connections to XMPP servers are open"
    )


@pytest.mark.advice(
    "The bridge is set to refuse new meetings. To accept meetings again, send a POST request to "
    "http://127.0.0.1:8080/colibri/drain/disable on the node.",
    units=UNITS,
)
def test_bridge_takes_meetings(host: Host) -> None:
    """The bridge accepts new meetings"""
    assert ask(host, "/colibri/drain") == {"drain": False}


@pytest.mark.advice("Deploy again to write the settings relays and region.", units=UNITS)
def test_bridge_relays_as_the_region_says(host: Host, settings: dict[str, Any]) -> None:
    """The bridge can send media to other bridges if `relays` is true"""
    if not settings["videobridge_relays"]:
        pytest.skip("bridges of this region do not send media to each other")
    statistics = ask(host, "/colibri/stats")
    assert statistics.get("region") == settings["videobridge_region"]
    assert statistics.get("relay_id") == settings["videobridge_relay_id"]


@pytest.mark.advice("Close the port, because only the node itself may connect to it.", units=UNITS)
def test_private_interface_is_on_the_loopback(host: Host) -> None:
    """The bridge's private interface listens only on the loopback address"""
    lines = host.check_output("ss -Hltn sport = :8080").splitlines()
    local = [line.split()[3].rpartition(":")[0].strip("[]") for line in lines]
    assert local, "nothing listens on port 8080"
    assert set(local) <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}, local


@pytest.mark.advice(
    "Run 'ss -lunp' on the node to find the other program that uses the port.", units=UNITS
)
def test_bridge_listens_for_media(host: Host, settings: dict[str, Any]) -> None:
    """The bridge listens for media"""
    port = settings.get("videobridge_port", 10000)
    assert host.check_output("ss -Hlun sport = :%s", str(port)), (
        f"nothing listens on UDP port {port}"
    )


@pytest.mark.advice(
    "Deploy again. If this happens again, report it with the output of 'dpkg-reconfigure'.",
    units=[],
)
def test_package_leaves_the_configuration_alone(host: Host) -> None:
    """The package's script would not change the configuration"""
    text = host.file(FILES[0]).content_string
    for mark in ("JVB_HOSTNAME=", "JVB_SECRET=", "-Dconfig.file=/etc/jitsi/videobridge/jvb.conf"):
        assert mark in text, f"{FILES[0]} lacks {mark}"
    assert "--apis=" not in text
    assert "jitsi.net" not in host.file(FILES[1]).content_string, (
        "the settings contain a third party's STUN server"
    )


@pytest.mark.advice("Deploy again, because these files contain the password.", units=[])
def test_configuration_is_closed_to_others(host: Host) -> None:
    """Other accounts cannot read the configuration, which contains the password"""
    for path in FILES:
        file = host.file(path)
        assert (file.user, file.group, file.mode) == ("jvb", "jitsi", 0o640), path


@pytest.mark.advice("Restart it: 'systemctl restart jitsi-videobridge2'.", units=UNITS)
def test_configuration_is_in_use(host: Host) -> None:
    """The bridge has loaded its current configuration"""
    loaded = "/run/chautari-jitsi-videobridge2.loaded"
    newer = host.check_output("find %s %s -newer %s", *FILES, loaded)
    assert not newer, (
        f"changed since the bridge last loaded its configuration: {', '.join(newer.split())}"
    )


def conference(host: Host, meeting: str, endpoint: dict[str, Any], **more: Any) -> Any:
    """What the bridge answers to a change of a meeting."""
    body = json.dumps({"meeting-id": meeting, "endpoints": [endpoint], **more})
    result = host.run(
        "python3 -c %s %s %s", POST, "http://127.0.0.1:8080/colibri/v2/conferences", body
    )
    assert result.rc == 0, result.stderr.strip().splitlines()[-1]
    return json.loads(result.stdout) if result.stdout.strip() else {}


def binding(ufrag: str, password: str) -> bytes:
    """A connectivity check of ICE (RFC 8445), as a browser sends it before media."""
    user = f"{ufrag}:check".encode()
    body = struct.pack(">HH", 0x0006, len(user)) + user + b"\0" * (-len(user) % 4)
    body += struct.pack(">HHI", 0x0024, 4, 1845501695) + struct.pack(">HH", 0x0025, 0)
    body += struct.pack(">HH", 0x802A, 8) + os.urandom(8)
    transaction = struct.pack(">I", 0x2112A442) + os.urandom(12)
    head = struct.pack(">HH", 1, len(body) + 24) + transaction
    digest = hmac.new(password.encode(), head + body, hashlib.sha1).digest()
    body += struct.pack(">HH", 0x0008, 20) + digest
    head = struct.pack(">HH", 1, len(body) + 8) + transaction
    mark = zlib.crc32(head + body) ^ 0x5354554E
    return head + body + struct.pack(">HHI", 0x8028, 4, mark)


@pytest.mark.advice(
    "Open UDP port 10000 to the node. Behind a router, set address in region.yml to the router's"
    " public address.",
    units=UNITS,
)
def test_media_reaches_the_bridge(
    host: Host, settings: dict[str, Any], doubles: frozenset[str]
) -> None:
    """A browser's media reaches the bridge at the public address

    A meeting is made on the bridge itself, so a peer-to-peer connection cannot replace it.
    """
    if "jitsi" in doubles:
        pytest.skip("a double of the bridge runs here, and a double transports no media")
    meeting, name = str(uuid.uuid4()), secrets.token_hex(4)
    created = {"create": True, "id": name, "transport": {"ice-controlling": False}}
    answer = conference(host, meeting, created, name=f"{name}@check.invalid", create=True)
    try:
        transport = answer["endpoints"][0]["transport"]["transport"]
        offered = {(item["ip"], int(item["port"])) for item in transport["candidates"]}
        wanted = (settings["videobridge_address"], settings.get("videobridge_port", 10000))
        assert wanted in offered, f"browsers send media to {sorted(offered)}, not to {wanted}"
        assert ask(host, "/colibri/stats")["conferences"] >= 1
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as browser:
            browser.settimeout(3)
            browser.sendto(binding(transport["ufrag"], transport["pwd"]), sorted(offered)[0])
            reply = browser.recv(2048)
        assert reply[:2] == b"\x01\x01", "the bridge refuses the browser's connectivity check"
    finally:
        conference(host, meeting, {"id": name, "expire": True})


@pytest.mark.advice(
    "Deploy again, or restart it: 'systemctl restart jitsi-videobridge2'.", units=UNITS
)
def test_service_is_sandboxed(host: Host) -> None:
    """systemd limits what the video bridge can do"""
    sandboxing.assert_exposure(host, ["jitsi-videobridge2.service"], sandboxing.PACKAGE_UNIT_LIMIT)
    sandboxing.assert_running_in_sandbox(host, "jitsi-videobridge2.service")

"""What the videobridge role promises, seen from the node."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from testinfra.host import Host

pytestmark = pytest.mark.role("videobridge")

UNITS = ["jitsi-videobridge2"]
FILES = ("/etc/jitsi/videobridge/config", "/etc/jitsi/videobridge/jvb.conf")
ASK = "import sys, urllib.request as u; print(u.urlopen(sys.argv[1], timeout=10).read().decode())"


def ask(host: Host, path: str) -> Any:
    """What the bridge's private interface answers."""
    result = host.run("python3 -c %s %s", ASK, f"http://127.0.0.1:8080{path}")
    assert result.rc == 0, f"{path}: {result.stderr.strip().splitlines()[-1]}"
    return json.loads(result.stdout) if result.stdout.strip() else {}


@pytest.mark.advice("Start it: 'systemctl enable --now jitsi-videobridge2'.", units=UNITS)
def test_bridge_runs(host: Host) -> None:
    """The bridge is enabled and runs"""
    assert host.service("jitsi-videobridge2").is_enabled
    assert host.service("jitsi-videobridge2").is_running


@pytest.mark.advice("Read /var/log/jitsi/jvb.log on the node.", units=UNITS)
def test_bridge_is_healthy(host: Host) -> None:
    """The bridge says that it is healthy"""
    for _ in range(30):
        result = host.run("python3 -c %s %s", ASK, "http://127.0.0.1:8080/about/health")
        if result.rc == 0:
            return
        time.sleep(2)
    pytest.fail(result.stderr.strip().splitlines()[-1], pytrace=False)


@pytest.mark.advice(
    "See in /var/log/jitsi/jvb.log why it cannot log in at the meeting node, and whether TCP port "
    "5222 there is open to this node.",
    units=UNITS,
)
def test_bridge_has_joined_the_meeting_node(host: Host) -> None:
    """The bridge has joined the meeting node"""
    for _ in range(45):
        statistics = ask(host, "/colibri/stats")
        if statistics.get("muc_clients_connected", 0) and statistics.get("mucs_joined", 1):
            break
        time.sleep(2)
    connected = statistics.get("muc_clients_connected", 0)
    configured = statistics.get("muc_clients_configured", 1)
    assert connected == configured, f"{connected} of {configured} connections stand"


@pytest.mark.advice("Take it out of drain: POST /colibri/drain/disable.", units=UNITS)
def test_bridge_takes_meetings(host: Host) -> None:
    """The bridge takes new meetings"""
    assert ask(host, "/colibri/drain") == {"drain": False}


@pytest.mark.advice("Deploy again: it writes relays and region.", units=UNITS)
def test_bridge_relays_as_the_region_says(host: Host, settings: dict[str, Any]) -> None:
    """The bridge passes media on to others where the region says so"""
    if not settings["videobridge_relays"]:
        pytest.skip("bridges of this region do not pass media on to each other")
    statistics = ask(host, "/colibri/stats")
    assert statistics.get("region") == settings["videobridge_region"]
    assert statistics.get("relay_id") == settings["videobridge_nickname"]


@pytest.mark.advice("Close the port: the interface is for the node alone.", units=UNITS)
def test_private_interface_is_on_the_loopback(host: Host) -> None:
    """The bridge's private interface listens on the loopback alone"""
    lines = host.check_output("ss -Hltn sport = :8080").splitlines()
    local = [line.split()[3].rpartition(":")[0].strip("[]") for line in lines]
    assert local, "nothing listens on port 8080"
    assert set(local) <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}, local


@pytest.mark.advice("Look which other program holds the port: 'ss -lunp'.", units=UNITS)
def test_bridge_listens_for_media(host: Host, settings: dict[str, Any]) -> None:
    """The bridge listens for media"""
    port = settings.get("videobridge_port", 10000)
    assert host.check_output("ss -Hlun sport = :%s", str(port)), f"nothing on UDP port {port}"


@pytest.mark.advice("Send the output of 'dpkg-reconfigure' with a report; deploy again.", units=[])
def test_package_leaves_the_configuration_alone(host: Host) -> None:
    """The package's script would leave the configuration as it is"""
    text = host.file(FILES[0]).content_string
    for mark in ("JVB_HOSTNAME=", "JVB_SECRET=", "-Dconfig.file=/etc/jitsi/videobridge/jvb.conf"):
        assert mark in text, f"{FILES[0]} lacks {mark}"
    assert "--apis=" not in text
    assert "jitsi.net" not in host.file(FILES[1]).content_string, "a third party's STUN server"


@pytest.mark.advice("Deploy again; the password stands in these files.", units=[])
def test_configuration_is_closed_to_others(host: Host) -> None:
    """The configuration, with the password in it, is closed to others"""
    for path in FILES:
        file = host.file(path)
        assert (file.user, file.group, file.mode) == ("jvb", "jitsi", 0o640), path


@pytest.mark.advice("Restart it: 'systemctl restart jitsi-videobridge2'.", units=UNITS)
def test_configuration_is_in_use(host: Host) -> None:
    """The bridge uses the configuration that lies on the disk"""
    loaded = "/run/chautari-jitsi-videobridge2.loaded"
    newer = host.check_output("find %s %s -newer %s", *FILES, loaded)
    assert not newer, f"changed since the bridge loaded it: {', '.join(newer.split())}"

"""BigBlueButton as its node sees it: services, upstream's own check, settings, recordings."""

from __future__ import annotations

import re
from typing import Any

import pytest
from testinfra.host import Host

from chautari.checks import sandboxing

pytestmark = pytest.mark.role("bigbluebutton")

SANDBOXED_UNITS = [
    "chautari-own-address.service",
    "chautari-recordings-process.service",
    "chautari-recordings-dawn.service",
    "chautari-recordings-expire.service",
]

UNITS = ["bbb-web", "freeswitch", "bbb-webrtc-sfu"]
# What bbb-conf warns of and this node sees to otherwise: the firewall is nftables, and memory,
# cores and the distribution's ffmpeg are the machine's own, which is looked at before a deploy.
KNOWN = re.compile(
    r"No firewall detected|with less than 4G of memory|found only \d+ cores"
    r"|installed ffmpeg version|does not match the local IP address",
)
PROBLEM = re.compile(r"^# (Error|Warning|Not running|Nginx|ImageMagick|The following properties)")
STRANGERS = "stun[.](freeswitch[.]org|l[.]google[.]com)"
SECRET_FILES = (
    "bbb-web.properties", "bbb-apps-akka.conf", "bbb-fsesl-akka.conf", "turn-stun-servers.xml",
    "bbb-webrtc-sfu/production.yml",
)  # fmt: skip
RECORDERS = ("bbb-rap-starter", "bbb-rap-resque-worker", "bbb-rap-caption-inbox")
# A request as the proxy hands one on, of someone with an address of their own.
ASK = """
import socket, sys
request = (
    "PROXY TCP4 192.0.2.7 127.0.0.1 4711 443\\r\\n"
    "GET /bigbluebutton/api?fullName=canary HTTP/1.1\\r\\n"
    "Host: " + sys.argv[1] + "\\r\\nConnection: close\\r\\n\\r\\n"
)
line = socket.create_connection(("127.0.0.1", 81), 10)
line.sendall(request.encode())
print(line.makefile("rb").readline().decode())
"""
CONVERTERS = {
    "soffice": "/usr/local/lib/chautari/office-to-pdf",
    "docker": "/usr/share/bbb-libreoffice-conversion/convert.sh",
}


def problems(text: str) -> list[str]:
    """What bbb-conf --check finds beside what is known, each with the lines that belong to it."""
    _, _, found = text.partition("# Potential problems described below")
    blocks: list[str] = []
    for line in found.splitlines():
        if PROBLEM.match(line):
            blocks.append(line.removeprefix("# "))
        elif blocks and line.strip("# "):
            blocks[-1] += " " + line.strip("# ")
    return [block for block in blocks if not KNOWN.search(block)]


@pytest.mark.advice(
    "Read 'journalctl -u UNIT' for the failed unit, then run 'bbb-conf --restart'.", units=UNITS
)
def test_every_service_runs(host: Host) -> None:
    """Every service that bbb-conf checks is running"""
    lines = host.check_output("bbb-conf --status").splitlines()
    stopped = [line.split()[0] for line in lines if line.strip() and " active]" not in line]
    assert lines, "bbb-conf --status prints nothing"
    assert not stopped, "not running: " + ", ".join(stopped)


@pytest.mark.advice(
    "Follow the advice of bbb-conf, then run 'bbb-conf --check' again.", units=UNITS
)
def test_upstream_s_own_check_finds_nothing(host: Host) -> None:
    """bbb-conf --check finds no problem"""
    text = host.run("bbb-conf --check").stdout
    assert "Potential problems described below" in text, text[-500:]
    found = problems(text)
    assert not found, found[0][:300]


@pytest.mark.advice("Deploy again, because packages of another release are installed.", units=[])
def test_release_is_the_region_s(host: Host, settings: dict[str, Any]) -> None:
    """The installed release is the one that the region sets"""
    text = host.check_output("bbb-conf --version")
    found = re.search(r"BigBlueButton Server (\d+\.\d+)\.", text)
    assert found, text[:200]
    assert found[1] == settings["bigbluebutton_release"]


@pytest.mark.advice(
    "Restart the service with 'bbb-conf --restart' or 'systemctl restart haproxy'.", units=[]
)
def test_settings_are_in_use(host: Host) -> None:
    """BigBlueButton and the proxy have loaded their current settings"""
    files = [f"/etc/bigbluebutton/{name}" for name in SECRET_FILES if "/" not in name]
    for paths, stamp in ((files, "bigbluebutton"), (["/etc/haproxy"], "haproxy")):
        asked = "find " + "%s " * len(paths) + "-newer %s"
        newer = host.check_output(asked, *paths, f"/run/chautari-{stamp}.loaded")
        assert not newer, f"changed since they were last loaded: {', '.join(newer.split())}"


@pytest.mark.advice(
    "Run 'bbb-conf --restart' to restore the settings that packages changed.", units=["freeswitch"]
)
def test_packages_have_put_nothing_back(host: Host) -> None:
    """FreeSWITCH and other components have the region's settings, not the packages' defaults"""
    left = host.check_output("/etc/bigbluebutton/bbb-conf/apply-config.sh compare")
    assert not left, left


@pytest.mark.advice(
    "Deploy again, because people's IP addresses are sent to a third party's server.",
    units=["freeswitch"],
)
def test_no_server_of_others_is_asked(host: Host) -> None:
    """No setting contains a third party's STUN server"""
    places = "/etc/bigbluebutton /opt/freeswitch/etc/freeswitch/vars.xml"
    found = host.run(f"grep -rlE '{STRANGERS}' {places}").stdout
    assert not found, f"a third party's server is set in {', '.join(found.split())}"


@pytest.mark.advice("Deploy again, because these files contain secrets.", units=[])
@pytest.mark.parametrize("name", SECRET_FILES)
def test_settings_are_closed_to_others(host: Host, name: str) -> None:
    """Other accounts cannot read settings that contain secrets"""
    file = host.file(f"/etc/bigbluebutton/{name}")
    assert (file.user, file.group, file.mode) == ("root", "bigbluebutton", 0o640)


@pytest.mark.advice(
    "Run 'ss -ltnp' on the node to find the other program that uses the port.", units=["haproxy"]
)
def test_proxy_has_port_443_of_all_addresses(host: Host) -> None:
    """haproxy is running and listens on port 443 of all addresses"""
    assert host.service("haproxy").is_enabled
    assert host.service("haproxy").is_running
    lines = host.check_output("ss -Hltnp sport = :443").splitlines()
    assert lines and all('"haproxy"' in line for line in lines), lines
    local = {line.split()[3].rpartition(":")[0].strip("[]") for line in lines}
    assert local & {"0.0.0.0", "*"}, local
    if host.file("/proc/net/if_inet6").exists:
        assert local & {"::", "*"}, local


@pytest.mark.advice(
    "Fix the reported line in /etc/haproxy/haproxy.cfg, then deploy again.", units=["haproxy"]
)
def test_proxy_has_the_certificate(host: Host) -> None:
    """The settings of haproxy are valid, and haproxy has the node's certificate"""
    result = host.run("haproxy -c -f /etc/haproxy/haproxy.cfg")
    assert result.rc == 0, result.stderr
    hook = "/etc/letsencrypt/renewal-hooks/deploy/66-chautari-bigbluebutton"
    assert host.run("%s compare", hook).rc == 0, (
        "haproxy's copy of the certificate differs, or other accounts can read it"
    )


@pytest.mark.advice("Close the ports, because only the node itself may connect to them.", units=[])
@pytest.mark.parametrize("port", [81, 82, 8021, 8085, 8090])
def test_private_interface_is_on_the_loopback(host: Host, port: int) -> None:
    """Internal services listen only on the loopback address"""
    lines = host.check_output("ss -Hltn sport = :%s", str(port)).splitlines()
    local = {line.split()[3].rpartition(":")[0].strip("[]") for line in lines}
    assert local, f"nothing listens on port {port}"
    assert local <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}, local


@pytest.mark.advice(
    "Start the services: 'systemctl enable --now bbb-rap-starter bbb-rap-resque-worker'.",
    units=list(RECORDERS),
)
def test_recordings_are_looked_after(host: Host) -> None:
    """Recordings are archived at any time, but videos are produced only at night"""
    for unit in RECORDERS:
        assert host.service(unit).is_enabled, unit
        assert host.service(unit).is_running, unit
    queues = host.check_output("systemctl show bbb-rap-resque-worker --property Environment")
    assert "rap:archive" in queues, queues
    assert "rap:process" not in queues, "videos are also produced during the day"
    for timer in ("process", "dawn", "expire"):
        assert host.service(f"chautari-recordings-{timer}.timer").is_enabled, timer
        assert host.service(f"chautari-recordings-{timer}.timer").is_running, timer


@pytest.mark.advice("Run 'chown -R bigbluebutton:bigbluebutton /var/bigbluebutton'.", units=[])
@pytest.mark.parametrize("name", ["", "/recording/raw", "/recording/status", "/published"])
def test_recordings_belong_to_bigbluebutton(host: Host, name: str) -> None:
    """The directories of recordings belong to BigBlueButton"""
    folder = host.file(f"/var/bigbluebutton{name}")
    assert folder.is_directory, folder.path
    assert folder.user == "bigbluebutton", folder.path


@pytest.mark.advice("Deploy again to set how long recordings and logs are kept.", units=[])
def test_days_of_recordings_are_the_region_s(host: Host, settings: dict[str, Any]) -> None:
    """Recordings are kept for as long as region.yml says, and raw files are deleted"""
    unit = host.check_output("systemctl cat chautari-recordings-expire.service")
    program = "/usr/local/lib/chautari/expire-recordings"
    assert f"ExecStart={program} {settings['bigbluebutton_keep_days']}" in unit.splitlines(), unit
    daily = host.file("/etc/default/bigbluebutton-cron-config").content_string
    assert re.search(r"^published_days=\d+$", daily, re.M), daily
    assert re.search(r"^unrecorded_days=\d+$", daily, re.M), daily


@pytest.mark.advice(
    "Read 'journalctl -u \"chautari-office@*\"' on the node.", units=["chautari-office.socket"]
)
def test_office_file_becomes_a_pdf(host: Host, settings: dict[str, Any]) -> None:
    """BigBlueButton's account can convert an office file to PDF"""
    converter = CONVERTERS[settings["bigbluebutton_office"]]
    folder = host.check_output("runuser -u bigbluebutton -- mktemp -d /tmp/chautari-check.XXXXXX")
    try:
        source = f"{folder}/meeting.rtf"
        host.check_output("printf '%%s' %s > %s", r"{\rtf1 A meeting\par}", source)
        done = host.run(
            "runuser -u bigbluebutton -- %s %s %s pdf 120", converter, source, f"{folder}/out.pdf"
        )
        assert done.rc == 0, done.stderr.strip()
        assert host.check_output("head -c 5 %s", f"{folder}/out.pdf") == "%PDF-"
    finally:
        host.run("rm -r -- %s", folder)


@pytest.mark.advice(
    "Deploy again, because uploaded files could open network connections.", units=[]
)
def test_converter_is_confined(host: Host, settings: dict[str, Any]) -> None:
    """The converter of office files has no network and no privileges"""
    if settings["bigbluebutton_office"] != "soffice":
        pytest.skip("the region uses Docker to convert office files")
    shown = host.check_output(
        "systemctl show chautari-office@check.service --property PrivateNetwork,NoNewPrivileges,"
        "ProtectSystem,CapabilityBoundingSet,User"
    )
    for line in (
        "PrivateNetwork=yes", "NoNewPrivileges=yes", "ProtectSystem=strict",
        "CapabilityBoundingSet=", "User=chautari-office",
    ):  # fmt: skip
        assert line in shown.splitlines(), shown


@pytest.mark.advice(
    "Deploy again to keep people's names out of the web server's log.", units=["nginx"]
)
def test_log_keeps_no_names(host: Host) -> None:
    """The web server's log contains no query strings"""
    names = host.check_output(
        "sed -n 's/^ *server_name //p' /etc/nginx/sites-available/bigbluebutton"
    )
    answer = host.check_output("python3 -c %s %s", ASK, names.strip(";"))
    assert " 200" in answer, answer
    log = host.check_output("tail -n 20 /var/log/nginx/bigbluebutton.access.log")
    assert "192.0.2.7" in log, "the log does not contain the client's address"
    assert "canary" not in log


@pytest.mark.advice("Deploy again to write the units of the role.", units=[])
def test_units_are_sandboxed(host: Host) -> None:
    """systemd lets the role's own units do only what they need"""
    sandboxing.assert_exposure(host, sandboxing.units_in_use(host, SANDBOXED_UNITS))
    if host.file("/etc/systemd/system/chautari-office@.service").exists:
        sandboxing.assert_exposure(host, ["chautari-office@check.service"])

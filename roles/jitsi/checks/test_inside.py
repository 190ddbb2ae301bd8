"""Jitsi Meet as its node sees it: Prosody, Jicofo, accounts and settings."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import pytest
from testinfra.host import Host

from chautari.checks import sandboxing, tls_profile

pytestmark = pytest.mark.role("jitsi")

ASK = "import sys, urllib.request as u; print(u.urlopen(sys.argv[1], timeout=10).read().decode())"
LOG = "/var/log/prosody/prosody.log"
# What Prosody and Jitsi's modules log if a module is missing, misplaced or lacks an option.
FAULTS = re.compile(
    r"\b(modulemanager|portmanager)\terror\b|Please update your config|Service missing |"
    r"No muc_component specified|missing (main|lobby)_muc config|"
    r"muc_mapper_domain_base\W+option set"
)


def ask(host: Host, path: str) -> Any:
    """What Jicofo's private interface answers."""
    result = host.run("python3 -c %s %s", ASK, f"http://127.0.0.1:8888{path}")
    assert result.rc == 0, f"{path}: {result.stderr.strip().splitlines()[-1]}"
    return json.loads(result.stdout)


def accounts(host: Host, domain: str) -> list[str]:
    """The names that can log in at a domain."""
    return host.check_output("prosodyctl mod_chautari_accounts list %s", domain).split()


def files_of(domain: str) -> tuple[str, ...]:
    """The settings that upstream's packages find when they are configured."""
    return (
        f"/etc/prosody/conf.avail/{domain}.cfg.lua",
        f"/etc/jitsi/meet/{domain}-config.js",
        f"/etc/nginx/sites-available/{domain}.conf",
        "/etc/jitsi/jicofo/config",
        "/etc/jitsi/jicofo/jicofo.conf",
    )


@pytest.mark.advice("Start both: 'systemctl enable --now prosody jicofo'.", units=["prosody"])
@pytest.mark.parametrize("unit", ["prosody", "jicofo"])
def test_service_runs(host: Host, unit: str) -> None:
    """Prosody and Jicofo are enabled and running"""
    assert host.service(unit).is_enabled
    assert host.service(unit).is_running


@pytest.mark.advice("Deploy again to write the systemd settings for Jicofo.", units=["jicofo"])
def test_focus_starts_again_after_a_crash(host: Host) -> None:
    """Jicofo starts again after a crash"""
    assert host.check_output("systemctl show --property Restart --value jicofo") == "on-failure"


@pytest.mark.advice(
    "Fix the errors that 'prosodyctl check config' reports, or deploy again.", units=["prosody"]
)
def test_settings_of_prosody_are_valid(host: Host) -> None:
    """Prosody finds no error in its settings"""
    result = host.run("prosodyctl check config")
    assert result.rc == 0, result.stdout


@pytest.mark.advice(f"Read {LOG} on the node: a module or an option is missing.", units=["prosody"])
def test_every_module_is_loaded(host: Host) -> None:
    """Prosody has loaded every module with its options since its last start"""
    lines = host.check_output("cat %s", LOG).splitlines()
    starts = [number for number, line in enumerate(lines) if "Hello and welcome" in line]
    faults = [line for line in lines[starts[-1] if starts else 0 :] if FAULTS.search(line)]
    assert not faults, faults[0]


@pytest.mark.advice("Read /var/log/jitsi/jicofo.log on the node.", units=["jicofo", "prosody"])
def test_focus_is_healthy_and_sees_every_bridge(host: Host, settings: dict[str, Any]) -> None:
    """Jicofo is healthy, and all bridges of the region have joined

    At a first deploy other nodes may take minutes longer than this one.
    """
    expected = 1 + len(settings["jitsi_remote_bridges"])
    for _ in range(180 if expected > 1 else 45):
        result = host.run("python3 -c %s %s", ASK, "http://127.0.0.1:8888/about/health")
        count = ask(host, "/stats")["bridge_selector"]["bridge_count"] if result.rc == 0 else 0
        if count >= expected:
            return
        time.sleep(2)
    assert result.rc == 0, result.stderr.strip().splitlines()[-1]
    assert count >= 1, "no bridge has joined: people would not hear or see each other"
    assert count >= expected, f"{count} of {expected} bridges have joined"


@pytest.mark.advice("Deploy again to update the members' accounts.", units=["prosody"])
def test_accounts_are_those_of_the_region(host: Host, settings: dict[str, Any]) -> None:
    """Only the members, the checks and Jitsi's own components have accounts"""
    domain = settings["jitsi_domain"]
    listed = accounts(host, f"auth.{domain}")
    peers = [f"peer-{name}" for name in settings["jitsi_peer_names"]]
    assert listed == sorted(["focus", "jvb", *peers]), listed
    if settings["jitsi_access"] == "members":
        listed = accounts(host, domain)
        assert listed == sorted([*settings["jitsi_member_names"], "chautari-check"]), listed


@pytest.mark.advice(
    "Close the ports, because only the node itself may connect to them.", units=["prosody"]
)
@pytest.mark.parametrize("port", [5280, 8888])
def test_private_interface_is_on_the_loopback(host: Host, port: int) -> None:
    """Internal services listen only on the loopback address"""
    lines = host.check_output("ss -Hltn sport = :%s", str(port)).splitlines()
    local = [line.split()[3].rpartition(":")[0].strip("[]") for line in lines]
    assert local, f"nothing listens on port {port}"
    assert set(local) <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}, local


@pytest.mark.advice(
    "Deploy again. The port must be open only if bridges on other nodes need it.", units=[]
)
def test_xmpp_is_open_only_where_bridges_join(host: Host, settings: dict[str, Any]) -> None:
    """The XMPP server listens publicly only if bridges on other nodes need it"""
    elsewhere = settings["jitsi_remote_bridges"] or settings["jitsi_peer_names"]
    lines = host.check_output("ss -Hltn sport = :5222").splitlines()
    local = {line.split()[3].rpartition(":")[0].strip("[]") for line in lines}
    outward = bool(local - {"127.0.0.1", "::1"})
    assert outward == bool(elsewhere), local
    assert not host.check_output("ss -Hltn sport = :5269"), (
        "Prosody accepts connections from other XMPP servers"
    )


@pytest.mark.advice("Deploy again to write the TLS settings.", units=["prosody"])
def test_xmpp_keeps_the_intermediate_profile(host: Host, settings: dict[str, Any]) -> None:
    """The XMPP server refuses TLS options that Mozilla's intermediate profile excludes

    It listens on the loopback address even where bridges on other nodes use its port.
    """
    address = ("127.0.0.1", 5222)
    for name in (settings["jitsi_domain"], f"auth.{settings['jitsi_domain']}"):
        assert tls_profile.negotiated_version_and_suite_text(
            address, name, tls_profile.USUAL, "xmpp"
        ), f"{name}: no TLS"
        wrong = tls_profile.accepted_offers_outside_profile(address, name, "xmpp")
        assert not wrong, f"{name}: {', '.join(wrong)}"


@pytest.mark.advice("Deploy again, because these files contain passwords.", units=[])
def test_settings_are_closed_to_others(host: Host, settings: dict[str, Any]) -> None:
    """Other accounts cannot read settings that contain passwords"""
    domain = settings["jitsi_domain"]
    for path, user, group, mode in (
        (f"/etc/prosody/conf.avail/{domain}.cfg.lua", "root", "prosody", 0o640),
        ("/etc/jitsi/jicofo/config", "jicofo", "jitsi", 0o640),
        ("/etc/jitsi/jicofo/jicofo.conf", "jicofo", "jitsi", 0o640),
        (f"/var/lib/prosody/auth.{domain}.key", "prosody", "prosody", 0o600),
    ):
        file = host.file(path)
        assert (file.user, file.group, file.mode) == (user, group, mode), path


@pytest.mark.advice("Deploy again, because a package's script would change this file.", units=[])
def test_settings_hold_what_packages_look_for(host: Host, settings: dict[str, Any]) -> None:
    """The settings contain every string that keeps upstream's packages from changing them"""
    domain = settings["jitsi_domain"]
    prosody, pages, site, environment, focus = files_of(domain)
    lacking = [
        f"{path}: {mark}"
        for path, marks in {
            prosody: (
                "unlimited_jids", "component_admins_as_room_owners",
                f'Component "conference.{domain}" "muc"\n    restrict_room_creation',
                f'Component "polls.{domain}"', f'Component "internal.auth.{domain}" "muc"',
                f'Component "focus.{domain}" "client_proxy"', '--"polls";',
                'VirtualHost "jigasi.meet.jitsi"',
            ),
            pages: ("var config",),
            site: ("server_name",),
            environment: (
                f"JICOFO_HOSTNAME={domain}", "JICOFO_AUTH_DOMAIN=", "JICOFO_AUTH_USER=",
                "JICOFO_AUTH_PASSWORD=",
            ),
            focus: (f'client-proxy = "focus.{domain}"', "brewery-jid", "trusted-domains"),
        }.items()
        for mark in marks
        if mark not in host.file(path).content_string
    ]  # fmt: skip
    for name in (domain, f"auth.{domain}"):
        if not host.file(f"/var/lib/prosody/{name}.crt").exists:
            lacking.append(f"/var/lib/prosody/{name}.crt")
    assert not lacking, "; ".join(lacking)


@pytest.mark.advice("Restart both: 'systemctl restart prosody jicofo'.", units=[])
def test_settings_are_in_use(host: Host) -> None:
    """Prosody and Jicofo have loaded their current settings"""
    for path, unit in (("/etc/prosody", "prosody"), ("/etc/jitsi/jicofo", "jicofo")):
        newer = host.check_output("find %s -newer %s", path, f"/run/chautari-{unit}.loaded")
        assert not newer, (
            f"changed since {unit} last loaded its settings: {', '.join(newer.split())}"
        )


@pytest.mark.advice(
    "Deploy again, or restart them: 'systemctl restart prosody jicofo'.",
    units=["prosody", "jicofo"],
)
def test_services_are_sandboxed(host: Host) -> None:
    """systemd limits what Prosody and Jicofo can do"""
    units = ["prosody.service", "jicofo.service"]
    sandboxing.assert_exposure(host, units, sandboxing.PACKAGE_UNIT_LIMIT)
    for unit in units:
        sandboxing.assert_running_in_sandbox(host, unit)

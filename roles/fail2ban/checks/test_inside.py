"""What the fail2ban role promises, seen from the node."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

import pytest
from testinfra.host import Host

from chautari.checks import sandboxing

pytestmark = pytest.mark.role("fail2ban")

UNITS = ["fail2ban"]


def jails(host: Host) -> list[str]:
    """The services that fail2ban watches."""
    answer = host.check_output("fail2ban-client status")
    found = re.search(r"Jail list:\s*(.*)", answer)
    return [name.strip() for name in found[1].split(",")] if found else []


@pytest.mark.advice("Start it: 'systemctl enable --now fail2ban'.", units=UNITS)
def test_service_runs(host: Host) -> None:
    """fail2ban is running, and starts when the machine starts"""
    assert host.service("fail2ban").is_enabled
    assert host.service("fail2ban").is_running


@pytest.mark.advice("Deploy again, or restart it: 'systemctl restart fail2ban'.", units=UNITS)
def test_logins_of_the_services_are_watched(host: Host, settings: dict[str, Any]) -> None:
    """fail2ban watches SSH and the services with passwords"""
    wanted = {"sshd", *(f"chautari-{name}" for name in settings.get("fail2ban_services", []))}
    missing = wanted - set(jails(host))
    assert not missing, f"not watched: {', '.join(sorted(missing))}"


@pytest.mark.advice("Deploy again to write the addresses of the nodes.", units=UNITS)
def test_nodes_are_never_blocked(host: Host, settings: dict[str, Any]) -> None:
    """No node of the region is blocked, and fail2ban ignores their addresses"""
    ours = [ipaddress.ip_address(item) for item in settings.get("fail2ban_ignored", [])]
    for jail in jails(host):
        ignored = host.check_output("fail2ban-client get %s ignoreip", jail)
        missing = [str(one) for one in ours if str(one) not in ignored.split()]
        assert not missing, f"{jail} may block {', '.join(missing)}"
        blocked = host.check_output("fail2ban-client get %s banip", jail).split()
        found = sorted({str(one) for one in ours} & set(blocked))
        assert not found, f"{jail} blocks {', '.join(found)}"


@pytest.mark.advice("Deploy again to install the command.", units=UNITS)
def test_people_who_log_in_with_a_key_are_recognised(host: Host) -> None:
    """Addresses from which a person logged in with a key are not blocked"""
    command = "/usr/local/libexec/chautari/fail2ban-known"
    assert host.run("%s 192.0.2.250", command).rc == 1, "a stranger counts as known"
    assert host.run("%s nonsense", command).rc == 2
    lines = host.run(
        "journalctl -q --no-pager -o cat --since=-1day _UID=0 SYSLOG_IDENTIFIER=sshd"
        " + _UID=0 SYSLOG_IDENTIFIER=sshd-session"
    ).stdout
    logins = re.findall(r"^Accepted publickey for \S+ from (\S+) port ", lines, re.MULTILINE)
    for address in sorted(set(logins))[:5]:
        assert host.run("%s %s", command, address).rc == 0, f"{address} is not recognised"


@pytest.mark.advice("Deploy again, or restart it: 'systemctl restart fail2ban'.", units=UNITS)
def test_service_is_sandboxed(host: Host) -> None:
    """systemd limits what fail2ban can do"""
    sandboxing.assert_exposure(host, ["fail2ban.service"], sandboxing.PACKAGE_UNIT_LIMIT)
    sandboxing.assert_running_in_sandbox(host, "fail2ban.service")


@pytest.mark.advice("Restart it: 'systemctl restart fail2ban'.", units=UNITS)
def test_settings_are_in_use(host: Host) -> None:
    """fail2ban has loaded its current settings"""
    newer = host.check_output("find /etc/fail2ban -newer /run/chautari-fail2ban.loaded")
    assert not newer, f"changed since fail2ban last loaded its settings: {newer.split()}"

"""What the turn role promises, seen from the node."""

from __future__ import annotations

from typing import Any

import pytest
from testinfra.host import Host

from chautari.checks import sandboxing

pytestmark = pytest.mark.role("turn")

UNITS = ["coturn"]


@pytest.mark.advice("Start it: 'systemctl enable --now coturn'.", units=UNITS)
def test_server_runs(host: Host) -> None:
    """coturn is enabled and running, without root privileges"""
    assert host.service("coturn").is_enabled
    assert host.service("coturn").is_running
    assert host.check_output("systemctl show coturn --property User") == "User=turnserver"


@pytest.mark.advice("Deploy again to copy the key for coturn.", units=UNITS)
def test_server_has_its_own_copy_of_the_key(host: Host, settings: dict[str, Any]) -> None:
    """coturn has the node's certificate, and other accounts cannot read its key"""
    name = settings["turn_domain"]
    for file, mode in (("privkey.pem", 0o400), ("fullchain.pem", 0o400)):
        copy = host.file(f"/etc/coturn/tls/{file}")
        assert (copy.user, copy.mode) == ("turnserver", mode), f"{file}: {copy.user} {copy.mode:o}"
        same = host.run("cmp %s %s", f"/etc/chautari/tls/{name}/{file}", f"/etc/coturn/tls/{file}")
        assert same.rc == 0, f"{file} differs from the node's copy"


@pytest.mark.advice("Deploy again, because this file contains the secret.", units=UNITS)
def test_settings_are_closed_to_others(host: Host) -> None:
    """Other accounts cannot read the settings, which contain the secret"""
    file = host.file("/etc/turnserver.conf")
    assert (file.user, file.group, file.mode) == ("root", "turnserver", 0o640)


@pytest.mark.advice("Restart it: 'systemctl restart coturn'.", units=UNITS)
def test_settings_are_in_use(host: Host) -> None:
    """coturn has loaded its current settings"""
    newer = host.check_output(
        "find /etc/turnserver.conf /etc/coturn -newer /run/chautari-coturn.loaded"
    )
    assert not newer, f"changed since coturn last loaded its settings: {', '.join(newer.split())}"


@pytest.mark.advice("Deploy again, or restart it: 'systemctl restart coturn'.", units=UNITS)
def test_service_is_sandboxed(host: Host) -> None:
    """systemd limits what coturn can do"""
    sandboxing.assert_exposure(host, ["coturn.service"], sandboxing.PACKAGE_UNIT_LIMIT)
    sandboxing.assert_running_in_sandbox(host, "coturn.service")

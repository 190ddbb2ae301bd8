"""What the role backup_space promises, seen from the node."""

from __future__ import annotations

import json
from typing import Any

import pytest
from testinfra.host import Host

from chautari.checks import sandboxing

pytestmark = pytest.mark.role("backup_space")

SANDBOXED_UNITS = ["chautari-backup-space.service"]

STATE = "/var/lib/chautari/backup_space/state.json"


@pytest.fixture
def folder(settings: dict[str, Any]) -> str:
    """The folder of the accounts."""
    return str(settings.get("backup_space_folder", "/srv/chautari-backups"))


@pytest.mark.advice("Deploy again.", units=[])
def test_homes_and_keys_belong_to_root(host: Host, settings: dict[str, Any], folder: str) -> None:
    """No peer can change its keys or its quota"""
    for peer in settings["backup_space_peers"]:
        home = f"{folder}/{peer['account']}"
        for path in (folder, home, f"{home}/.ssh", f"{home}/.ssh/authorized_keys"):
            found = host.file(path)
            assert (found.user, found.mode & 0o022) == ("root", 0), path


@pytest.mark.advice("Deploy again.", units=["ssh"])
def test_keys_only_run_borg(host: Host, settings: dict[str, Any], folder: str) -> None:
    """Each key of a peer can only add data to one repository, up to a quota"""
    for peer in settings["backup_space_peers"]:
        lines = host.file(f"{folder}/{peer['account']}/.ssh/authorized_keys").content_string
        keys = [line for line in lines.splitlines() if line and not line.startswith("#")]
        assert len(keys) == len(peer["logins"])
        for line in keys:
            assert line.startswith('restrict,command="/usr/bin/borg serve --append-only '), line
            assert "--restrict-to-repository" in line and "--storage-quota" in line, line


@pytest.mark.advice("Deploy again.", units=[])
def test_peers_cannot_read_each_other(host: Host, settings: dict[str, Any], folder: str) -> None:
    """A peer's account cannot read the copies, or the home directories of other peers"""
    accounts = [peer["account"] for peer in settings["backup_space_peers"]]
    for account in accounts:
        others = [f"{folder}/{other}" for other in accounts if other != account]
        for path in (f"{folder}/.copies", *others):
            done = host.run("setpriv --reuid=%s --clear-groups ls %s", account, path)
            assert done.rc != 0, f"{account} can read {path}"


@pytest.mark.advice("Deploy again to start the timer.", units=["chautari-backup-space"])
def test_timer_is_armed(host: Host) -> None:
    """The timer that checks the peers' backups is running"""
    timer = host.service("chautari-backup-space.timer")
    assert timer.is_enabled, "the timer is not enabled"
    assert timer.is_running, "the timer is not running"


@pytest.mark.advice(
    "Read the reason in the journal. See the README of the role backup_space.",
    units=["chautari-backup-space"],
)
def test_backups_of_peers_are_whole(host: Host) -> None:
    """The last check of the peers' backups found no problem"""
    file = host.file(STATE)
    spaces = json.loads(file.content_string)["spaces"] if file.exists else {}
    for name, known in spaces.items():
        assert not known["error"], f"{name}: {known['error']['code']} {known['error']['data']}"


@pytest.mark.advice("Deploy again to write the units of the role.", units=[])
def test_units_are_sandboxed(host: Host) -> None:
    """systemd lets the role's own units do only what they need"""
    sandboxing.assert_exposure(host, sandboxing.units_in_use(host, SANDBOXED_UNITS))

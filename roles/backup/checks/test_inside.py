"""What the backup role promises, seen from the node."""

from __future__ import annotations

import json
from typing import Any

import pytest
from testinfra.host import Host

from chautari.checks import sandboxing

pytestmark = pytest.mark.role("backup")

SANDBOXED_UNITS = [
    "chautari-backup.service",
    "chautari-backup-check.service",
    "chautari-backup-watch.service",
    "chautari-backup-resume.service",
    "chautari-drill.service",
]

STATE = "/var/lib/chautari/backup/state.json"
TIMERS = ("chautari-backup", "chautari-backup-check", "chautari-backup-watch")


def results(host: Host) -> dict[str, Any]:
    """Return what the node remembers of each target; nothing before the first backup."""
    file = host.file(STATE)
    return dict(json.loads(file.content_string)["targets"]) if file.exists else {}


@pytest.mark.advice("Deploy again.", units=[])
def test_only_root_can_read_the_keys(host: Host) -> None:
    """Only root can read the passphrase and the key of the backups"""
    for name in ("passphrase", "login_key"):
        file = host.file(f"/etc/chautari/backup/{name}")
        assert (file.user, file.group, file.mode) == ("root", "root", 0o600), name


@pytest.mark.advice("Deploy again to start the timers.", units=["chautari-backup"])
@pytest.mark.parametrize("name", TIMERS)
def test_timers_are_armed(host: Host, name: str) -> None:
    """The timers for backups, for their checks and for emails about late backups are running"""
    timer = host.service(f"{name}.timer")
    assert timer.is_enabled, "the timer is not enabled"
    assert timer.is_running, "the timer is not running"


@pytest.mark.advice("Deploy again.", units=[])
def test_program_reads_its_settings(host: Host, settings: dict[str, Any]) -> None:
    """The backup program can read its settings, and borg works"""
    for target in settings["backup_settings"]["targets"]:
        result = host.run("chautari-backup borg %s --version", target["name"])
        assert result.rc == 0, result.stdout + result.stderr
    assert host.run("chautari-backup status").rc == 0


@pytest.mark.advice("Connect the disk, and mount it.", units=[])
def test_disks_are_mounted(host: Host, settings: dict[str, Any]) -> None:
    """The disks that store backups are mounted"""
    for target in settings["backup_settings"]["targets"]:
        if target["kind"] == "disk":
            folder = target["mount"]
            devices = host.check_output("stat -c %%d %s %s/..", folder, folder).split()
            assert devices[0] != devices[1], f"no disk is mounted at {folder}"


@pytest.mark.advice(
    "Run 'chautari-backup resume' on the node.", units=["chautari-backup", "chautari-backup-resume"]
)
def test_no_service_is_still_paused(host: Host) -> None:
    """No service is paused, except while a backup is running"""
    running = host.service("chautari-backup").is_running
    state = host.run("systemctl show -P ActiveState chautari-backup").stdout.strip()
    paused = host.file("/var/lib/chautari/backup/paused.json").exists
    assert not paused or running or state == "activating"


@pytest.mark.advice(
    "Run 'chautari-backup start' on the node, and read why it fails.", units=["chautari-backup"]
)
def test_last_backup_succeeded(host: Host) -> None:
    """The last backup to each target succeeded"""
    for name, known in results(host).items():
        assert not known["error"], f"{name}: {known['error']['code']} {known['error']['data']}"


@pytest.mark.advice(
    "Check the disk of the target. Then make a new repository on a healthy disk.",
    units=["chautari-backup-check"],
)
def test_repositories_are_whole(host: Host) -> None:
    """The last check of each repository found no damage"""
    for name, known in results(host).items():
        assert known["check_ok"] is not False, f"{name}: {known.get('check_error')}"


@pytest.mark.advice("Deploy again to write the units of the role.", units=[])
def test_units_are_sandboxed(host: Host) -> None:
    """systemd lets the role's own units do only what they need"""
    sandboxing.assert_exposure(host, sandboxing.units_in_use(host, SANDBOXED_UNITS))

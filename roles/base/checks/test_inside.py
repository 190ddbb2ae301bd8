"""What the base role promises, seen from the node."""

from __future__ import annotations

import re
from typing import Any

import pytest
from testinfra.host import Host

from chautari.checks import sandboxing

pytestmark = pytest.mark.role("base")

SANDBOXED_UNITS = ["chautari-health.service", "chautari-drift.service", "chautari-reboot.service"]


@pytest.mark.advice("Deploy again. 'hostnamectl' on the node shows the current name.", units=[])
def test_hostname_is_the_one_of_the_region(host: Host, settings: dict[str, Any]) -> None:
    """The node has the hostname from the region"""
    assert host.check_output("uname -n") == settings["base_hostname"]
    full = f"{settings['base_hostname']}.{settings['base_domain']}"
    assert host.check_output("hostname -f") == full


@pytest.mark.advice(
    "Deploy again. 'timedatectl' on the node shows the current time zone.", units=[]
)
def test_time_zone_is_the_one_of_the_region(host: Host, settings: dict[str, Any]) -> None:
    """The node has the region's time zone"""
    zone = settings["base_timezone"]
    assert host.file("/etc/localtime").linked_to == host.check_output(
        "readlink -f %s", f"/usr/share/zoneinfo/{zone}"
    )


@pytest.mark.advice("Deploy again. 'locale -a' on the node lists the installed locales.", units=[])
def test_locale_is_made_and_set(host: Host, settings: dict[str, Any]) -> None:
    """The locale is installed and set"""
    locale = settings["base_locale"]
    made = [name.lower().replace("-", "") for name in host.check_output("locale -a").split()]
    assert locale.lower().replace("-", "") in made
    assert f"LANG={locale}" in host.file("/etc/default/locale").content_string.splitlines()


@pytest.mark.advice(
    "Start systemd-timesyncd, and allow outgoing connections to UDP port 123.",
    units=["systemd-timesyncd"],
)
def test_time_is_synchronised(host: Host) -> None:
    """The clock is synchronised (in a container, by its host)"""
    assert host.service("systemd-timesyncd").is_enabled
    container = host.run("systemd-detect-virt --container").rc == 0
    state = host.check_output("systemctl show -P ActiveState systemd-timesyncd")
    assert container or state == "active", f"systemd-timesyncd is {state}"


@pytest.mark.advice("Deploy again to create the operators' accounts and keys.", units=["ssh"])
def test_operators_have_their_keys(host: Host, settings: dict[str, Any]) -> None:
    """Each operator has an account with the keys from the region"""
    for operator in settings.get("base_operators", []):
        name = operator["name"]
        keys = host.file(f"{host.user(name).home}/.ssh/authorized_keys")
        assert (keys.user, keys.mode) == (name, 0o600)
        missing = set(operator["keys"]) - set(keys.content_string.splitlines())
        assert not missing, f"the account {name} lacks {len(missing)} keys that the region lists"


@pytest.mark.advice("Deploy again to lock the accounts of operators who left.", units=["ssh"])
def test_nobody_else_is_an_operator(host: Host, settings: dict[str, Any]) -> None:
    """Only the region's operators are in the group that may use sudo"""
    group = settings.get("base_operator_group", "chautari-operators")
    members = host.check_output("getent group %s", group).split(":")[3]
    names = {operator["name"] for operator in settings.get("base_operators", [])}
    assert set(filter(None, members.split(","))) == names


@pytest.mark.advice("Deploy again. 'visudo -c' on the node shows the error.", units=[])
def test_sudo_rules_are_closed_and_valid(host: Host) -> None:
    """The sudo rules are valid, and only root can read them"""
    rules = host.file("/etc/sudoers.d/60-chautari-operators")
    assert (rules.user, rules.group, rules.mode) == ("root", "root", 0o440)
    result = host.run("visudo -c")
    assert result.rc == 0, result.stderr


@pytest.mark.advice(
    "Enable the timers: 'systemctl enable --now apt-daily.timer apt-daily-upgrade.timer'.",
    units=["apt-daily-upgrade", "unattended-upgrades"],
)
@pytest.mark.parametrize("timer", ["apt-daily.timer", "apt-daily-upgrade.timer"])
def test_security_updates_are_armed(host: Host, timer: str) -> None:
    """Security updates are installed every day"""
    assert host.package("unattended-upgrades").is_installed
    assert host.service(timer).is_enabled
    assert host.service(timer).is_running


@pytest.mark.advice(
    "Remove the files in /etc/apt/apt.conf.d that override these settings.", units=[]
)
def test_updates_are_security_only(host: Host, settings: dict[str, Any]) -> None:
    """Only security updates are automatic, never those of BigBlueButton"""
    dump = host.check_output("apt-config dump").splitlines()
    origins = [line for line in dump if line.startswith("Unattended-Upgrade::Origins-Pattern:: ")]
    assert origins, "no source for unattended updates is set"
    security = re.compile(r"label=Debian-Security|origin=Ubuntu,archive=[^,]*-security\b")
    assert all(security.search(line) for line in origins), origins
    assert 'Unattended-Upgrade::Automatic-Reboot "false";' in dump
    assert 'Unattended-Upgrade::Package-Blacklist:: "^bbb-";' in dump
    if settings.get("base_alerts", False):
        assert 'Unattended-Upgrade::Mail "root";' in dump


@pytest.mark.advice(
    "Deploy again. 'systemctl list-timers' on the node shows the active timers.",
    units=["chautari-reboot"],
)
def test_restarts_are_in_the_hours_of_the_region(host: Host, settings: dict[str, Any]) -> None:
    """The node restarts after updates only in the hours that the region allows"""
    wanted = bool(settings.get("base_reboot_window", ""))
    timer = host.service("chautari-reboot.timer")
    assert (timer.is_enabled, timer.is_running) == (wanted, wanted)


@pytest.mark.advice("Run 'systemctl restart systemd-sysctl' on the node.", units=["systemd-sysctl"])
def test_kernel_has_its_settings(host: Host) -> None:
    """The kernel uses the settings of the role, where the machine can set them"""
    lines = host.file("/etc/sysctl.d/60-chautari.conf").content_string.splitlines()
    wanted = dict(line[1:].split(" = ") for line in lines if line.startswith("-"))
    assert wanted, "no setting is listed"
    other = {}
    for name, value in wanted.items():
        path = "/proc/sys/" + name.replace(".", "/")
        # In a container, most settings are those of its host.
        if host.run("test -w %s", path).rc == 0:
            found = host.file(path).content_string.strip()
            if int(found) < int(value) or (value == "0" and found != "0"):
                other[name] = found
    assert not other, f"other values: {other}"


@pytest.mark.advice("Deploy again. 'journalctl --disk-usage' on the node shows the size.", units=[])
def test_journal_is_kept_and_limited(host: Host, settings: dict[str, Any]) -> None:
    """The journal survives a restart, and its size is limited"""
    config = host.check_output("systemd-analyze cat-config systemd/journald.conf").splitlines()
    limit = settings.get("base_journal_max_use", "200M")
    assert f"SystemMaxUse={limit}" in config
    assert host.file("/var/log/journal").is_directory
    assert host.service("systemd-journald").is_running


@pytest.mark.advice(
    "Deploy again. 'systemctl list-timers' on the node shows the active timers.",
    units=["chautari-drift"],
)
def test_what_changes_is_looked_for(host: Host, settings: dict[str, Any]) -> None:
    """A timer checks for manual changes, as often as region.yml says"""
    wanted = settings.get("base_drift_mail", "never") != "never"
    timer = host.service("chautari-drift.timer")
    assert (timer.is_enabled, timer.is_running) == (wanted, wanted)


@pytest.mark.advice(
    "Deploy again. 'journalctl -u chautari-health' on the node shows what failed.",
    units=["chautari-health"],
)
def test_node_measures_itself(host: Host) -> None:
    """A timer checks the health of the node, and sends emails about problems"""
    timer = host.service("chautari-health.timer")
    assert (timer.is_enabled, timer.is_running) == (True, True)
    last = host.check_output("systemctl show -P Result chautari-health.service")
    assert last == "success", f"the last measurement ended with: {last}"


@pytest.mark.advice("Run 'systemctl status UNIT' on the node to find the reason.", units=[])
def test_no_unit_has_failed(host: Host) -> None:
    """No systemd unit on the node has failed"""
    failed = host.check_output("systemctl list-units --failed --plain --no-legend").splitlines()
    assert not failed, "failed: " + ", ".join(line.split()[0] for line in failed)


@pytest.mark.advice("Deploy again to write the units of the role.", units=[])
def test_units_are_sandboxed(host: Host) -> None:
    """systemd lets the role's own units do only what they need"""
    sandboxing.assert_exposure(host, sandboxing.units_in_use(host, SANDBOXED_UNITS))

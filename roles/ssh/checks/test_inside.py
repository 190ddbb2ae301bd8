"""What the role ssh promises, seen from the node."""

from __future__ import annotations

import json
import re
import sys
from typing import Any

import pytest
from testinfra.host import Host

pytestmark = pytest.mark.role("ssh")

SETTINGS = {
    "pubkeyauthentication": "yes",
    "passwordauthentication": "no",
    "kbdinteractiveauthentication": "no",
    "allowagentforwarding": "no",
    "allowstreamlocalforwarding": "no",
    "allowtcpforwarding": "no",
    "permittunnel": "no",
    "x11forwarding": "no",
    "clientaliveinterval": "30",
    "clientalivecountmax": "2",
}
# The policies of ssh-audit for what a node may run.
POLICIES = {
    ("debian", "12"): "Hardened Debian 12 (version 3)",
    ("debian", "13"): "Hardened Debian 13 (version 1)",
    ("ubuntu", "22.04"): "Hardened Ubuntu Server 22.04 LTS (version 6)",
    ("ubuntu", "24.04"): "Hardened Ubuntu Server 24.04 LTS (version 2)",
}
# A file in the folder of sshd, or a block that begins with Match, sets something else.
REMOVE = (
    "Run 'sshd -T' on the node, and remove the lines in /etc/ssh/sshd_config and "
    "/etc/ssh/sshd_config.d that override these settings. Then deploy again."
)


def effective(host: Host, *arguments: str) -> dict[str, str]:
    """Return the settings that sshd uses; of a keyword with several values the last one."""
    lines = host.check_output(" ".join(["/usr/sbin/sshd -T", *arguments])).splitlines()
    return {keyword: value for keyword, _, value in (line.partition(" ") for line in lines)}


def local_address(host: Host) -> tuple[str, str]:
    """Return the address and port at which the node reaches its own SSH server."""
    value = effective(host)["listenaddress"]
    address, _, port = value.rpartition(":")
    address = address.strip("[]")
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address), port


@pytest.mark.advice(REMOVE, units=["ssh"])
def test_logins_are_with_keys_and_without_forwarding(host: Host, settings: dict[str, Any]) -> None:
    """SSH allows only logins with keys, and no forwarding"""
    accounts = ["root", *(item["name"] for item in settings.get("base_operators", []))]
    for account in accounts:
        found = effective(host, f"-C user={account},host=localhost,addr=127.0.0.1")
        assert {key: found.get(key) for key in SETTINGS} == SETTINGS, account


@pytest.mark.advice(
    "Deploy again. If algorithms are missing, install the updates first: 'apt-get update && "
    "apt-get install --only-upgrade openssh-server'.",
    units=["ssh"],
)
def test_server_passes_the_policy_of_ssh_audit(host: Host) -> None:
    """The running SSH server passes ssh-audit's policy for the OS release"""
    policy = POLICIES[host.system_info.distribution, host.system_info.release.split("-")[0]]
    address, port = local_address(host)
    # A test of the rate would let the server block the address.
    command = "%s -m ssh_audit.ssh_audit -n --skip-rate-test -P %s -p %s %s"
    result = host.run(command, sys.executable, policy, port, address)
    assert result.rc == 0, result.stdout + result.stderr


@pytest.mark.advice("Deploy again to write /etc/ssh/chautari-moduli.", units=["ssh"])
def test_moduli_are_large(host: Host) -> None:
    """Key exchanges use primes of at least 3071 bits"""
    lines = host.file(effective(host)["modulifile"]).content_string.splitlines()
    sizes = [int(line.split()[4]) for line in lines if re.match(r"\d", line)]
    assert sizes
    assert min(sizes) >= 3071


def login_key_lines(host: Host) -> dict[str, list[str]]:
    """Return the lines of the key files of each account that can log in."""
    found: dict[str, list[str]] = {}
    for entry in host.check_output("getent passwd").splitlines():
        name, _, _, _, _, home, shell = entry.split(":")
        if shell.endswith(("/nologin", "/false", "/sync")):
            continue
        files = effective(host, f"-C user={name},host=localhost,addr=127.0.0.1")
        lines: list[str] = []
        for word in files["authorizedkeysfile"].split():
            path = word.replace("%h", home).replace("%u", name).replace("%%", "%")
            file = host.file(path if path.startswith("/") else f"{home}/{path}")
            if file.is_file:
                lines += file.content_string.splitlines()
        found[name] = lines
    return found


def recorded_keys(host: Host, settings: dict[str, Any]) -> dict[str, Any]:
    """Return the keys of operators and of former operators that the node remembers."""
    found: dict[str, Any] = json.loads(
        host.file("/var/lib/chautari/login-keys.json").content_string
    )
    listed = {key.split()[1] for item in settings["ssh_operators"] for key in item["keys"]}
    assert set(found["known"]) == listed, "the node remembers other keys than the region lists"
    return found


@pytest.mark.advice(
    "Deploy again, and log in with the key of an operator. The deploy removes these keys.",
    units=["ssh"],
)
def test_keys_of_former_operators_open_no_account(host: Host, settings: dict[str, Any]) -> None:
    """No account accepts a key of an operator who left"""
    former = recorded_keys(host, settings)["former"]
    lines = login_key_lines(host)
    open_accounts = [
        f"{account} (key of {item['name']})"
        for account, text in lines.items()
        for blob, item in former.items()
        if any(blob in line.split() for line in text)
    ]
    assert not open_accounts, "these accounts accept them: " + ", ".join(open_accounts)


@pytest.mark.advice("Deploy again to lock the accounts of operators who left.", units=["ssh"])
def test_former_operators_cannot_log_in(host: Host, settings: dict[str, Any]) -> None:
    """The accounts of operators who left are locked, and cannot use sudo"""
    current = {item["name"] for item in settings["ssh_operators"]}
    former = {item["name"] for item in recorded_keys(host, settings)["former"].values()}
    today = int(host.check_output("date +%s")) // 86400
    for name in sorted(former - current):
        entry = host.run("getent shadow %s", name)
        if entry.rc != 0:
            continue  # the account was deleted
        fields = entry.stdout.strip().split(":")
        assert fields[1].startswith("!"), f"the password of {name} is not locked"
        assert fields[7] and int(fields[7]) < today, f"the account {name} has not expired"
        rights = host.run("sudo -n -l -U %s", name)
        assert "not allowed" in rights.stdout + rights.stderr, f"{name} can use sudo"


@pytest.mark.advice("Deploy again to try the settings again.", units=["ssh"])
def test_no_settings_wait_for_a_login(host: Host) -> None:
    """A login has confirmed all SSH settings"""
    assert not host.file("/etc/ssh/sshd_config.d/00-a-chautari-trial.conf").exists
    assert host.file("/etc/ssh/sshd_config.d/00-chautari.conf").exists

"""The SSH server's settings have the algorithms of ssh-audit's policies."""

import json
from pathlib import Path
from typing import Any

import pytest
from region_samples import ROOT
from templates import FOUND, RELEASES, render, variables

from chautari.toolkit_yaml import read_toolkit_yaml

POLICIES = json.loads((ROOT / "tests/fixtures/ssh-audit/policies.json").read_text())["policies"]
# sshd adds these names to its list by itself.
EXTENSIONS = {"ext-info-s", "kex-strict-s-v00@openssh.com"}


def settings(folder: Path, system: str, **changed: Any) -> dict[str, list[str]]:
    """Return the values of each keyword for a system such as `Debian-12`."""
    name, _, release = system.partition("-")
    given = variables(folder, "ssh", "12", **changed)
    given["ansible_facts"] |= {"distribution": name, "distribution_major_version": release}
    found: dict[str, list[str]] = {}
    for line in render("ssh", "sshd.conf.j2", given).splitlines():
        if line and not line.startswith("#"):
            keyword, _, value = line.partition(" ")
            found.setdefault(keyword, []).append(value)
    return found


def everything() -> dict[str, list[str]]:
    return {"stdout_lines": [name for policy in POLICIES.values() for name in policy["kex"]]}


@pytest.mark.parametrize("system", POLICIES)
def test_algorithms_are_those_of_the_policy(system: str, tmp_path: Path) -> None:
    policy = POLICIES[system]
    found = settings(tmp_path, system, __ssh_known_kex=everything())
    lists = {keyword: values[0].split(",") for keyword, values in found.items()}
    assert lists["KexAlgorithms"] == [item for item in policy["kex"] if item not in EXTENSIONS]
    assert lists["Ciphers"] == policy["ciphers"]
    assert lists["MACs"] == policy["macs"]
    plain = [item for item in lists["HostKeyAlgorithms"] if "-cert-" not in item]
    assert plain == policy["host_keys"] or (
        policy["subset_of_host_keys"] and plain == ["ssh-ed25519"]
    )
    assert set(lists["HostKeyAlgorithms"]) <= {*policy["host_keys"], *policy["optional_host_keys"]}


@pytest.mark.parametrize(("system", "version"), [("Ubuntu-22", "8.9"), ("Ubuntu-24", "9.6")])
def test_ubuntu_s_openssh_supports_every_setting(system: str, version: str, tmp_path: Path) -> None:
    known = read_toolkit_yaml(ROOT / "tests/fixtures/upstream/openssh.yml")[version]
    exchanges = {"stdout_lines": known["KexAlgorithms"]}
    found = settings(tmp_path, system, __ssh_known_kex=exchanges)
    assert set(found) <= set(known["keywords"])
    for keyword in ("KexAlgorithms", "Ciphers", "MACs", "HostKeyAlgorithms"):
        assert set(found[keyword][0].split(",")) <= set(known[keyword]), keyword
    wanted = [item for item in POLICIES[system]["kex"] if item not in EXTENSIONS]
    assert found["KexAlgorithms"][0].split(",") == wanted


def test_key_exchanges_that_the_server_does_not_support_are_left_out(tmp_path: Path) -> None:
    known = {"stdout_lines": ["curve25519-sha256"]}
    found = settings(tmp_path, "Debian-12", __ssh_known_kex=known)
    assert found["KexAlgorithms"] == ["curve25519-sha256"]


@pytest.mark.parametrize("system", POLICIES)
def test_logins_are_with_keys_and_without_forwarding(system: str, tmp_path: Path) -> None:
    found = settings(tmp_path, system)
    assert {keyword: value for keyword, [value, *_] in found.items() if value in ("yes", "no")} == {
        "PubkeyAuthentication": "yes", "PasswordAuthentication": "no",
        "KbdInteractiveAuthentication": "no", "AllowAgentForwarding": "no",
        "AllowStreamLocalForwarding": "no", "AllowTcpForwarding": "no", "PermitTunnel": "no",
        "X11Forwarding": "no",
    }  # fmt: skip
    assert (found["MaxAuthTries"], found["ClientAliveInterval"]) == (["3"], ["30"])
    assert found["ClientAliveCountMax"] == ["2"]
    assert found["ModuliFile"] == ["/etc/ssh/chautari-moduli"]


def test_machine_keeps_an_rsa_host_key_of_the_right_size(tmp_path: Path) -> None:
    ours = ["/etc/ssh/ssh_host_ed25519_key", "/etc/ssh/chautari_host_rsa_key"]
    assert settings(tmp_path, "Debian-12")["HostKey"] == ours
    large = {"stdout": "4096 SHA256:x root@lima (RSA)"}
    theirs = [ours[0], "/etc/ssh/ssh_host_rsa_key"]
    assert settings(tmp_path, "Debian-12", __ssh_rsa=large)["HostKey"] == theirs
    assert settings(tmp_path, "Debian-13")["HostKey"] == ours[:1]


def test_samples_cover_both_releases_of_debian() -> None:
    assert {f"Debian-{release}" for release in RELEASES} <= set(POLICIES)
    assert "3072" in FOUND["__ssh_rsa"]["stdout"]

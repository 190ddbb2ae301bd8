"""What fail2ban watches on each node, and whom it never blocks."""

from __future__ import annotations

import configparser
from pathlib import Path
from typing import Any

import pytest
from templates import render, variables


def jails(folder: Path, **changed: Any) -> configparser.ConfigParser:
    """Return the settings that a node gets."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(
        render("fail2ban", "jail.local.j2", variables(folder, "fail2ban", "13", **changed))
    )
    return parser


@pytest.mark.parametrize("services", [[], ["nextcloud"], ["nextcloud", "prosody"]])
def test_ssh_and_the_services_of_the_node_are_watched(services: list[str], tmp_path: Path) -> None:
    found = jails(tmp_path, fail2ban_services=services)
    assert found.sections() == ["sshd", *(f"chautari-{name}" for name in services)]
    assert all(found[name]["enabled"] == "true" for name in found.sections())
    assert all(int(found[name]["maxretry"]) >= 15 for name in found.sections())
    assert found["sshd"]["backend"] == "systemd"
    assert found["DEFAULT"]["banaction"].startswith("nftables-")


def test_nodes_and_people_with_a_key_are_never_blocked(tmp_path: Path) -> None:
    found = jails(tmp_path)
    ignored = set(found["DEFAULT"]["ignoreip"].split())
    assert {"127.0.0.0/8", "::1", "198.51.100.12", "198.51.100.13", "198.51.100.14"} <= ignored
    assert found["DEFAULT"]["ignorecommand"].endswith("/fail2ban-known <ip>")


def test_block_of_ssh_closes_only_its_ports(tmp_path: Path) -> None:
    assert jails(tmp_path, fail2ban_ssh_port=2222)["sshd"]["port"] == "22,2222"
    assert jails(tmp_path, fail2ban_ssh_port=22)["sshd"]["port"] == "22"

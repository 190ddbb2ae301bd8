"""What to do about a refused machine: commands, but never a word that a node sent."""

from __future__ import annotations

from pathlib import Path

import pytest

from chautari.prepare.child_process import refusal_with_login
from chautari.report.model import Refusal
from chautari.ssh.target import SSHTarget

TARGET = SSHTarget("bog1", "203.0.113.77", 22, "root", Path("known_hosts"))


def port_step(program: str, user: str = "root") -> str:
    target = TARGET._replace(user=user, configured_user=user)
    refusal = Refusal("port_in_use", {"port": 80, "program": program})
    return refusal_with_login(refusal, "andes", target).fix


@pytest.mark.parametrize(("user", "sudo"), [("root", ""), ("debian", "sudo ")])
def test_known_program_is_stopped_by_a_command(user: str, sudo: str) -> None:
    step = port_step("apache2", user)
    assert step.endswith(f": deploy ssh andes bog1 -- {sudo}systemctl disable --now apache2")


@pytest.mark.parametrize("program", ["python3", "$(reboot)", "apache2; reboot", ""])
def test_name_of_another_program_never_reaches_a_command(program: str) -> None:
    assert port_step(program).endswith("it is, on the node: deploy ssh andes bog1 -- ss -ltnp")


def test_before_there_is_a_region_the_command_is_for_the_node() -> None:
    refusal = Refusal("space_low", {"free_mb": 1, "paths": ["/"], "needed_mb": 9})
    assert refusal.fix.endswith(": apt-get clean")
    assert "Log in as root" in Refusal("no_root").fix

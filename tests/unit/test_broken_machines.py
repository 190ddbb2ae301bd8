"""Machines that a deploy refuses: the report fits on one screen, and its step works when pasted.

A program in place of ssh answers as the node does. What a step changes on the node, it changes in
the facts that the node reports.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from broken_situations import HEIGHT, Computer, Shown, quotes_of

from chautari.prepare.child_process import node_requirements_digest

Facts = dict[str, str]
PIN = "203.0.113.10 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + "A" * 43 + "\n"
# Answers a survey; each other command is logged, and repairs the fact that it is about.
NODE = """#!{python}
import base64, json, pathlib, sys, time
folder, command = pathlib.Path({folder!r}), sys.argv[-1]
facts = json.loads((folder / "facts.json").read_text())
if "python3 -I" not in command:
    repairs = json.loads((folder / "repairs.json").read_text())
    if command not in repairs:
        sys.exit(f"not expected on the node: {{command}}")
    (folder / "facts.json").write_text(json.dumps(facts | repairs[command]))
    sys.exit()
facts["now"] = int(time.time()) + int(facts.get("skew", 0))
answer = {{"event": "survey", "busy": None, "reasons": {{}}, "obsolete_roles": [],
          "up_to_date": [], "facts": [f"{{key}}={{value}}" for key, value in facts.items()]}}
print()
print(json.dumps(answer))
"""
GOOD: dict[str, Any] = {
    "os": "debian-12", "machine": "x86_64", "uid": 0, "now": 0, "init": "systemd",
    "memory_kb": 4_000_000, "venv": node_requirements_digest(), "free_kb:/": 90_000_000,
    "free_inodes:/": 900_000,
}  # fmt: skip


class Machine(NamedTuple):
    """What is wrong with a machine, what the report says, and what repairs it.

    Attributes:
        repair: what a person writes in region.yml, or what the pasted command changes.
    """

    facts: dict[str, Any]
    says: str
    repair: dict[str, Any] | Callable[[Computer, Shown], object]
    command: str = ""


def write_os(computer: Computer, shown: Shown) -> None:
    found = re.search(r"Write `(os: \S+)` for this node", shown.on_one_line)
    assert found, shown.text
    computer.replace("os: debian-12", found[1])


def use_the_console(computer: Computer, shown: Shown) -> None:
    """Run the printed command, which writes into a folder of this test in place of /etc."""
    found = re.search(r"run as root: (echo .+? > )/etc(/sudoers\.d/ana)", shown.on_one_line)
    assert found, shown.text
    (computer.folder / "sudoers.d").mkdir()
    done = computer.paste(f"{found[1]}{computer.folder}{found[2]}")
    assert done.code == 0, done.text
    rule = (computer.folder / "sudoers.d" / "ana").read_text()
    assert rule == "ana ALL=(ALL) NOPASSWD: ALL\n"
    report(computer, {}, {})


def rent_bigger_machine(computer: Computer, shown: Shown) -> None:
    assert "Choose a bigger machine" in shown.on_one_line
    report(computer, {}, {})


MACHINES = {
    "another operating system": Machine(
        {"os": "debian-13"}, "The node runs debian-13, not debian-12.", write_os
    ),
    "no space": Machine(
        {"free_kb:/": 300_000}, "292 MB are free on /;",
        {"free_kb:/": 90_000_000}, "sudo apt-get clean",
    ),
    "clock ahead": Machine(
        {"skew": 400}, "seconds ahead of the clock of your machine", {"skew": 0},
        "sudo timedatectl set-ntp true",
    ),
    "clock behind": Machine(
        {"skew": -90_000}, "seconds behind the clock of your machine", {"skew": 0},
        "sudo timedatectl set-ntp true",
    ),
    "account without sudo": Machine(
        {"uid": 1000}, "The account cannot become root without a password.",
        use_the_console,
    ),
    "too little memory": Machine(
        {"memory_kb": 200_000}, "The node has 195 MB of memory; 900 MB are needed.",
        rent_bigger_machine,
    ),
}  # fmt: skip


@pytest.fixture
def computer(tmp_path: Path) -> Computer:
    found = Computer(tmp_path / "computer")
    found.set_up()
    ssh = found.folder / "bin" / "ssh"
    ssh.write_text(NODE.format(python=sys.executable, folder=str(found.folder)))
    (found.region / "known_hosts").write_text(PIN)
    return found


def report(computer: Computer, facts: dict[str, Any], repairs: dict[str, Any]) -> None:
    """Let the node report other facts; `repairs` are what commands change."""
    values = GOOD | facts
    (computer.folder / "facts.json").write_text(json.dumps(values))
    (computer.folder / "repairs.json").write_text(json.dumps(repairs))


def deploy(computer: Computer) -> Shown:
    return computer.deploy("region", "andes", "--no-checks")


def step(shown: Shown) -> str:
    """Return the command on the line of its own that ends the first step."""
    steps = shown.text.partition("Next steps")[2]
    found = re.search(r"^      (deploy ssh .+)$", steps, re.MULTILINE)
    assert found, shown.text
    return found[1]


@pytest.mark.parametrize("name", MACHINES)
def test_machine_is_refused_on_one_screen_and_the_step_works(computer: Computer, name: str) -> None:
    machine = MACHINES[name]
    repairs = {machine.command: machine.repair} if machine.command else {}
    report(computer, machine.facts, repairs)
    shown = deploy(computer)
    assert shown.code == 1, shown.text
    assert machine.says in shown.on_one_line
    assert "bog1: refused" in shown.text
    assert shown.screen_lines <= HEIGHT, shown.text
    assert quotes_of(shown), f"docs/troubleshooting.md does not explain: {shown.text}"
    if machine.command:
        line = step(shown)
        assert line == f"deploy ssh andes bog1 -- {machine.command}"
        done = computer.paste(line)
        assert done.code == 0, done.text
    elif callable(machine.repair):
        machine.repair(computer, shown)
    after = deploy(computer)
    assert after.code == 0, after.text

"""Mitogen makes a run faster; where it does not fit the node's Ansible, the run goes on without."""

import json
from pathlib import Path
from typing import Any

import pytest

from chautari.node import runner

ABOUT: dict[str, Any] = {"run": "20261123T120000-abcdef", "mode": "converge"}
ANSIBLE = """#!/bin/sh
echo "strategy ${ANSIBLE_STRATEGY:-none}" >> "$(dirname "$0")/calls"
"""
BEGUN = """echo '{"event": "role_started", "role": "base"}' >> "$CHAUTARI_EVENTS"\n"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(runner, "VENV", tmp_path / "venv")
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    packages = tmp_path / "venv" / "lib" / "python3.13" / "site-packages"
    (packages / "ansible_mitogen" / "plugins" / "strategy").mkdir(parents=True)
    (tmp_path / "memory").mkdir()
    return tmp_path


def run(place: Path, script: str, about: dict[str, Any] = ABOUT) -> tuple[int, list[str]]:
    program = place / "venv" / "bin" / "ansible-playbook"
    program.write_text(ANSIBLE + script)
    program.chmod(0o755)
    node = runner._run_context(place, place / "memory", about, [])
    code = node.ansible("playbooks/run.yml")
    return code, (program.parent / "calls").read_text().splitlines()


def events(place: Path) -> list[str]:
    file = place / "events.jsonl"
    lines = file.read_text().splitlines() if file.exists() else []
    return [json.loads(line)["event"] for line in lines]


def test_mitogen_runs_the_tasks_where_it_is_installed(place: Path) -> None:
    assert run(place, "exit 0") == (0, ["strategy mitogen_linear"])


def test_run_goes_on_without_it_when_it_does_not_fit(place: Path) -> None:
    code, calls = run(place, '[ -z "$ANSIBLE_STRATEGY" ]')
    assert (code, calls) == (0, ["strategy mitogen_linear", "strategy none"])
    assert events(place) == ["mitogen_fallback"]


def test_role_that_failed_is_not_run_a_second_time(place: Path) -> None:
    assert run(place, BEGUN + "exit 2") == (2, ["strategy mitogen_linear"])


def test_plain_ansible_can_be_asked_for(place: Path) -> None:
    assert run(place, "exit 0", ABOUT | {"plain": True}) == (0, ["strategy none"])


def test_node_without_it_uses_plain_ansible(place: Path) -> None:
    (place / "venv" / "lib").rename(place / "elsewhere")
    assert run(place, "exit 0") == (0, ["strategy none"])

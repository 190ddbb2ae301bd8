"""The journal of a failure is about what failed."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from chautari.node.failure_journal import MAX_LINES, read_failure_journal, units_of_failure

OURS = "2026-11-29T16:25:36 lima systemd[1]: chautari-run-x.service:1: Missing '='"
# Prints the lines of the units that were asked for, or the warnings of the machine.
JOURNALCTL = """#!/bin/sh
echo "$@" >> {folder}/calls
case "$*" in
  *--unit=nginx.service*) cat {folder}/nginx ;;
  *--priority=warning*) cat {folder}/warnings ;;
esac
"""
Journal = Callable[..., list[str]]


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Journal:
    program = tmp_path / "journalctl"
    program.write_text(JOURNALCTL.format(folder=tmp_path))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    def read(*units: str, nginx: str = "", warnings: str = "") -> list[str]:
        (tmp_path / "nginx").write_text(nginx)
        (tmp_path / "warnings").write_text(warnings)
        return read_failure_journal(7.9, units)

    return read


@pytest.mark.parametrize(
    ("module", "arguments", "message", "units"),
    [
        ("ansible.builtin.systemd_service", {"name": "nginx"}, "no", ["nginx.service"]),
        ("ansible.builtin.systemd", {"name": "jicofo.service"}, "", ["jicofo.service"]),
        ("ansible.builtin.service", {"name": "turn.socket"}, "", ["turn.socket"]),
        ("ansible.builtin.service", {"name": "postgresql@15-main"},
         "Job for postgresql@15-main.service failed", ["postgresql@15-main.service"]),
        ("ansible.builtin.command", {}, "Job for php8.2-fpm.service failed because the control",
         ["php8.2-fpm.service"]),
        ("ansible.builtin.apt", {"name": "nginx"}, "dpkg returned 1", []),
        ("ansible.builtin.command", {"name": ["a"]}, "chautari-run-x.service failed", []),
        ("ansible.builtin.systemd_service", {"name": ["a"]}, "", []),
    ],
)  # fmt: skip
def test_failure_is_about_the_unit_of_its_task_or_message(
    module: str, arguments: dict[str, object], message: str, units: list[str]
) -> None:
    assert units_of_failure(module, arguments, message) == units


def test_journal_of_the_failed_unit_comes_without_other_programs(journal: Journal) -> None:
    found = journal("nginx.service", nginx="nginx: bind() failed\n", warnings="sshd: x\n")
    assert found == ["nginx: bind() failed"]


@pytest.mark.parametrize("units", [(), ("unknown.service",)])
def test_warnings_of_the_machine_come_without_those_of_our_own_unit(
    units: tuple[str, ...], journal: Journal
) -> None:
    warnings = "kernel: out of memory\n" + f"{OURS}\n" * 12
    assert journal(*units, warnings=warnings) == ["kernel: out of memory"]
    assert journal(*units, warnings=f"{OURS}\n" * 12) == []


def test_long_journal_keeps_its_end(journal: Journal, tmp_path: Path) -> None:
    text = "".join(f"line {number}\n" for number in range(90))
    assert journal("nginx.service", nginx=text) == [
        f"line {number}" for number in range(90 - MAX_LINES, 90)
    ]
    assert "--since @7 --unit=nginx.service" in (tmp_path / "calls").read_text()

"""An interrupted installation is finished before roles run, and only then."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from chautari.node import dpkg_repair, lock

SOUND = "ok/installed bash\nok/config-files apache2\nok/not-installed vim\n"
BROKEN = SOUND + "ok/unpacked nginx\nreinstreq/half-installed redis\nok/triggers-pending libc-bin\n"


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Install fake dpkg and apt: `dpkg` holds the answers, `does` the commands."""
    programs = {
        "dpkg-query": "cat dpkg",
        "dpkg": 'echo dpkg "$@" $DEBIAN_FRONTEND >> did; cp left dpkg',
        "apt-get": 'echo apt-get "$@" >> did; cp sound dpkg',
    }
    for name, does in programs.items():
        file = tmp_path / "bin" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"#!/bin/sh\ncd {tmp_path}\n{does}\n")
        file.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    monkeypatch.setattr(lock, "APT_LOCK", tmp_path / "lock")
    for name in ("FIND_INTERRUPTED", "REPAIR"):
        script: str = getattr(dpkg_repair, name)
        own = script.replace("/var/lib/dpkg/updates", f"{tmp_path}/updates")
        monkeypatch.setattr(dpkg_repair, name, own)
    for name in ("dpkg", "left", "sound"):
        (tmp_path / name).write_text(SOUND)
    return tmp_path


def did(machine: Path) -> list[str]:
    file = machine / "did"
    return file.read_text().splitlines() if file.exists() else []


def repair(machine: Path) -> list[dict[str, Any]]:
    """Repair the packages, and return the events."""
    events: list[dict[str, Any]] = []
    dpkg_repair.repair_dpkg(
        lambda argv: subprocess.run(argv, check=False).returncode,
        lambda event: events.append(dict(event)),
    )
    return events


def test_repair_leaves_a_sound_machine_unchanged(machine: Path) -> None:
    assert (repair(machine), did(machine)) == ([], [])


def test_repair_configures_interrupted_packages(machine: Path) -> None:
    (machine / "dpkg").write_text(BROKEN)
    events = {"packages": ["nginx", "redis", "libc-bin"], "ok": True}
    assert repair(machine) == [{"event": "dpkg_repaired"} | events]
    assert did(machine) == [
        "dpkg --force-confdef --force-confold --configure --pending noninteractive"
    ]
    assert repair(machine) == []


def test_repair_uses_apt_when_dpkg_fails(machine: Path) -> None:
    for name in ("dpkg", "left"):
        (machine / name).write_text(BROKEN)
    assert repair(machine)[0]["ok"] is True
    [_, apt] = did(machine)
    for part in ("--fix-broken install", "--no-remove", "--force-confold", "Lock::Timeout=600"):
        assert part in apt


def test_repair_reports_a_failure(machine: Path) -> None:
    for name in ("dpkg", "left", "sound"):
        (machine / name).write_text(BROKEN)
    assert repair(machine)[0]["ok"] is False


def test_repair_leaves_packages_to_a_running_apt(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (machine / "dpkg").write_text(BROKEN)
    monkeypatch.setattr(lock, "apt_lock_holder", lambda: "apt, process 1")
    assert (repair(machine), did(machine)) == ([], [])


def test_unfinished_packages_include_pending_updates_of_dpkg(machine: Path, tmp_path: Path) -> None:
    """A killed dpkg leaves numbered files; apt refuses all work while one is there."""
    folder = tmp_path / "updates"
    folder.mkdir()
    look = dpkg_repair.FIND_INTERRUPTED.replace("/var/lib/dpkg/updates", str(folder))
    for name, seen in (("tmp.i", False), ("0001", True), ("0002", True)):
        (folder / name).touch()
        done = subprocess.run(["sh", "-c", look], capture_output=True, text=True, check=False)
        assert done.stdout == (f"pending changes in {folder}\n" if seen else "")

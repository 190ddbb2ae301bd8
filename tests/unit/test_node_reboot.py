"""When a node restarts by itself, and when it waits."""

from __future__ import annotations

import json
import subprocess
import time
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from chautari.node.health import probes, reboot

NIGHT = time.mktime((2026, 11, 30, 3, 0, 0, 0, 0, -1))
NOON = time.mktime((2026, 11, 30, 12, 0, 0, 0, 0, -1))
LINE = "{}.service loaded activating start start What it does\n"
IDLE = LINE.format("chautari-reboot") + LINE.format("chautari-health")


class Machine:
    """A node on which an update waits for a restart; tests change one thing of it."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.restarts, self.mails = 0, list[EmailMessage]()
        self.settings = folder / "health.json"
        self.configure()
        self.marker, self.packages = folder / "reboot-required", folder / "packages"
        self.marker.touch()
        self.packages.write_text("linux-image-amd64\nlibc6\nlibc6\n")
        self.units = IDLE
        self.servers: list[dict[str, Any]] = []
        self.counts: dict[int, tuple[int, int] | None] = {}
        self.deploying = False
        monkeypatch.setattr(probes, "REBOOT", self.marker)
        monkeypatch.setattr(reboot, "PACKAGES", self.packages)
        monkeypatch.setattr(probes, "run_command", lambda _: self.units)
        monkeypatch.setattr(probes, "meeting_servers", lambda: self.servers)
        monkeypatch.setattr(probes, "count_meetings", lambda server: self.counts[server["port"]])
        monkeypatch.setattr(reboot, "deploy_is_running", lambda: self.deploying)
        monkeypatch.setattr(reboot, "send_mail", self.send_mail)

    def send_mail(self, message: EmailMessage) -> bool:
        self.mails.append(message)
        return True

    def configure(self, window: str = "02:00-05:00", mail: bool = True) -> None:
        found = {"region": "andes", "node": "bog1", "mail": mail, "reboot_window": window}
        self.settings.write_text(json.dumps(found))

    def run(self, now: float = NIGHT) -> int:
        def restart() -> None:
            self.restarts += 1

        assert reboot.main(self.settings, now=now, restart=restart) == 0
        return self.restarts


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


def test_idle_node_restarts_in_its_window_and_says_why(machine: Machine) -> None:
    assert machine.run() == 1
    [mail] = machine.mails
    assert "bog1" in str(mail["Subject"]) and mail["To"] == "root"
    assert mail.get_content().count("libc6") == 1


def test_region_without_mail_restarts_in_silence(machine: Machine) -> None:
    machine.configure(mail=False)
    assert (machine.run(), machine.mails) == (1, [])


@pytest.mark.parametrize("window", ["", "05:00", "02:00-02:00", "2-5", "26:00-28:00"])
def test_without_a_window_nothing_restarts(machine: Machine, window: str) -> None:
    machine.configure(window)
    assert machine.run() == 0


def test_outside_of_the_window_nothing_restarts(machine: Machine) -> None:
    assert machine.run(NOON) == 0


def test_without_an_update_nothing_restarts(machine: Machine) -> None:
    machine.marker.unlink()
    assert machine.run() == 0


def test_work_that_must_not_end_halfway_is_waited_for(machine: Machine) -> None:
    for name in ("chautari-backup", "apt-daily-upgrade", "cloud-upgrade"):
        machine.units = IDLE + LINE.format(name)
        assert machine.run() == 0
    machine.units, machine.deploying = IDLE, True
    assert machine.run() == 0


@pytest.mark.parametrize(
    ("counts", "restarts"),
    [
        ({1: (0, 0)}, 1),
        ({1: (2, 14)}, 0),
        ({1: (0, 1)}, 0),
        ({1: None}, 0),
        ({1: (0, 0), 2: None}, 0),
        ({1: (0, 0), 2: (0, 0)}, 1),
    ],
)
def test_people_in_meetings_are_not_interrupted(
    machine: Machine, counts: dict[int, tuple[int, int] | None], restarts: int
) -> None:
    machine.servers, machine.counts = [{"port": port} for port in counts], counts
    assert machine.run() == restarts


def test_node_that_cannot_say_what_it_does_waits(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> str:
        raise subprocess.CalledProcessError(1, "systemctl")

    monkeypatch.setattr(probes, "run_command", fail)
    assert machine.run() == 0


@pytest.mark.parametrize(
    ("window", "inside", "outside"),
    [
        ("02:00-05:00", ["02:00", "04:59"], ["01:59", "05:00", "14:00"]),
        ("23:00-01:30", ["23:00", "00:00", "01:29"], ["22:59", "01:30", "12:00"]),
    ],
)
def test_window_may_pass_midnight(window: str, inside: list[str], outside: list[str]) -> None:
    def minute(text: str) -> int:
        return int(text[:2]) * 60 + int(text[3:])

    assert all(reboot.is_in_window(window, minute(text)) for text in inside)
    assert not any(reboot.is_in_window(window, minute(text)) for text in outside)

"""The command of the role ssh keeps new settings only after a new login with a key."""

from __future__ import annotations

import importlib.util
import json
import os
import socket
from collections.abc import Callable
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any

import pytest
from role_samples import ROLES

SCRIPT = ROLES / "ssh" / "files" / "chautari-ssh"
KEX = "sntrup761x25519-sha512@openssh.com"
SETTINGS = f"# ours\nPasswordAuthentication no\nKexAlgorithms {KEX}\n"
EFFECTIVE = f"port 22\nlistenaddress 0.0.0.0:22\npasswordauthentication no\nkexalgorithms {KEX}\n"
LOGIN = "Accepted publickey for root from 192.0.2.7 port 4242 ssh2: ED25519 SHA256:abc"


def load_script() -> Any:
    loader = SourceFileLoader("chautari_ssh", str(SCRIPT))
    spec = importlib.util.spec_from_loader("chautari_ssh", loader)
    assert spec
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


class Machine:
    """A machine with sshd, a journal and systemd, none of which is real."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.script = load_script()
        self.folder, self.calls = folder / "sshd_config.d", list[str]()
        self.folder.mkdir()
        (folder / "sshd_config").write_text("PasswordAuthentication yes\n")
        self.effective, self.errors = EFFECTIVE, dict[str, str]()
        self.loaded = self.offers(KEX)
        self.journal = [self.entry(LOGIN)]
        trial, kept = self.folder / "00-a-chautari-trial.conf", self.folder / "00-chautari.conf"
        self.trial, self.kept = trial, kept
        names = {"MAIN": folder / "sshd_config", "FOLDER": self.folder, "TRIAL": trial,
                 "KEPT": kept, "RELOAD_SECONDS": 0.0, "JOURNAL_SECONDS": 0.0,
                 "PRIVILEGE_SEPARATION": folder, "run": self.run, "stop_timer": self.stop_timer,
                 "load": lambda: self.calls.append("load"),
                 "offered_exchanges": lambda _: self.loaded()}  # fmt: skip
        for name, value in names.items():
            monkeypatch.setattr(self.script, name, value)

    @staticmethod
    def offers(names: str) -> Callable[[], list[str]]:
        return lambda: names.split(",")

    @staticmethod
    def entry(message: str, moment: float = 2e9, uid: str = "0") -> str:
        fields = {"MESSAGE": message, "__REALTIME_TIMESTAMP": str(int(moment * 1e6)), "_UID": uid}
        return json.dumps(fields)

    def run(self, *argv: str) -> str:
        name = Path(argv[0]).name
        self.calls.append(f"{name} {argv[1]}")
        if error := self.errors.get(self.calls[-1]):
            raise self.script.Refused(error)
        if name == "journalctl":
            return "\n".join(self.journal)
        return self.effective if argv[1] == "-T" else ""

    def stop_timer(self) -> None:
        self.calls.append("stop timer")

    def try_settings(self) -> None:
        self.script.try_settings(SETTINGS, 120)

    def refuses(self, work: Callable[[], object], words: str) -> None:
        with pytest.raises(self.script.Refused, match=words):
            work()


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


def test_timer_runs_before_anything_changes(machine: Machine) -> None:
    machine.try_settings()
    timer = machine.calls.index("systemd-run --quiet")
    assert timer < machine.calls.index("load")
    assert machine.trial.read_text() == SETTINGS
    assert machine.trial.stat().st_mode & 0o777 == 0o644
    assert not machine.kept.exists()
    assert "stop timer" not in machine.calls[timer:]


@pytest.mark.parametrize(
    "journal",
    [
        [],
        ["Accepted password for root from 192.0.2.7 port 4242 ssh2"],
        ["Accepted keyboard-interactive/pam for root from 192.0.2.7 port 4242 ssh2"],
        ["Failed publickey for root from 192.0.2.7 port 4242 ssh2"],
    ],
)
def test_nothing_changes_without_a_login_with_a_key(machine: Machine, journal: list[str]) -> None:
    machine.journal = [machine.entry(message) for message in journal]
    machine.refuses(machine.try_settings, "does not show that this login used a key")
    assert list(machine.folder.iterdir()) == []
    assert not {"load", "systemd-run --quiet"} & set(machine.calls)


def test_message_that_root_did_not_write_is_no_proof(machine: Machine) -> None:
    machine.journal = [machine.entry(LOGIN, uid="1000")]
    machine.refuses(machine.try_settings, "does not show")


def test_proof_is_read_for_the_login_that_started_the_run(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHAUTARI_LOGIN", "41 42")
    assert machine.script.own_and_ancestor_pids() == [41, 42]
    monkeypatch.delenv("CHAUTARI_LOGIN")
    assert machine.script.own_and_ancestor_pids()[:2] == [os.getpid(), os.getppid()]


def test_broken_settings_of_the_machine_are_left_alone(machine: Machine) -> None:
    machine.errors["sshd -t"] = "line 3: Bad configuration option: Foo"
    machine.refuses(machine.try_settings, "Bad configuration option")
    assert "systemd-run --quiet" not in machine.calls


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("", "sshd_config:1 comes first"),
        ("00-0.conf", "00-0.conf:2 comes first"),
    ],
)
def test_setting_without_effect_is_taken_back_with_its_cause(
    machine: Machine, file: str, words: str
) -> None:
    if file:
        (machine.folder / file).write_text("# theirs\nPasswordAuthentication yes\n")
    machine.effective = EFFECTIVE.replace("authentication no", "authentication yes")
    machine.refuses(machine.try_settings, f"passwordauthentication would be yes, not no: .*{words}")
    assert not machine.trial.exists()
    assert [path.name for path in machine.folder.iterdir()] == ([file] if file else [])
    assert machine.calls[-2:] == ["load", "stop timer"]


def test_missing_include_is_named(machine: Machine) -> None:
    machine.effective = EFFECTIVE.replace(KEX, "curve25519-sha256")
    machine.refuses(machine.try_settings, "write 'Include .*/[*].conf' as the first line")


def test_server_that_does_not_load_the_settings_gets_the_old_ones(machine: Machine) -> None:
    machine.loaded = machine.offers("curve25519-sha256")
    machine.refuses(machine.try_settings, "does not use the new settings")
    assert not machine.trial.exists()


def test_new_login_keeps_the_settings_and_stops_the_timer(machine: Machine) -> None:
    machine.try_settings()
    machine.script.confirm()
    assert machine.kept.read_text() == SETTINGS
    assert not machine.trial.exists()
    assert machine.calls[-1] == "stop timer"
    machine.script.wait(SETTINGS, 0)


def test_server_reads_its_files_again_when_it_had_older_settings(machine: Machine) -> None:
    machine.kept.write_text("# of an earlier version\n")
    machine.try_settings()
    machine.script.confirm()
    assert machine.calls[-2:] == ["stop timer", "load"]


def test_login_that_is_older_than_the_settings_does_not_keep_them(machine: Machine) -> None:
    machine.try_settings()
    machine.journal = [machine.entry(LOGIN, machine.trial.stat().st_mtime - 1)]
    machine.refuses(machine.script.confirm, "not a new login with a key")
    assert machine.trial.exists() and not machine.kept.exists()


def test_restored_settings_cannot_be_kept_afterwards(machine: Machine) -> None:
    machine.kept.write_text("# of an earlier version\n")
    machine.try_settings()
    machine.script.restore()
    assert machine.calls[-2:] == ["load", "stop timer"]
    machine.refuses(machine.script.confirm, "no new sshd settings are waiting")
    machine.refuses(lambda: machine.script.wait(SETTINGS, 120), "no new login .* in 120 seconds")
    assert machine.kept.read_text() == "# of an earlier version\n"


def test_wait_ends_when_nobody_logs_in(machine: Machine) -> None:
    machine.try_settings()
    machine.refuses(lambda: machine.script.wait(SETTINGS, 0), "no new login with a key succeeded")


def test_settings_on_trial_are_read_first_and_removed_at_boot() -> None:
    script = load_script()
    names = sorted([script.TRIAL.name, script.KEPT.name, "50-cloud-init.conf"])
    assert names[0] == script.TRIAL.name and names[1] == script.KEPT.name
    tasks = (ROLES / "ssh" / "tasks" / "configure.yml").read_text()
    assert f"r! {script.TRIAL}\\n" in tasks


def test_offer_of_the_server_is_read_from_its_first_packet(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    script = load_script()
    names = b"curve25519-sha256,kex-strict-s-v00@openssh.com"
    packet = b"\x14" + bytes(16) + len(names).to_bytes(4, "big") + names + bytes(40)
    length = (len(packet) + 1).to_bytes(4, "big")
    server, client = socket.socketpair()
    server.sendall(b"a greeting\r\nSSH-2.0-OpenSSH_10.0\r\n" + length + b"\x04" + packet)
    monkeypatch.setattr(script.socket, "create_connection", lambda *_, **__: client)
    assert script.offered_exchanges(("127.0.0.1", 22)) == ["curve25519-sha256"]
    server.close()

"""The deploying side logs in once more, and does not insist where the server rejects it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chautari.ssh import login_proof
from chautari.ssh.target import SSHTarget

TARGET = SSHTarget("bog1", "203.0.113.10", 22, "debian", Path("known_hosts"))


class Logins:
    """Stands in for `ssh`: each login ends with the next code and error."""

    def __init__(self, *endings: tuple[int, str]) -> None:
        self.endings, self.commands = list(endings), list[str]()
        self.now = 0.0

    def start(self, argv: tuple[str, ...], **_: Any) -> Any:
        self.commands.append(argv[-1])
        code, stderr = self.endings.pop(0) if len(self.endings) > 1 else self.endings[0]
        self.now += 20.0
        return Login(code, stderr)

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Login:
    """One ended command."""

    def __init__(self, code: int, stderr: str) -> None:
        self.code, self.stderr = code, stderr

    def __iter__(self) -> Iterator[str]:
        return iter(["The settings are kept."])


def log_in(
    monkeypatch: pytest.MonkeyPatch,
    *endings: tuple[int, str],
    work: Callable[[SSHTarget], str] = login_proof.try_new_login_and_return_error,
    target: SSHTarget = TARGET,
) -> tuple[str, Logins]:
    logins = Logins(*endings)
    monkeypatch.setattr(login_proof, "RunningCommand", logins.start)
    monkeypatch.setattr(login_proof.time, "monotonic", lambda: logins.now)
    monkeypatch.setattr(login_proof.time, "sleep", logins.sleep)
    return work(target), logins


def test_login_runs_the_command_of_the_role_as_root(monkeypatch: pytest.MonkeyPatch) -> None:
    error, logins = log_in(monkeypatch, (0, ""))
    assert error == ""
    assert logins.commands == ["sudo -n /usr/local/sbin/chautari-ssh confirm"]
    role = Path(__file__).resolve().parents[2] / "roles" / "ssh" / "tasks" / "configure.yml"
    assert "dest: /usr/local/sbin/chautari-ssh" in role.read_text()


def test_broken_connection_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    error, logins = log_in(
        monkeypatch, (255, "ssh: connect to host x: Connection refused"), (0, "")
    )
    assert (error, len(logins.commands)) == ("", 2)


def test_settings_that_no_longer_wait_are_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    error, logins = log_in(monkeypatch, (login_proof.NOTHING_TO_KEEP, "no settings of sshd wait"))
    assert (error, len(logins.commands)) == ("", 1)
    script = Path(__file__).resolve().parents[2] / "roles" / "ssh" / "files" / "chautari-ssh"
    assert f"\nNOTHING_TO_KEEP = {login_proof.NOTHING_TO_KEEP}  #" in script.read_text()


@pytest.mark.parametrize(
    "said",
    [
        "Unable to negotiate with 203.0.113.10 port 22: no matching key exchange method found.",
        "root@203.0.113.10: Permission denied (publickey).",
        "Host key verification failed.",
    ],
)
def test_rejected_login_is_not_repeated(monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    error, logins = log_in(monkeypatch, (255, f"a warning\n{said}"))
    assert (error, len(logins.commands)) == (said, 1)


def test_login_is_given_up_before_the_node_restores(monkeypatch: pytest.MonkeyPatch) -> None:
    error, logins = log_in(monkeypatch, (255, "ssh: connect: Connection timed out"))
    assert error.endswith("Connection timed out")
    assert logins.now < 150


OWN = TARGET._replace(configured_user="debian", other_users=("ana", "luz"))


def prove(monkeypatch: pytest.MonkeyPatch, *endings: tuple[int, str]) -> tuple[str, Logins]:
    work = login_proof.try_own_login_and_return_error
    return log_in(monkeypatch, *endings, work=work, target=OWN)


def test_own_account_is_shown_to_the_node(monkeypatch: pytest.MonkeyPatch) -> None:
    denied = "ana@203.0.113.10: Permission denied (publickey)."
    error, logins = prove(monkeypatch, (255, denied), (0, ""))
    assert error == ""
    assert logins.commands == ["sudo -n /usr/local/sbin/chautari-login-keys confirm"] * 2
    role = Path(__file__).resolve().parents[2] / "roles" / "ssh"
    assert (
        f"argv: [{login_proof.PROVE.split()[0]}, wait,"
        in (role / "tasks" / "own_login.yml").read_text()
    )
    script = (role / "files" / "chautari-login-keys").read_text()
    assert f"\nNOTHING_TO_PROVE = {login_proof.NOTHING_TO_KEEP}  #" in script


def test_configured_account_proves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    logins = Logins((0, ""))
    monkeypatch.setattr(login_proof, "RunningCommand", logins.start)
    error = login_proof.try_own_login_and_return_error(OWN._replace(other_users=()))
    assert "no operator" in error and logins.commands == []

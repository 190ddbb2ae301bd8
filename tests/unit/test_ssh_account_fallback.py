"""Another account is tried where the node refuses the first, and only there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chautari.ssh import account_choice, account_fallback, runner_client
from chautari.ssh.account_fallback import (
    current_login,
    is_accepted,
    is_account_refused,
    is_command_accepted,
    try_accounts,
)
from chautari.ssh.runner_client import call_runner
from chautari.ssh.target import SSHTarget

DENIED = "ana@203.0.113.10: Permission denied (publickey)."
OTHER_LOGIN = 'Please login as the user "debian" rather than the user "root".'
ANSWER = '{"event": "status", "run": null}'


class Node:
    """Stands in for `ssh`: how each account's login ends."""

    def __init__(self, **endings: tuple[int, str, str]) -> None:
        self.endings, self.logins = endings, list[tuple[str, str]]()

    def start(self, argv: tuple[str, ...], *_: Any, **__: Any) -> Ended:
        account = argv[argv.index("-l") + 1]
        self.logins.append((account, "runner" if "python3" in argv[-1] else argv[-1]))
        return Ended(*self.endings[account])

    @property
    def accounts(self) -> list[str]:
        return [account for account, _ in self.logins]


class Ended:
    """A connection that has ended."""

    flooded = stopped = False

    def __init__(self, code: int, stdout: str, stderr: str) -> None:
        self.code, self.stdout, self.stderr = code, stdout, stderr

    def __iter__(self) -> Iterator[str]:
        return iter(self.stdout.splitlines())


@pytest.fixture
def target(tmp_path: Path) -> Iterator[SSHTarget]:
    yield SSHTarget(
        "bog1", "203.0.113.10", 22, "ana", tmp_path / "known_hosts", configured_user="root",
        other_users=("root",), memory=tmp_path / "state" / "accounts.json",
    )  # fmt: skip
    account_fallback._accepted.clear()


def use(monkeypatch: pytest.MonkeyPatch, node: Node) -> Node:
    monkeypatch.setattr(runner_client, "RunningCommand", node.start)
    monkeypatch.setattr(account_fallback, "RunningCommand", node.start)
    return node


def test_accepted_account_needs_one_connection(
    monkeypatch: pytest.MonkeyPatch, target: SSHTarget
) -> None:
    node = use(monkeypatch, Node(ana=(0, ANSWER, "")))
    assert call_runner(target, {"action": "status"}, dict[str, Any]).answer is not None
    assert node.accounts == ["ana"]
    assert account_choice.load_memory(target.memory) == {"203.0.113.10 22": "ana"}


@pytest.mark.parametrize(
    "refused",
    [
        (255, "", DENIED),
        (255, "", "Connection closed by 203.0.113.10 port 22"),
        (255, "", ""),
        (1, "", "sudo: a password is required"),
        (1, "", "This account is currently not available."),
        (127, "", "bash: line 1: sudo: command not found"),
        (142, OTHER_LOGIN, ""),
    ],
)
def test_refused_account_is_replaced_and_the_other_one_remembered(
    monkeypatch: pytest.MonkeyPatch, target: SSHTarget, refused: tuple[int, str, str]
) -> None:
    node = use(monkeypatch, Node(ana=refused, root=(0, ANSWER, "")))
    assert call_runner(target, {"action": "status"}, dict[str, Any]).answer is not None
    assert account_choice.load_memory(target.memory) == {"203.0.113.10 22": "root"}
    # For the rest of the command, the refused account is not tried again.
    assert current_login(target).user == "root"
    call_runner(target, {"action": "status"}, dict[str, Any])
    assert node.accounts == ["ana", "root", "root"]


@pytest.mark.parametrize(
    "ending",
    [
        (255, "", "ssh: connect to host 203.0.113.10 port 22: Connection refused"),
        (255, "", "kex_exchange_identification: Connection closed by remote host"),
        (255, "", "Host key verification failed."),
        (1, "", "Traceback"),
    ],
)
def test_other_errors_are_no_refusal(
    monkeypatch: pytest.MonkeyPatch, target: SSHTarget, ending: tuple[int, str, str]
) -> None:
    node = use(monkeypatch, Node(ana=ending, root=(0, ANSWER, "")))
    assert call_runner(target, {"action": "status"}, dict[str, Any]).code == ending[0]
    assert node.accounts == ["ana"]
    assert account_choice.load_memory(target.memory) == {}


def test_error_of_the_configured_account_is_shown(
    monkeypatch: pytest.MonkeyPatch, target: SSHTarget
) -> None:
    use(monkeypatch, Node(ana=(255, "", DENIED), root=(142, OTHER_LOGIN, "")))
    login = target._replace(user="root", other_users=("ana",))
    for one in (target, login):
        reply = call_runner(one, {"action": "status"}, dict[str, Any])
        assert "debian" in reply.error


def test_command_that_prints_a_refusal_itself_runs_once(
    monkeypatch: pytest.MonkeyPatch, target: SSHTarget
) -> None:
    """`deploy ssh` runs commands such as git, which may be refused elsewhere."""
    ran = list[str]()
    use(monkeypatch, Node(ana=(0, "", ""), root=(0, "", "")))

    def attempt(login: SSHTarget) -> SSHTarget:
        ran.append(login.user)
        return login

    try_accounts(target, attempt, lambda login: is_command_accepted(login, 255, DENIED))
    assert ran == ["ana"]
    use(monkeypatch, Node(ana=(255, "", DENIED), root=(0, "", "")))
    try_accounts(target, attempt, lambda login: is_command_accepted(login, 255, DENIED))
    assert ran == ["ana", "ana", "root"]


def test_bare_machine_accepts_the_account() -> None:
    assert is_accepted(False, 127, "sh: 1: python3: not found") is True
    assert is_accepted(False, 1, "sudo: python3: command not found") is True
    assert not is_account_refused(0, DENIED)

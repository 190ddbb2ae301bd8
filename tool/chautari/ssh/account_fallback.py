"""Log in with another account of a node, if the node refuses the first one."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from chautari.preflight.facts import suggested_login_account
from chautari.process import OutputLimits, RunningCommand
from chautari.ssh.account_choice import memory_key, store_account
from chautari.ssh.target import SSHTarget, command_as_root, ssh_argv

Result = TypeVar("Result")

# What a server or a shell prints when it refuses an account before it runs a command.
_REFUSALS = (
    "permission denied (", "too many authentication failures", "account is currently not available",
    "account has expired", "not permitted to log in", "account has been disabled",
    "sudo: a password is required", "sudo: a terminal is required", "is not in the sudoers file",
    "is not allowed to run sudo", "is not allowed to execute", "sudo: command not found",
    "sudo: not found", "account validation failure",
)  # fmt: skip
# PAM closes the connection of an account that has expired; at this level, ssh may say nothing.
_CLOSED = re.compile(r"connection closed by \S+ port \d+\s*$")
_SSH_FAILED = 255
NO_PROGRAM = 127  # exit code of a shell that does not find a program
_PROBE = "chautari-account-works"
_PROBE_LIMITS = OutputLimits(line_bytes=1 << 16, total_bytes=1 << 18)
_accepted: dict[tuple[Path | None, str, int, Path | None], str] = {}  # by node, in this process


def current_login(target: SSHTarget) -> SSHTarget:
    """Return the target with the account that the node accepted in this command, if it did."""
    account = accepted_account(target)
    known = (target.user, *target.other_users)
    if account not in known or account == target.user:
        return target
    others = tuple(name for name in known if name != account)
    return target._replace(user=account, other_users=others)


def accepted_account(target: SSHTarget) -> str:
    """Return the account that the node accepted in this command; empty if there is none yet."""
    return _accepted.get(_place(target), "")


def accounts_of_node(target: SSHTarget) -> list[SSHTarget]:
    """Return the target with each account that may log in, the most likely one first."""
    first = current_login(target)
    accounts = (first.user, *first.other_users)
    return [
        first._replace(user=name, other_users=tuple(other for other in accounts if other != name))
        for name in accounts
    ]


def remember_login(target: SSHTarget) -> None:
    """Remember that the node accepted the account of `target`."""
    _accepted[_place(target)] = target.user
    if target.memory is not None and target.other_users:
        name = memory_key(target.address, target.port, target.key)
        store_account(target.memory, name, target.user)


def is_account_refused(code: int | None, said: str) -> bool:
    """Return whether the node refused the account before it ran anything."""
    text = said.lower()
    return bool(code) and (
        any(words in text for words in _REFUSALS)
        or bool(_CLOSED.search(text))
        or (code == _SSH_FAILED and not text.strip())
        or bool(suggested_login_account(said))
    )


def is_accepted(answered: bool, code: int | None, said: str) -> bool | None:
    """Return whether an account logged in; None if a connection does not show it.

    `answered` says whether the command ran, `code` and `said` are its exit code and its errors.
    """
    if answered:
        return True
    if is_account_refused(code, said):
        return False
    # A bare machine has no Python: its shell or sudo says so.
    return True if code == NO_PROGRAM or "sudo: python3: command not found" in said else None


def probe_account(login: SSHTarget) -> bool | None:
    """Log in and run nothing, as root; return what `is_accepted` returns."""
    words = command_as_root(login, f"echo {_PROBE}")
    command = RunningCommand(ssh_argv(login, words), limits=_PROBE_LIMITS)
    lines = list(command)
    # A forced command may end well, too.
    said = "\n".join([command.stderr, *lines])
    return is_accepted(_PROBE in lines, command.code, said)


def is_command_accepted(login: SSHTarget, code: int | None, said: str) -> bool | None:
    """Return what `is_accepted` returns, for a command that must not run twice.

    The command itself may print what a refusal prints, so another login has to be refused, too.
    """
    if not is_account_refused(code, said):
        return True if code == 0 else None
    return False if probe_account(login) is False else None


def account_that_logs_in(target: SSHTarget) -> SSHTarget:
    """Return the target with an account that the node accepts, after a login that runs nothing."""
    return try_accounts(
        target,
        lambda login: (login, probe_account(login)),
        lambda found: found[1],
    )[0]


def try_accounts(
    target: SSHTarget,
    attempt: Callable[[SSHTarget], Result],
    accepted: Callable[[Result], bool | None],
) -> Result:
    """Return the first result that is not a refusal of the account, and remember the account.

    `accepted` says whether the account logged in: True, False for a refused account, None if the
    result does not show it. If all are refused, the result of `configured_user` is returned.
    """
    refused: list[tuple[bool, Result]] = []
    for login in accounts_of_node(target):
        result = attempt(login)
        answer = accepted(result)
        if answer:
            remember_login(login)
        if answer is not False:
            return result
        refused.append((login.user == target.configured_user, result))
    return max(refused, key=lambda item: item[0])[1]


def _place(target: SSHTarget) -> tuple[Path | None, str, int, Path | None]:
    return target.memory, target.address, target.port, target.key

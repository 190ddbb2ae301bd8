"""Run podman and the builds of base systems as root, and nothing else.

Only root's containers get addresses of their own. Everything else runs as the account that started
the command, so that keys, state, reports and caches belong to it.
"""

from __future__ import annotations

import os
import shlex
import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from chautari.account import account_name
from chautari.errors import BadInput
from chautari.language import Text, _
from chautari.process import ProcessError, run

Argv = tuple[str, ...]

REASON: Text = "a sandbox needs root, so that each node gets its own IP address"
# sudo forgets a password after minutes; a first start on a slow connection takes longer.
_REFRESH_SECONDS = 60
_SETTINGS = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


def is_root() -> bool:
    """Return whether this process is root's."""
    return os.geteuid() == 0


def as_root(argv: Sequence[str]) -> Argv:
    """Return the command that runs `argv` as root; it never asks for a password."""
    return tuple(argv) if is_root() else ("sudo", "--non-interactive", "--", *argv)


def as_root_with_proxies(argv: Sequence[str]) -> Argv:
    """Return the command that runs `argv` as root with this account's proxies.

    sudo removes them from the environment, and a download may depend on them.
    """
    proxies = [f"{name}={os.environ[name]}" for name in _SETTINGS if os.environ.get(name)]
    return as_root(("env", *proxies, *argv) if proxies and not is_root() else argv)


def prefix_command_with_sudo(command: str) -> str:
    """Return how a person types a command that root runs."""
    return command if is_root() else f"sudo {command}"


def apt_install_hint(*packages: str) -> str:
    """Return the command for a person that installs Debian packages on this machine."""
    return prefix_command_with_sudo(f"apt-get install -y {' '.join(packages)}")


def require_root_access() -> None:
    """Make sure that commands can run as root; sudo may ask for a password at a terminal.

    Raises:
        BadInput: when they cannot. Nothing was changed.
    """
    if is_root():
        return
    if shutil.which("sudo") is None:
        raise BadInput(
            _("{reason}, but sudo is not installed", reason=_(REASON)),
            fix=f"as root: apt-get install -y sudo && {_advice_to_join_sudo_group()}",
        )
    refusal = _sudo_refusal()
    if not refusal:
        return
    if not _is_at_terminal():
        rule = f"{account_name()} ALL=(ALL) NOPASSWD: ALL"
        raise BadInput(
            _(
                "{reason}. sudo refused, and there is no terminal to enter a password: {refusal}",
                reason=_(REASON),
                refusal=refusal,
            ),
            fix=_(
                "run the command in a terminal, or allow sudo without a password; as "
                "root: echo {rule} > /etc/sudoers.d/chautari",
                rule=shlex.quote(rule),
            ),
        )
    with suppress(ProcessError):
        run(("sudo", "--validate", "--prompt", f"{_(REASON)}.\n[sudo] password for %p: "))
    if refusal := _sudo_refusal():
        raise BadInput(
            _("{reason}, but sudo refused: {refusal}", reason=_(REASON), refusal=refusal),
            fix=f"as root: {_advice_to_join_sudo_group()}",
        )


@contextmanager
def hold_root_access() -> Iterator[None]:
    """Make sure that commands can run as root until the end, with at most one password prompt."""
    require_root_access()
    ended = threading.Event()
    if not is_root():
        threading.Thread(target=_refresh_sudo_until, args=(ended,), daemon=True).start()
    try:
        yield
    finally:
        ended.set()


def _refresh_sudo_until(ended: threading.Event) -> None:
    while not ended.wait(_REFRESH_SECONDS):
        _sudo_refusal()


def _sudo_refusal() -> str:
    """Return sudo's own words when it needs a password or forbids the command; else nothing."""
    # A narrow rule of sudo may allow only what containers need.
    probe = ("podman", "--version") if shutil.which("podman") else ("true",)
    try:
        run(as_root(probe), timeout=60)
    except ProcessError as error:
        return error.stderr.strip() or str(error)
    return ""


def _is_at_terminal() -> bool:
    """Return whether sudo can ask: a command in the background would stop at its question."""
    try:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    finally:
        os.close(terminal)


def _advice_to_join_sudo_group() -> str:
    return f"usermod -aG sudo {account_name()}; then log in again"

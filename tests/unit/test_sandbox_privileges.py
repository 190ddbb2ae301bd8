"""What runs as root, and how a person gets there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from chautari.errors import BadInput
from chautari.process import CompletedProcess, ProcessError
from chautari_sandbox import podman_commands, privileges


@pytest.fixture
def person(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run as an account that is not root, on a machine that has sudo."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(shutil, "which", lambda name, **_: f"/usr/bin/{name}")
    for name in ("http_proxy", "https_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def sudo_says(monkeypatch: pytest.MonkeyPatch, *refusals: str) -> list[tuple[str, ...]]:
    """Let sudo refuse with these words, in this order; return the commands that are run."""
    left, ran = list(refusals), []

    def run(argv: tuple[str, ...], **_: object) -> CompletedProcess:
        ran.append(argv)
        if argv[1] != "--validate" and (words := left.pop(0)):
            raise ProcessError(" ".join(argv), 1, "", words)
        return CompletedProcess(argv, 0, b"", b"")

    monkeypatch.setattr(privileges, "run", run)
    return ran


def test_root_needs_no_sudo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert podman_commands.podman_command_prefix("runc") == ("podman", "--runtime", "runc")
    assert privileges.as_root_with_proxies(["mmdebstrap"]) == ("mmdebstrap",)
    assert privileges.apt_install_hint("podman") == "apt-get install -y podman"
    monkeypatch.setattr(privileges, "run", None)
    privileges.require_root_access()


@pytest.mark.usefixtures("person")
def test_sudo_never_asks_within_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    assert podman_commands.podman_command_prefix() == ("sudo", "--non-interactive", "--", "podman")
    monkeypatch.setenv("https_proxy", "http://proxy.example.org:3128")
    assert privileges.as_root_with_proxies(["mmdebstrap"])[2:] == (
        "--", "env", "https_proxy=http://proxy.example.org:3128", "mmdebstrap"
    )  # fmt: skip
    assert privileges.apt_install_hint("podman").startswith("sudo apt-get ")


@pytest.mark.usefixtures("person")
def test_sudo_that_asks_for_no_password_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    ran = sudo_says(monkeypatch, "")
    privileges.require_root_access()
    assert ran == [("sudo", "--non-interactive", "--", "podman", "--version")]


@pytest.mark.usefixtures("person")
def test_password_is_asked_once_at_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(privileges, "_is_at_terminal", lambda: True)
    ran = sudo_says(monkeypatch, "sudo: a password is required", "")
    privileges.require_root_access()
    assert [argv[1] for argv in ran].count("--validate") == 1


@pytest.mark.usefixtures("person")
@pytest.mark.parametrize(
    ("terminal", "fix"),
    [(True, "usermod -aG sudo ana"), (False, "echo 'ana ALL=(ALL) NOPASSWD: ALL'")],
)
def test_refusal_of_sudo_is_shown_with_a_fix(
    monkeypatch: pytest.MonkeyPatch, terminal: bool, fix: str
) -> None:
    monkeypatch.setenv("LOGNAME", "ana")
    monkeypatch.setattr(privileges, "_is_at_terminal", lambda: terminal)
    sudo_says(monkeypatch, *["sudo: ana may not run podman"] * 3)
    with pytest.raises(BadInput, match="sudo: ana may not run podman") as refused:
        privileges.require_root_access()
    assert refused.value.exit_code == 2 and fix in refused.value.fix


@pytest.mark.usefixtures("person")
def test_missing_sudo_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    with pytest.raises(BadInput, match="sudo is not installed"):
        privileges.require_root_access()


def test_process_without_a_terminal_is_not_at_one() -> None:
    script = "import os; from chautari_sandbox import privileges as p; print(p._is_at_terminal())"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, start_new_session=True,
        stdin=subprocess.DEVNULL, check=True,
    )  # fmt: skip
    assert done.stdout == "False\n"

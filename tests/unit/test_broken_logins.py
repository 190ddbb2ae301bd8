"""Broken logins that volunteers meet: the cause is on this computer, or on the node.

The node is an SSH server in this process; ssh itself, the keys and the steps are real.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest
from broken_situations import HEIGHT, Computer, Shown, quotes_of
from region_samples import key_pair
from ssh_server import SSHServer, running_ssh_server
from test_broken_situations import step_after

HELLO = ("ssh", "andes", "bog1", "--", "echo hello")
FORCED = 'echo "Please login as the user \\"debian\\" rather than the user \\"root\\"."; exit 142'
PASSWORD = "#!/bin/sh\necho {password}\n"


@pytest.fixture
def node(tmp_path: Path) -> Iterator[SSHServer]:
    with running_ssh_server(tmp_path / "node") as server:
        yield server


@pytest.fixture
def computer(tmp_path: Path, node: SSHServer) -> Computer:
    """Return a computer that reaches the node, whose host key is pinned."""
    found = Computer(tmp_path / "computer")
    found.set_up()
    found.replace("port: 22\n", f"port: {node.port}\n")
    connect_to_this_machine(found, node.port)
    pin(found, node.port, node.key)
    (node.home / ".ssh").mkdir()
    (node.home / ".ssh" / "authorized_keys").write_text(public_key(found))
    assert "hello" in found.deploy(*HELLO).text
    return found


def connect_to_this_machine(computer: Computer, port: int) -> None:
    (computer.home / ".ssh" / "config").write_text(
        f"IdentityFile {computer.key}\nHost 203.0.113.10\n  HostName 127.0.0.1\n"
        f"  HostKeyAlias [203.0.113.10]:{port}\n"
    )


def pin(computer: Computer, port: int, key: paramiko.PKey) -> None:
    line = f"[203.0.113.10]:{port} {key.get_name()} {key.get_base64()}\n"
    (computer.region / "known_hosts").write_text(line)


def public_key(computer: Computer) -> str:
    return computer.key.with_name("id_ed25519.pub").read_text()


def answer_prompts(computer: Computer, password: str) -> None:
    """Let a program that asks for a password get it, as if the person typed it."""
    program = computer.folder / "bin" / "answer"
    program.write_text(PASSWORD.format(password=password))
    program.chmod(0o755)
    computer.environment |= {"SSH_ASKPASS": str(program), "SSH_ASKPASS_REQUIRE": "force"}


def refused(computer: Computer, says: str) -> Shown:
    shown = computer.deploy(*HELLO)
    assert shown.code == 1, shown.text
    assert says in shown.text, shown.text
    assert shown.screen_lines <= HEIGHT
    assert quotes_of(shown), f"docs/troubleshooting.md does not explain: {shown.text}"
    return shown


def assert_works(computer: Computer) -> None:
    after = computer.deploy(*HELLO)
    assert (after.code, after.text) == (0, "hello\n")


def test_key_that_others_can_read(computer: Computer) -> None:
    computer.key.chmod(0o644)
    shown = refused(computer, "because other accounts can read it")
    assert computer.paste(step_after(shown, "Make the key private: ")).code == 0
    assert_works(computer)


def test_key_with_a_passphrase_and_no_agent(computer: Computer) -> None:
    done = computer.paste(f"ssh-keygen -q -p -N geheim-genug -P '' -f {computer.key}")
    assert done.code == 0, done.text
    shown = refused(computer, "it has a passphrase, and your SSH agent does not have this key")
    answer_prompts(computer, "geheim-genug")
    try:
        done = computer.paste(step_after(shown, "to your SSH agent: "))
        assert done.code == 0, done.text
        assert_works(computer)
    finally:
        if agent := computer.environment.get("SSH_AGENT_PID"):
            subprocess.run(["kill", agent], check=True)


def test_key_that_is_not_on_the_node(computer: Computer, node: SSHServer) -> None:
    (node.home / ".ssh" / "authorized_keys").unlink()
    shown = refused(computer, "does not accept your SSH key")
    answer_prompts(computer, node.password)
    done = computer.paste(step_after(shown, "copy your public key to the node: "))
    assert done.code == 0, done.text
    assert public_key(computer) in (node.home / ".ssh" / "authorized_keys").read_text()
    assert_works(computer)


def test_no_key_at_all(computer: Computer, node: SSHServer) -> None:
    computer.key.unlink()
    computer.key.with_name("id_ed25519.pub").unlink()
    shown = refused(computer, "needs an SSH key, but you have none")
    done = computer.paste(step_after(shown, "create a key: "), typed="\n\n")
    assert done.code == 0 and computer.key.exists(), done.text
    refused(computer, "does not accept your SSH key")
    (node.home / ".ssh" / "authorized_keys").write_text(public_key(computer))
    assert_works(computer)


def test_account_with_a_forced_command(computer: Computer, node: SSHServer) -> None:
    node.forced_commands["root"] = node.forced_commands["ana"] = FORCED
    shown = computer.deploy(*HELLO)
    assert shown.code != 0 and shown.screen_lines <= HEIGHT
    line = step_after(shown, "Write `").partition("`")[0]
    assert line == "user: debian"
    computer.replace("    os: debian-12", f"    {line}\n    os: debian-12")
    assert_works(computer)


def test_host_key_of_a_machine_that_was_reinstalled(computer: Computer, node: SSHServer) -> None:
    pin(computer, node.port, paramiko.ECDSAKey.generate())
    shown = refused(computer, "shows a host key that differs from the pinned one")
    assert "do not deploy" in shown.text
    done = computer.paste(step_after(shown, "delete its old key: "))
    assert done.code == 0, done.text
    assert not (computer.region / "known_hosts").read_text()
    refused(computer, "No host key is pinned for 203.0.113.10")
    pin(computer, node.port, node.key)  # as a deploy does
    assert_works(computer)


def test_wrong_port(computer: Computer, node: SSHServer) -> None:
    closed = 1
    connect_to_this_machine(computer, closed)
    computer.replace(f"port: {node.port}\n", f"port: {closed}\n")
    pin(computer, closed, node.key)
    shown = refused(computer, "does not respond over SSH (")
    assert "Connection refused" in shown.text
    assert f"no SSH server uses port {closed}" in shown.text
    assert "Write this port as `port` of bog1" in shown.text
    computer.replace(f"port: {closed}\n", f"port: {node.port}\n")
    connect_to_this_machine(computer, node.port)
    pin(computer, node.port, node.key)
    assert_works(computer)


def test_key_of_another_person(computer: Computer, tmp_path: Path) -> None:
    key_pair(tmp_path, "other")
    (tmp_path / "other").chmod(0o600)
    config, other = computer.home / ".ssh" / "config", str(tmp_path / "other")
    text = config.read_text()
    config.write_text(text.replace("IdentityFile", "# IdentityFile"))
    shown = computer.deploy("ssh", "andes", "bog1", "--identity", other, "--", "id")
    assert shown.code == 1 and f"{other}.pub" in shown.text
    assert "Choose the right key with --identity FILE" in shown.text
    right = str(computer.key)
    done = computer.deploy("ssh", "andes", "bog1", "--identity", right, "--", "echo hello")
    assert done.text == "hello\n"

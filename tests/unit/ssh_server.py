"""An SSH server on this machine in place of a node: the real protocol, without a container."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import paramiko


class Login(paramiko.ServerInterface):
    """Accepts the keys in the account's `authorized_keys`, and the right password."""

    def __init__(self, node: SSHServer) -> None:
        self.node, self.account = node, ""

    def get_allowed_auths(self, username: str) -> str:
        return "publickey,password"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        self.account = username
        file = self.node.home / ".ssh" / "authorized_keys"
        known = file.read_text() if file.exists() else ""
        return _answer(key.get_base64() in known)

    def check_auth_password(self, username: str, password: str) -> int:
        self.account = username
        return _answer(password == self.node.password)

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        threading.Thread(target=self._run, args=(channel, command.decode()), daemon=True).start()
        return True

    def _run(self, channel: paramiko.Channel, command: str) -> None:
        if forced := self.node.forced_commands.get(self.account):
            command = forced
        environment = os.environ | {"HOME": str(self.node.home)}
        stdin = b"" if self.node.ignores_input else channel.makefile("rb").read()
        done = subprocess.run(
            ["sh", "-c", command], input=stdin, env=environment, cwd=self.node.home,
            capture_output=True,
        )  # fmt: skip
        with suppress(OSError, EOFError):
            channel.sendall(done.stdout)
            channel.sendall_stderr(done.stderr)
            channel.send_exit_status(done.returncode)
        channel.close()


def _answer(accepted: bool) -> int:
    return paramiko.AUTH_SUCCESSFUL if accepted else paramiko.AUTH_FAILED


class SSHServer:
    """A machine with one home folder; commands run on this machine, in that folder.

    Attributes:
        forced_commands: the command that runs for an account instead of the requested one.
    """

    def __init__(self, home: Path, key: paramiko.PKey) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.home, self.key, self.password = home, key, "a-password"
        self.forced_commands: dict[str, str] = {}
        self.ignores_input = False
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]

    def serve(self) -> None:
        """Answer until the listener is closed."""
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            transport = paramiko.Transport(connection)
            transport.add_server_key(self.key)
            with suppress(paramiko.SSHException, EOFError, OSError):
                transport.start_server(server=Login(self), event=threading.Event())


@contextmanager
def running_ssh_server(home: Path) -> Iterator[SSHServer]:
    """Let a machine with a new host key answer while a test runs."""
    server = SSHServer(home, paramiko.ECDSAKey.generate())
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.listener.shutdown(socket.SHUT_RDWR)
        server.listener.close()
        thread.join(5)

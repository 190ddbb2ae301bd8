"""A machine that prints without end, or prints no text, ends one step of its own preparation."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from chautari.prepare import limited_output
from chautari.prepare.limited_output import TOO_MUCH_OUTPUT, limit_client_output


class Channel:
    """A fake channel of paramiko that returns what a machine prints in parts."""

    def __init__(self, stdout: Iterator[bytes], stderr: Iterator[bytes]) -> None:
        self._stdout, self._stderr = stdout, stderr
        self.closed = False
        self.status_event, self.exit_status = threading.Event(), -1
        self.recv_exit_status: Callable[[], int] = self.status_event.wait

    def recv(self, size: int) -> bytes:
        return b"" if self.closed else next(self._stdout, b"")

    def recv_stderr(self, size: int) -> bytes:
        return b"" if self.closed else next(self._stderr, b"")

    def close(self) -> None:
        self.closed = True


class File:
    def __init__(self, channel: Channel) -> None:
        self.channel = channel


class Client:
    """A fake client whose command prints what it was given."""

    def __init__(self, stdout: Iterable[bytes], stderr: Iterable[bytes]) -> None:
        self.channel = Channel(iter(stdout), iter(stderr))

    def exec_command(self, command: str, get_pty: bool = False) -> tuple[None, File, File]:
        assert (command, get_pty) == ("apt", True)
        return None, File(self.channel), File(self.channel)


def run(client: Client) -> tuple[Any, Any]:
    limit_client_output(client)
    _, stdout, stderr = client.exec_command("apt", get_pty=True)
    return stdout, stderr


def forever(part: bytes) -> Iterator[bytes]:
    while True:
        yield part


def test_output_within_the_limits_is_whole() -> None:
    client = Client([b"one\ntw", b"o\n\xff", b"end"], [b"oops\n"])
    stdout, stderr = run(client)
    assert list(stdout) == ["one", "two", "\ufffdend"]
    assert list(stderr) == ["oops"]
    assert stdout.channel is client.channel and not client.channel.closed


@pytest.mark.parametrize("part", [b"x" * 9000, b"x\n" * 90, b"\n"])
@pytest.mark.parametrize("reads", ["stdout", "stderr"])
def test_output_without_end_closes_the_channel(
    part: bytes, reads: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limited_output, "MAX_BYTES", 100_000)
    monkeypatch.setattr(limited_output, "MAX_LINES", 1_000)
    client = Client(forever(part), forever(part))
    outputs: dict[str, Any] = dict(zip(("stdout", "stderr"), run(client), strict=True))
    lines = list(outputs.pop(reads))
    assert lines[-1] == TOO_MUCH_OUTPUT and client.channel.closed
    assert sum(map(len, lines)) < 120_000 and len(lines) <= 1_001
    [other] = outputs.values()
    assert list(other) == []


def test_exit_code_of_a_command_is_waited_for() -> None:
    client = Client([b"done\n"], [])
    stdout, _ = run(client)
    client.channel.exit_status = 3
    threading.Timer(0.1, client.channel.status_event.set).start()
    assert stdout.channel.recv_exit_status() == 3


def test_machine_that_sends_no_exit_code_is_not_waited_for_without_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It closed its output, and keeps the channel open."""
    monkeypatch.setattr(limited_output, "EXIT_SECONDS", 0.1)
    stdout, _ = run(Client([b"done\n"], []))
    began = time.monotonic()
    assert list(stdout) == ["done"]
    assert stdout.channel.recv_exit_status() == -1
    assert time.monotonic() - began < 10

"""Limit what a machine may print during a step of pyinfra, which reads without limits.

A faulty or hostile machine must not fill this machine's memory: a step that prints too much is
ended, and fails. So does a step whose output ended and that never sends its exit code.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

MAX_LINES = 50_000  # of one step: `dpkg -l` prints some thousands
MAX_BYTES = 8 << 20
TOO_MUCH_OUTPUT = "the step printed too much output, so it was stopped"
# From the end of the output until the exit code; a real server sends both at once.
EXIT_SECONDS = 60
_PART = 32_768


class LimitedOutput:
    """The lines of one output of a command, up to a limit; otherwise it is paramiko's file."""

    def __init__(self, file: Any, receive: Callable[[int], bytes]) -> None:
        """Read with `receive` in place of `file`, which would decode and buffer without limits."""
        self._file, self._receive = file, receive

    def __getattr__(self, name: str) -> Any:
        """Return an attribute of the file."""
        return getattr(self._file, name)

    def __iter__(self) -> Iterator[str]:
        """Yield each line; close the channel if the output exceeds the limits of a step.

        Bytes that are not UTF-8 are replaced.
        """
        count, size, rest = 0, 0, b""
        while part := self._receive(_PART):
            size += len(part)
            *lines, rest = (rest + part).split(b"\n")
            count += len(lines)
            if size > MAX_BYTES or count > MAX_LINES:
                self._file.channel.close()
                yield TOO_MUCH_OUTPUT
                return
            yield from (line.decode(errors="replace") for line in lines)
        if rest:
            yield rest.decode(errors="replace")


def exit_status_or_minus_one(channel: Any) -> int:
    """Return the exit code of a command of paramiko; -1 if the machine sends none in time."""
    channel.status_event.wait(EXIT_SECONDS)
    status: int = channel.exit_status
    return status


def limit_client_output(client: Any) -> None:
    """Limit the output of every command that a connected client runs, and the wait for its code."""
    exec_command: Callable[..., tuple[Any, Any, Any]] = client.exec_command

    def run(*args: Any, **kwargs: Any) -> tuple[Any, Any, Any]:
        stdin, stdout, stderr = exec_command(*args, **kwargs)
        channel = stdout.channel
        channel.recv_exit_status = functools.partial(exit_status_or_minus_one, channel)
        return (
            stdin,
            LimitedOutput(stdout, channel.recv),
            LimitedOutput(stderr, channel.recv_stderr),
        )

    client.exec_command = run

"""Limit what a machine may print during a step of pyinfra, which reads without limits.

A faulty or hostile machine must not fill this machine's memory: a step that prints too much is
ended, and fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

MAX_LINES = 50_000  # of one step: `dpkg -l` prints some thousands
MAX_BYTES = 8 << 20
TOO_MUCH_OUTPUT = "the step printed too much, so it was ended"
_PART = 32_768


class LimitedOutput:
    """The lines of one output of a command; its other attributes are those of paramiko's file."""

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


def limit_output(client: Any) -> None:
    """Limit the output of every command that a connected client runs."""
    exec_command: Callable[..., tuple[Any, Any, Any]] = client.exec_command

    def run(*args: Any, **kwargs: Any) -> tuple[Any, Any, Any]:
        stdin, stdout, stderr = exec_command(*args, **kwargs)
        channel = stdout.channel
        return (
            stdin,
            LimitedOutput(stdout, channel.recv),
            LimitedOutput(stderr, channel.recv_stderr),
        )

    client.exec_command = run

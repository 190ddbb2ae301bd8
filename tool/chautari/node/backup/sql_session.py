"""Talk to the command line client of a database while its transaction stays open."""

from __future__ import annotations

import os
import select
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress

SEPARATOR = "\x1f"


class SessionError(Exception):
    """A client ended, or did not answer in time; the text is the reason."""


class SQLSession:
    """A client of a database that runs statements one after the other."""

    def __init__(self, command: Sequence[str]) -> None:
        """Start the client."""
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115
        try:
            self._process = subprocess.Popen(
                command, cwd="/", stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors
            )
        except OSError as error:
            self._errors.close()
            raise SessionError(str(error)) from None
        self._rest = b""

    def run(self, statements: str, end: str, seconds: float) -> list[str]:
        """Run statements, and return the lines they print before the line `end`."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.write(statements.encode())
            self._process.stdin.flush()
        lines = []
        deadline = time.monotonic() + seconds
        while (line := self._read_line(deadline)) != end:
            lines.append(line)
        return lines

    def close(self) -> None:
        """End the client; its transaction ends with it."""
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._errors.close()

    def _read_line(self, deadline: float) -> str:
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        while b"\n" not in self._rest:
            if not select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise SessionError("no answer in time")
            block = os.read(descriptor, 1 << 16)
            if not block:
                raise SessionError(self._error_text_of_client())
            self._rest += block
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode(errors="replace")

    def _error_text_of_client(self) -> str:
        self._process.wait()
        self._errors.seek(0)
        text = self._errors.read().decode(errors="replace").strip()
        return text[-300:] or f"the database client exited with code {self._process.returncode}"

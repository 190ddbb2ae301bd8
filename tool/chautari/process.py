"""The one place where the tool starts a process and waits for it."""

from __future__ import annotations

import contextlib
import functools
import os
import shlex
import signal
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from chautari.errors import RunFailed

MASK = "********"
LAST_WORDS = 2  # seconds in which what a process said before it was ended is read


class CompletedProcess(NamedTuple):
    """What a finished process left behind."""

    argv: tuple[str, ...]
    code: int
    stdout: bytes
    stderr: bytes

    @property
    def text(self) -> str:
        """Return standard output as text."""
        return self.stdout.decode(errors="replace")


class ProcessError(RunFailed):
    """A command could not be started, ran too long, or ended with another code than 0."""

    def __init__(self, command: str, code: int | None, stdout: str, stderr: str) -> None:
        """Keep what was run, how it ended (None: not in time) and what it said."""
        self.command, self.code, self.stdout, self.stderr = command, code, stdout, stderr
        ending = "did not end in time" if code is None else f"ended with code {code}"
        said = (stderr.strip() or stdout.strip())[-2000:]
        super().__init__(f"`{command}` {ending}" + (f": {said}" if said else ""))


def mask_secrets(text: str, secrets: Iterable[str]) -> str:
    """Replace every secret in a text that a person may read."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text


def run(
    argv: Sequence[str],
    *,
    stdin: bytes | None = None,
    timeout: float | None = None,
    check: bool = True,
    secrets: Sequence[str] = (),
    pass_fds: Sequence[int] = (),
) -> CompletedProcess:
    """Run a command to its end; raise ProcessError when `check` is set and it fails."""
    command = mask_secrets(shlex.join(argv), secrets)
    pipe = subprocess.PIPE
    try:
        process = subprocess.Popen(
            list(argv), stdin=pipe, stdout=pipe, stderr=pipe, pass_fds=tuple(pass_fds)
        )
    except OSError as refused:
        raise ProcessError(command, 127, "", f"{argv[0]}: {refused.strerror}") from None
    end = functools.partial(_send_signal, process, signal.SIGTERM)
    _running.add(end)
    try:
        out, err = process.communicate(stdin or b"", timeout)
    except subprocess.TimeoutExpired:
        _send_signal(process, signal.SIGKILL)
        raise ProcessError(
            command, None, *_masked_output(*_remaining_output(process), secrets)
        ) from None
    except BaseException:
        _send_signal(process, signal.SIGKILL)
        raise
    finally:
        _running.discard(end)
    if check and process.returncode != 0:
        raise ProcessError(command, process.returncode, *_masked_output(out, err, secrets))
    return CompletedProcess(tuple(argv), process.returncode, out, err)


def _send_signal(process: subprocess.Popen[bytes], number: int) -> None:
    """Signal a command; one behind sudo is root's, and takes only the terminal's Ctrl-C."""
    with contextlib.suppress(PermissionError):
        process.send_signal(number)


def _remaining_output(process: subprocess.Popen[bytes]) -> tuple[bytes, bytes]:
    """Return what a killed process said; one that it left behind may hold its pipes open."""
    try:
        return process.communicate(timeout=LAST_WORDS)
    except subprocess.TimeoutExpired as late:
        for pipe in filter(None, (process.stdin, process.stdout, process.stderr)):
            pipe.close()
        process.wait()
        return late.output or b"", late.stderr or b""


def _masked_output(stdout: bytes, stderr: bytes, secrets: Sequence[str]) -> tuple[str, str]:
    out, err = (mask_secrets(part.decode(errors="replace"), secrets) for part in (stdout, stderr))
    return out, err


def _start_process(argv: Sequence[str]) -> subprocess.Popen[bytes]:
    pipe = subprocess.PIPE
    try:
        return subprocess.Popen(
            list(argv), stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True
        )
    except OSError as refused:
        raise ProcessError(argv[0], 127, "", f"{argv[0]}: {refused.strerror}") from None


# What ends each command that still runs.
_running: set[Callable[[], None]] = set()


def stop_all() -> None:
    """End every command that still runs; for the moment when the tool itself ends."""
    for stop in list(_running):
        stop()


class OutputLimits(NamedTuple):
    """How much a command may print; more than that ends it.

    A line of the command has at most `line_bytes` bytes, its whole output `total_bytes`.
    """

    line_bytes: int
    total_bytes: int


# For commands of our own: far more than any of them prints.
DEFAULT_LIMITS = OutputLimits(line_bytes=16 << 20, total_bytes=1 << 30)
STDERR_BYTES = 64 << 10  # of standard error that are kept, the last ones


class RunningCommand:
    """A running command that is fed once and read line by line.

    The command gets a process group of its own, so that Ctrl-C in the terminal reaches only the
    tool, which then decides how to end the command.

    Attributes:
        code: exit code, once all lines are read.
        stderr: the end of standard error, once all lines are read.
        stopped: whether this side ended the command.
        flooded: whether the command printed more than its limits allow, and was killed for that.
    """

    def __init__(
        self,
        argv: Sequence[str],
        stdin: bytes | Callable[[], bytes] = b"",
        limits: OutputLimits = DEFAULT_LIMITS,
    ) -> None:
        """Start the command and feed it `stdin` in the background.

        A callable `stdin` is computed while the command starts, as SSH connects meanwhile.
        """
        self._limits = limits
        self._process = _start_process(argv)
        try:
            content = stdin if isinstance(stdin, bytes) else stdin()
        except BaseException:
            self._process.kill()
            raise
        self._last_errors = bytearray()
        self._feeder = threading.Thread(target=self._feed, args=(content,), daemon=True)
        self._error_reader = threading.Thread(target=self._read_errors, daemon=True)
        self._feeder.start()
        self._error_reader.start()
        _running.add(self.stop)
        self.code: int | None = None
        self.stderr, self.stopped, self.flooded = "", False, False

    def _feed(self, stdin: bytes) -> None:
        pipe = self._process.stdin
        assert pipe is not None
        # A command that exits early breaks the pipe; its exit code tells why.
        with contextlib.suppress(BrokenPipeError):
            pipe.write(stdin)
        with contextlib.suppress(BrokenPipeError):
            pipe.close()

    def _read_errors(self) -> None:
        """Keep the end of standard error, so that no flood of it fills memory or disk."""
        pipe = self._process.stderr
        assert pipe is not None
        # The pipe is closed under this thread when a child of the command holds it open.
        with contextlib.suppress(OSError, ValueError):
            while part := os.read(pipe.fileno(), STDERR_BYTES):
                self._last_errors += part
                del self._last_errors[:-STDERR_BYTES]

    def __iter__(self) -> Iterator[str]:
        """Yield each line as it arrives, then wait for the end.

        An incomplete last line, as a lost connection leaves it, is left out. A command that prints
        more than its limits allow is killed.
        """
        stdout = self._process.stdout
        assert stdout is not None
        left = self._limits.total_bytes
        while line := stdout.readline(min(self._limits.line_bytes, left) + 1):
            left -= len(line)
            if left < 0 or len(line) > self._limits.line_bytes:
                self.flooded = True
                self._process.kill()
                break
            if line.endswith(b"\n"):
                yield line.decode(errors="replace").rstrip("\n")
        self.code = self._process.wait()
        _running.discard(self.stop)
        self._feeder.join()
        stdout.close()
        self._error_reader.join(LAST_WORDS)
        self.stderr = self._last_errors.decode(errors="replace").strip()

    def stop(self) -> None:
        """End the command; nothing happens when it has ended already."""
        self.stopped = True
        self._process.terminate()

"""The one place where the tool starts a process and waits for it."""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import IO, NamedTuple

from chautari.errors import RunFailed
from chautari.language import _

# The packages of programs that have another name than their package.
PACKAGES = {"ssh": "openssh-client", "ip": "iproute2"}
MAX_SHOWN = 300  # characters of a command that a message shows
MASK = "********"
LAST_WORDS = 2  # seconds in which what a process said before it was ended is read
MAX_OUTPUT = 16 << 20  # bytes that a process may print to one pipe; ours print far less


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

    def __init__(
        self, command: str, code: int | None, stdout: str, stderr: str, flooded: bool = False
    ) -> None:
        """Keep what was run, how it ended (None: it was killed) and what it said.

        `flooded` says that it was killed because it printed too much, not because it took too long.
        """
        self.command, self.code, self.stdout, self.stderr = command, code, stdout, stderr
        ending = _("exited with code {code}", code=code)
        if code is None:
            ending = _("printed too much output") if flooded else _("did not finish in time")
        said = (stderr.strip() or stdout.strip())[-2000:]
        super().__init__(f"`{_shorten_command(command)}` {ending}" + (f": {said}" if said else ""))


def _shorten_command(command: str) -> str:
    """Return a command as a message shows it; some have a whole script as an argument."""
    first = command.partition("\n")[0][:MAX_SHOWN]
    return first if first == command else f"{first} …"


class ProgramNotStarted(ProcessError):
    """A program could not be started, mostly because it is not installed."""

    exit_code = 2

    def __init__(self, command: str, program: str, error: OSError) -> None:
        """Name the program, and the command that installs it."""
        super().__init__(command, 127, "", f"{program}: {error.strerror}")
        self.message = _(
            "`{program}` cannot be started: {strerror}", program=program, strerror=error.strerror
        )
        package = PACKAGES.get(program, program)
        self.fix = _(
            "install it: sudo apt-get install -y {package}; if it is installed, add its "
            "folder to PATH",
            package=package,
        )
        if error.errno != errno.ENOENT:
            self.fix = _("check the program: ls -lL $(command -v {program})", program=program)


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
    """Run a command to its end; raise ProcessError when `check` is set and it fails.

    A command that prints more than MAX_OUTPUT bytes is killed, and raises as well.
    """
    command = mask_secrets(shlex.join(argv), secrets)
    process = _start_and_feed(argv, stdin or b"", command, pass_fds=tuple(pass_fds))
    end = functools.partial(_send_signal, process, signal.SIGTERM)
    _running.add(end)
    out, err = _OutputReader(process, process.stdout), _OutputReader(process, process.stderr)
    try:
        late = not _wait_for_process_until(_deadline_after(timeout), process, out, err)
        if late or out.flooded or err.flooded:
            _kill_and_drain_outputs(process, out, err)
            said = _masked_output(out.bytes(), err.bytes(), secrets)
            raise ProcessError(command, None, *said, flooded=not late)
    except BaseException:
        _send_signal(process, signal.SIGKILL)
        raise
    finally:
        _running.discard(end)
    if check and process.returncode != 0:
        said = _masked_output(out.bytes(), err.bytes(), secrets)
        raise ProcessError(command, process.returncode, *said)
    return CompletedProcess(tuple(argv), process.returncode, out.bytes(), err.bytes())


def _send_signal(process: subprocess.Popen[bytes], number: int) -> None:
    """Send a signal to a command; one that sudo started only accepts the terminal's Ctrl-C."""
    with contextlib.suppress(PermissionError):
        process.send_signal(number)


class _OutputReader(threading.Thread):
    """Reads what a process prints to one pipe, and kills it when that is too much."""

    def __init__(self, process: subprocess.Popen[bytes], pipe: IO[bytes] | None) -> None:
        super().__init__(daemon=True)
        assert pipe is not None
        self._process, self._pipe = process, pipe
        self._content = bytearray()
        self.flooded = False
        self.start()

    def run(self) -> None:
        # Only the reader closes the pipe: its number soon belongs to the pipe of another process.
        with self._pipe:
            while part := os.read(self._pipe.fileno(), 65536):
                self._content += part
                if len(self._content) > MAX_OUTPUT:
                    self.flooded = True
                    _send_signal(self._process, signal.SIGKILL)
                    break

    def bytes(self) -> bytes:
        """Return what was read, at most MAX_OUTPUT bytes."""
        return bytes(self._content[:MAX_OUTPUT])


def _start_and_feed(
    argv: Sequence[str],
    stdin: bytes | Callable[[], bytes],
    command: str,
    *,
    pass_fds: Sequence[int] = (),
    start_new_session: bool = False,
) -> subprocess.Popen[bytes]:
    """Start a process and feed it in the background; `command` is what an error shows.

    A callable `stdin` is computed once the process has started.
    """
    pipe = subprocess.PIPE
    try:
        process = subprocess.Popen(
            list(argv), stdin=pipe, stdout=pipe, stderr=pipe,
            pass_fds=pass_fds, start_new_session=start_new_session,
        )  # fmt: skip
    except OSError as refused:
        raise ProgramNotStarted(command, argv[0], refused) from None
    try:
        content = stdin if isinstance(stdin, bytes) else stdin()
    except BaseException:
        process.kill()
        raise
    assert process.stdin is not None
    threading.Thread(
        target=_write_and_close_pipe, args=(process.stdin, content), daemon=True
    ).start()
    return process


def _write_and_close_pipe(pipe: IO[bytes], content: bytes) -> None:
    # A command that exits early breaks the pipe; its exit code shows the reason.
    with contextlib.suppress(BrokenPipeError):
        pipe.write(content)
    with contextlib.suppress(BrokenPipeError):
        pipe.close()


def _deadline_after(timeout: float | None) -> float | None:
    return None if timeout is None else time.monotonic() + timeout


def _wait_for_process_until(
    deadline: float | None, process: subprocess.Popen[bytes], *outputs: _OutputReader
) -> bool:
    """Wait until a process has ended and its pipes are closed; return whether that was in time."""
    for output in outputs:
        output.join(None if deadline is None else max(0, deadline - time.monotonic()))
        if output.is_alive():
            return False
    try:
        process.wait(None if deadline is None else max(0.1, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        return False
    return True


def _kill_and_drain_outputs(process: subprocess.Popen[bytes], *outputs: _OutputReader) -> None:
    """Kill a process and let the readers of its outputs finish.

    A child that it left behind may hold its pipes open, so they have only some seconds.
    """
    _send_signal(process, signal.SIGKILL)
    for output in outputs:
        output.join(LAST_WORDS)
    process.wait()


def _masked_output(stdout: bytes, stderr: bytes, secrets: Sequence[str]) -> tuple[str, str]:
    out, err = (mask_secrets(part.decode(errors="replace"), secrets) for part in (stdout, stderr))
    return out, err


def run_in_terminal(argv: Sequence[str]) -> int:
    """Run a command that uses this terminal itself, and return its exit code.

    Ctrl-C belongs to the command: this side waits until it ends.
    """
    try:
        process = subprocess.Popen(list(argv))
    except OSError as refused:
        raise ProgramNotStarted(shlex.join(argv), argv[0], refused) from None
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue


# What ends each command that still runs.
_running: set[Callable[[], None]] = set()


def stop_all_commands() -> None:
    """End every command that still runs; for the moment when the tool itself ends."""
    for stop in list(_running):
        stop()


class OutputLimits(NamedTuple):
    """How much a command may print; more than that ends it.

    A line of the command has at most `line_bytes` bytes, its whole output `total_bytes`, in at most
    `lines` lines: short ones take most of the time that their reader has.
    """

    line_bytes: int
    total_bytes: int
    lines: int = 1 << 20


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
        *,
        keep_incomplete_line: bool = False,
    ) -> None:
        """Start the command and feed it `stdin` in the background.

        A callable `stdin` is computed while the command starts, as SSH connects meanwhile.
        """
        self._limits, self._keep_incomplete_line = limits, keep_incomplete_line
        self._process = _start_and_feed(argv, stdin, argv[0], start_new_session=True)
        self._last_errors = bytearray()
        self._error_reader = threading.Thread(target=self._read_errors, daemon=True)
        self._error_reader.start()
        _running.add(self.stop)
        self.code: int | None = None
        self.stderr, self.stopped, self.flooded = "", False, False

    def _read_errors(self) -> None:
        """Keep the end of standard error, so that no flood of it fills memory or disk."""
        pipe = self._process.stderr
        assert pipe is not None
        with pipe:
            while part := os.read(pipe.fileno(), STDERR_BYTES):
                self._last_errors += part
                del self._last_errors[:-STDERR_BYTES]

    def __iter__(self) -> Iterator[str]:
        """Yield each line as it arrives, then wait for the end.

        An incomplete last line, as a lost connection leaves it, is left out if it is not wanted.
        A command that prints more than its limits allow is killed.
        """
        stdout = self._process.stdout
        assert stdout is not None
        left, count = self._limits.total_bytes, 0
        while line := stdout.readline(min(self._limits.line_bytes, left) + 1):
            left, count = left - len(line), count + 1
            if left < 0 or len(line) > self._limits.line_bytes or count > self._limits.lines:
                self.flooded = True
                self._process.kill()
                break
            if line.endswith(b"\n") or self._keep_incomplete_line:
                yield line.decode(errors="replace").rstrip("\n")
        self.code = self._process.wait()
        _running.discard(self.stop)
        stdout.close()
        self._error_reader.join(LAST_WORDS)
        self.stderr = self._last_errors.decode(errors="replace").strip()

    def stop(self) -> None:
        """End the command; nothing happens when it has ended already."""
        self.stopped = True
        self._process.terminate()

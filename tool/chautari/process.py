"""The one place where the tool starts a process and waits for it."""

from __future__ import annotations

import contextlib
import shlex
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from chautari.errors import RunFailed

MASK = "********"
LAST_WORDS = 2  # seconds in which what a process said before it was ended is read


@dataclass(frozen=True)
class Completed:
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


def masked(text: str, secrets: Iterable[str]) -> str:
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
) -> Completed:
    """Run a command to its end; raise ProcessError when `check` is set and it fails."""
    command = masked(shlex.join(argv), secrets)
    pipe = subprocess.PIPE
    try:
        process = subprocess.Popen(
            list(argv), stdin=pipe, stdout=pipe, stderr=pipe, pass_fds=tuple(pass_fds)
        )
    except OSError as refused:
        raise ProcessError(command, 127, "", f"{argv[0]}: {refused.strerror}") from None
    _running.add(process.terminate)
    try:
        out, err = process.communicate(stdin or b"", timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        raise ProcessError(command, None, *_said(*_last_words(process), secrets)) from None
    except BaseException:
        process.kill()
        raise
    finally:
        _running.discard(process.terminate)
    if check and process.returncode != 0:
        raise ProcessError(command, process.returncode, *_said(out, err, secrets))
    return Completed(tuple(argv), process.returncode, out, err)


def _last_words(process: subprocess.Popen[bytes]) -> tuple[bytes, bytes]:
    """Return what a killed process said; one that it left behind may hold its pipes open."""
    try:
        return process.communicate(timeout=LAST_WORDS)
    except subprocess.TimeoutExpired as late:
        for pipe in filter(None, (process.stdin, process.stdout, process.stderr)):
            pipe.close()
        process.wait()
        return late.output or b"", late.stderr or b""


def _said(stdout: bytes, stderr: bytes, secrets: Sequence[str]) -> tuple[str, str]:
    out, err = (masked(part.decode(errors="replace"), secrets) for part in (stdout, stderr))
    return out, err


def _start(argv: Sequence[str], errors: IO[bytes]) -> subprocess.Popen[bytes]:
    pipe = subprocess.PIPE
    try:
        return subprocess.Popen(
            list(argv), stdin=pipe, stdout=pipe, stderr=errors, start_new_session=True
        )
    except OSError as refused:
        raise ProcessError(argv[0], 127, "", f"{argv[0]}: {refused.strerror}") from None


# What ends each command that still runs.
_running: set[Callable[[], None]] = set()


def stop_all() -> None:
    """End every command that still runs; for the moment when the tool itself ends."""
    for stop in list(_running):
        stop()


class Stream:
    """A running command that is fed once and read line by line; `code` and `stderr` after its end.

    `stopped` tells whether this side ended it.

    The command gets a process group of its own, so that Ctrl-C in the terminal reaches the tool
    alone, which then decides what becomes of the command.
    """

    def __init__(self, argv: Sequence[str], stdin: bytes | Callable[[], bytes] = b"") -> None:
        """Start the command and feed it `stdin` in the background.

        What it is fed may be computed only then: a connection is made meanwhile.
        """
        self._folder = tempfile.TemporaryDirectory(prefix="chautari-")
        self._errors = Path(self._folder.name) / "stderr"
        with self._errors.open("wb") as errors:
            self._process = _start(argv, errors)
        try:
            fed = stdin if isinstance(stdin, bytes) else stdin()
        except BaseException:
            self._process.kill()
            raise
        self._feeder = threading.Thread(target=self._feed, args=(fed,), daemon=True)
        self._feeder.start()
        _running.add(self.stop)
        self.code: int | None = None
        self.stderr, self.stopped = "", False

    def _feed(self, stdin: bytes) -> None:
        pipe = self._process.stdin
        assert pipe is not None
        # A command that ends early breaks the pipe; its exit code tells why.
        with contextlib.suppress(BrokenPipeError):
            pipe.write(stdin)
        with contextlib.suppress(BrokenPipeError):
            pipe.close()

    def __iter__(self) -> Iterator[str]:
        """Give each line as it arrives, then wait for the end.

        A last line without its end is a part of one, as a link leaves it that is cut: it is left
        out.
        """
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.endswith(b"\n"):
                yield line.decode(errors="replace").rstrip("\n")
        self.code = self._process.wait()
        _running.discard(self.stop)
        self._feeder.join()
        self._process.stdout.close()
        self.stderr = self._errors.read_text(errors="replace").strip()
        self._folder.cleanup()

    def stop(self) -> None:
        """End the command; nothing happens when it has ended already."""
        self.stopped = True
        self._process.terminate()

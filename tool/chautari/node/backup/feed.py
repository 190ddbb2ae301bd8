"""Give borg the paths to store one after the other, and know when it has read them.

borg reads paths from its standard input in blocks of 4096 characters, and stores those of a block
before it reads the next. A path that ends a block, and leads to a FIFO, is a gate: once borg has
opened the FIFO, everything before it is read.
"""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from chautari.node.backup import borg
from chautari.node.backup.errors import BackupError

BLOCK = 4096
# Ends when borg has ended.
HOLDER = ("/usr/bin/tail", "--sleep-interval=0.5", "--follow", "/dev/null")
STALLED_SECONDS = 1800
WATCH_SECONDS = 10.0
_POLL_SECONDS = 0.02


class BorgCreate:
    """A running `borg create` that reads its paths from this process."""

    def __init__(
        self,
        command: Sequence[str],
        env: dict[str, str],
        stage: Path,
        progress: Callable[[int, int, int], None] = lambda files, size, sent: None,
        check_quota: Callable[[int, int], None] = lambda quota, used: None,
    ) -> None:
        """Start borg in the folder `stage`; relative paths lead to what is staged there.

        Args:
            command: the call of borg.
            env: its whole environment.
            stage: its working directory.
            progress: takes files and bytes that were read, and bytes that were sent.
            check_quota: takes the quota that the target reports when borg begins to write, and
                what is used of it; raises an error to end borg.
        """
        self._process = subprocess.Popen(
            command,
            env=env,
            cwd=stage,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._holder = self._hold_input_open()
        self._progress = progress
        self._check_quota = check_quota
        self._refused: BackupError | None = None
        self._characters = 0
        self._output = b""
        self._active = time.monotonic()
        self._stalled = False
        self._done = threading.Event()
        self.messages = borg.BorgMessages()
        self._threads = [
            threading.Thread(target=work, daemon=True)
            for work in (
                self._read_borg_messages,
                self._read_borg_output,
                self._kill_borg_when_stalled,
            )
        ]
        for thread in self._threads:
            thread.start()

    def _hold_input_open(self) -> subprocess.Popen[bytes]:
        """Start a process that keeps the input of borg open when this one is killed.

        At the end of its input, borg stores an archive of what it has: half of one.
        """
        end = self._stdin().fileno()
        return subprocess.Popen(
            [*HOLDER, f"--pid={self._process.pid}"],
            pass_fds=[end],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def feed_path(self, path: bytes) -> None:
        """Let borg store a path."""
        text = path.decode("utf-8", "surrogateescape")
        self._characters += len(text) + 1
        self._write_to_borg(path + b"\0")

    def open_fifo_after_previous_paths(self, fifo: Path) -> int:
        """Let borg store what is written to a FIFO, once it has stored everything before.

        Returns:
            the descriptor to write to; when the last one is closed, the file ends.
        """
        fifo.parent.mkdir(parents=True, exist_ok=True)
        fifo.unlink(missing_ok=True)
        os.mkfifo(fifo, 0o600)
        name = str(fifo)
        # Additional slashes do not change a path, so they fill the block.
        padding = -(self._characters + len(name) + 1) % BLOCK
        self.feed_path(os.fsencode("/" * padding + name))
        return self._open_fifo_once_borg_reads(fifo)

    def store_content(self, fifo: Path, content: bytes) -> None:
        """Let borg store `content` as the file `fifo`."""
        with os.fdopen(self.open_fifo_after_previous_paths(fifo), "wb") as file:
            self._write_or_raise_borg_error(lambda: file.write(content))
            self._write_or_raise_borg_error(file.flush)

    def finish(self) -> dict[str, Any]:
        """End the list of paths, wait until borg has stored the archive, and return its figures.

        Raises:
            BackupError: when borg failed.
        """
        self._write_or_raise_borg_error(self._stdin().flush)
        self._stop_input_holder()
        self._write_or_raise_borg_error(self._stdin().close)
        code = self._process.wait()
        self._join_reader_threads()
        if code not in (0, 1):
            raise self._failure_reason()
        return dict(json.loads(self._output))

    def abort(self) -> None:
        """End borg without an archive; its last checkpoint stays."""
        if self._process.poll() is None:
            # It must not see the end of its input, so it is killed before that is closed.
            self._process.kill()
        self._process.wait()
        self._stop_input_holder()
        self._join_reader_threads()
        with suppress(OSError):
            self._stdin().close()

    def fail_if_ended(self) -> None:
        """Raise the reason if borg has ended too early."""
        if self._process.poll() is not None:
            self._join_reader_threads()
            raise self._failure_reason()

    def _stop_input_holder(self) -> None:
        self._holder.kill()
        self._holder.wait()

    def _failure_reason(self) -> BackupError:
        if self._stalled:
            return BackupError("stalled", command="create")
        return self._refused or self.messages.to_backup_error()

    def _write_to_borg(self, data: bytes) -> None:
        self._write_or_raise_borg_error(lambda: self._stdin().write(data))

    def _write_or_raise_borg_error(self, write: Callable[[], object]) -> None:
        try:
            write()
        except BrokenPipeError:
            self._process.wait()
            self.fail_if_ended()
        self._active = time.monotonic()

    def _open_fifo_once_borg_reads(self, fifo: Path) -> int:
        self._write_or_raise_borg_error(self._stdin().flush)
        while True:
            try:
                found = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
            except OSError:  # ENXIO: borg has not opened it yet
                self.fail_if_ended()
                time.sleep(_POLL_SECONDS)
                continue
            flags = fcntl.fcntl(found, fcntl.F_GETFL)
            fcntl.fcntl(found, fcntl.F_SETFL, flags & ~os.O_NONBLOCK)
            self._active = time.monotonic()
            return found

    def _stdin(self) -> IO[bytes]:
        assert self._process.stdin is not None
        return self._process.stdin

    def _read_borg_messages(self) -> None:
        assert self._process.stderr is not None
        for raw in self._process.stderr:
            self._active = time.monotonic()
            line = raw.decode(errors="replace")
            if '"archive_progress"' in line:
                self._report_progress_of_line(line)
            else:
                had_quota = self.messages.quota > 0
                self.messages.add_line(line)
                if self.messages.quota and not had_quota:
                    self._kill_borg_if_quota_too_small()

    def _kill_borg_if_quota_too_small(self) -> None:
        try:
            self._check_quota(self.messages.quota, self.messages.quota_used)
        except BackupError as error:
            self._refused = error
            self._process.kill()

    def _report_progress_of_line(self, line: str) -> None:
        with suppress(ValueError):
            item = json.loads(line)
            keys = ("nfiles", "original_size", "deduplicated_size")
            if not item.get("finished"):
                self._progress(*(int(item.get(key) or 0) for key in keys))

    def _read_borg_output(self) -> None:
        assert self._process.stdout is not None
        self._output = self._process.stdout.read()

    def _kill_borg_when_stalled(self) -> None:
        """End borg when nothing happens for half an hour: a peer may accept data and not answer."""
        while not self._done.wait(WATCH_SECONDS):
            if time.monotonic() - self._active > STALLED_SECONDS:
                self._stalled = True
                self._process.kill()
                return

    def _join_reader_threads(self) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join(timeout=30)

    def store_program_output(
        self, fifo: Path, start: Callable[[int], subprocess.Popen[bytes]]
    ) -> int:
        """Let a program write into a FIFO, and return its exit code once it has ended."""
        descriptor = self.open_fifo_after_previous_paths(fifo)
        try:
            process = start(descriptor)
        finally:
            os.close(descriptor)
        while True:
            try:
                return process.wait(timeout=1)
            except subprocess.TimeoutExpired:
                try:
                    self.fail_if_ended()
                except BackupError:
                    process.kill()
                    process.wait()
                    raise

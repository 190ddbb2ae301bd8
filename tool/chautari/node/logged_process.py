"""Runs a command and keeps what it says in a log: without secrets, and never without an end."""

from __future__ import annotations

import contextlib
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from chautari.node import journal

ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
}
TAIL_LINES = 30
# How long to wait for the last words, when something that was started holds the pipe still open.
LINGER_SECONDS = 2.0


def run(
    argv: Sequence[str], log: Path, secrets: Sequence[str], extra: Mapping[str, str], **given: Any
) -> int:
    """Run a command with what it says appended to `log`, and return its exit code.

    Its words come through a pipe and are masked before they are written, so that no secret lies on
    a disk even when the run is killed.

    Args:
        argv: the command.
        log: the file; it is kept below twice `journal.LOG_BYTES`.
        secrets: what to mask, as `journal.read_secrets` returns it.
        extra: its environment beside `ENVIRONMENT`.
        given: further arguments of `subprocess.Popen`.
    """
    process = subprocess.Popen(
        argv, env=ENVIRONMENT | dict(extra), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, **given,
    )  # fmt: skip
    keeper = threading.Thread(target=_keep, args=(process.stdout, log, secrets), daemon=True)
    keeper.start()
    try:
        return process.wait()
    except BaseException:
        process.kill()
        process.wait()
        raise
    finally:
        keeper.join(LINGER_SECONDS)


def _keep(said: IO[bytes], log: Path, secrets: Sequence[str]) -> None:
    with said:
        for line in said:
            text = journal.masked(line.decode(errors="replace"), secrets)
            # A full disk costs lines of the log; who speaks must never wait for it.
            with contextlib.suppress(OSError):
                with log.open("ab") as kept:
                    kept.write(text.encode())
                if log.stat().st_size > 2 * journal.LOG_BYTES:
                    journal.trim(log)


def tail(log: Path) -> list[str]:
    """Return the last lines of a log; none when there is no log."""
    try:
        return log.read_text(errors="replace").splitlines()[-TAIL_LINES:]
    except OSError:
        return []

"""Run a command and write its output to a log that is limited in size and free of secrets."""

from __future__ import annotations

import contextlib
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from chautari.node import run_journal

ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
}
TAIL_LINES = 30
# How long to read on after a command ended, when a child of it holds the pipe open.
LINGER_SECONDS = 2.0


def run_logged(
    argv: Sequence[str], log: Path, secrets: Sequence[str], extra: Mapping[str, str], **more: Any
) -> int:
    """Run a command, append its output to `log`, and return its exit code.

    The output comes through a pipe and is masked before it is written, so that no secret lies on a
    disk even when the run is killed.

    Args:
        argv: the command.
        log: the file; it stays below twice `journal.LOG_BYTES`.
        secrets: the texts to mask, as `journal.read_secret_spellings` returns them.
        extra: environment variables in addition to `ENVIRONMENT`.
        more: further arguments of `subprocess.Popen`.
    """
    process = subprocess.Popen(
        argv, env=ENVIRONMENT | dict(extra), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, **more,
    )  # fmt: skip
    writer = threading.Thread(target=_write_log, args=(process.stdout, log, secrets), daemon=True)
    writer.start()
    try:
        return process.wait()
    except BaseException:
        process.kill()
        process.wait()
        raise
    finally:
        writer.join(LINGER_SECONDS)


def _write_log(output: IO[bytes], log: Path, secrets: Sequence[str]) -> None:
    with output:
        for line in output:
            text = run_journal.mask_secrets(line.decode(errors="replace"), secrets)
            # A full disk costs lines of the log; the command must never wait for it.
            with contextlib.suppress(OSError):
                with log.open("ab") as stream:
                    stream.write(text.encode())
                if log.stat().st_size > 2 * run_journal.LOG_BYTES:
                    run_journal.shorten_log_file(log)


def log_tail(log: Path) -> list[str]:
    """Return the last lines of a log; none when there is no log."""
    try:
        return log.read_text(errors="replace").splitlines()[-TAIL_LINES:]
    except OSError:
        return []

"""Pause the services while a consistent moment is taken, and let them run again whatever happens.

What is paused is written to a file first. A run that is killed leaves this file, and the next start
resumes the services in it.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from chautari.node.backup.errors import BackupError
from chautari.node.backup.manifest import StateSpec
from chautari.node.backup.state_file import HOME, write_atomically

JOURNAL = HOME / "paused.json"
COMMAND_SECONDS = 120
RESUME_ATTEMPTS = 3
# The service of the backup is sandboxed; a service that is paused is not.
OUTSIDE = ("/usr/bin/systemd-run", "--quiet", "--wait", "--collect", "--pipe")

Runner = Callable[[Sequence[str]], str]  # returns why the command failed; empty if it did not


def run_outside_sandbox_and_return_error(command: Sequence[str]) -> str:
    """Run a command outside the sandbox of this service, and return why it failed."""
    try:
        done = subprocess.run(
            [*OUTSIDE, "--", *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=COMMAND_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"no answer within {COMMAND_SECONDS} seconds"
    except OSError as error:
        return str(error)
    return "" if done.returncode == 0 else done.stdout.strip()[-300:] or f"exit {done.returncode}"


class Pause:
    """The services that are paused now."""

    def __init__(
        self, journal: Path = JOURNAL, run: Runner = run_outside_sandbox_and_return_error
    ) -> None:
        """Remember paused services in `journal`, and run their commands with `run`."""
        self._journal = journal
        self._run = run
        self._began = 0.0
        self.seconds = 0.0

    def pause(self, states: Sequence[StateSpec]) -> None:
        """Pause the services of `states`.

        Raises:
            BackupError: when one of them did not pause; then all are resumed.
        """
        paused = [state for state in states if state.pause]
        if not paused:
            return
        self._began = time.monotonic()
        # All of them, before the first command: one that is killed may have done half.
        journal = [{"name": state.name, "resume": list(state.resume)} for state in paused]
        write_atomically(self._journal, journal, 0o600)
        for state in paused:
            if reason := self._run(state.pause):
                self.resume()
                raise BackupError("pause_failed", service=state.name, reason=reason)

    def resume(self) -> None:
        """Let the services run that the journal names.

        Raises:
            BackupError: when a command failed three times; the next start tries again.
        """
        failed = []
        for item in reversed(self._read_journal_of_paused()):
            reason = "unknown"
            for attempt in range(RESUME_ATTEMPTS):
                if not (reason := self._run(item["resume"]) if item["resume"] else ""):
                    break
                time.sleep(attempt)
            if reason:
                failed.append(BackupError("resume_failed", service=item["name"], reason=reason))
        if failed:
            raise failed[0]
        self._journal.unlink(missing_ok=True)
        if self._began:
            self.seconds += time.monotonic() - self._began
            self._began = 0.0

    def _read_journal_of_paused(self) -> list[dict[str, Any]]:
        try:
            return list(json.loads(self._journal.read_text()))
        except (OSError, ValueError):
            return []

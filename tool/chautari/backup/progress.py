"""Say how far the backups of several nodes are, in lines that a log can keep."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from chautari.backup.node_program import BackupStarted, ProgramEvent, Progress, UploadAnnounced
from chautari.report.backup_texts import size_text
from chautari.report.text_format import duration_text

SECONDS_BETWEEN_LINES = 10
_STEPS = {
    "files": "reading files", "pause": "services are paused", "databases": "reading databases",
    "manifest": "writing the list of contents", "prune": "deleting old backups",
    "check": "checking the repository",
}  # fmt: skip
_STEPS_WITH_AMOUNTS = ("files", "databases")


class ProgressPrinter:
    """Makes lines of events; nodes report at the same time."""

    def __init__(self, say: Callable[[str], None], limit_kib: int = 0) -> None:
        """Print with `say`; `limit_kib` is the region's upload limit, 0 for none."""
        self._say, self._limit = say, limit_kib
        self._lock = threading.Lock()
        self._shown: dict[tuple[str, str], tuple[str, float]] = {}

    def print_event(self, node: str, event: ProgramEvent) -> None:
        """Print a line for an event, if it is time for one."""
        line = ""
        if isinstance(event, BackupStarted):
            line = f"{node}: the backup is running"
        elif isinstance(event, UploadAnnounced):
            line = f"{node} to {event.target}: {self._upload_announcement_text(event)}"
        elif isinstance(event, Progress) and self._is_progress_line_due(node, event):
            line = f"{node} to {event.target}: {_progress_text(event)}"
        if line:
            self._say(line)

    def _upload_announcement_text(self, event: UploadAnnounced) -> str:
        amount = f"{size_text(event.bytes)} in {event.files:,} files"
        if not event.first:
            return (
                f"{event.files:,} files are compared with the last backup; "
                f"{size_text(event.bytes)} must be read"
            )
        text = (
            f"this is the first backup, so {amount} are uploaded (less if the files can be "
            "compressed)"
        )
        if self._limit:
            seconds = event.bytes / (self._limit * 1024)
            text += f"; with the limit of {self._limit} KiB/s, up to {duration_text(seconds)}"
        return text

    def _is_progress_line_due(self, node: str, event: Progress) -> bool:
        now = time.monotonic()
        with self._lock:
            step, before = self._shown.get((node, event.target), ("", 0.0))
            if step == event.step and now - before < SECONDS_BETWEEN_LINES:
                return False
            self._shown[node, event.target] = (event.step, now)
            return True


def _progress_text(event: Progress) -> str:
    text = _STEPS.get(event.step, event.step)
    if event.bytes and event.step in _STEPS_WITH_AMOUNTS:
        text += f": {size_text(event.bytes)} read, {size_text(event.bytes_sent)} uploaded"
    return text

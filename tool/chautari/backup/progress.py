"""Say how far the backups of several nodes are, in lines that a log can keep."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from chautari.backup.node_program import BackupStarted, ProgramEvent, Progress, UploadAnnounced
from chautari.language import Texts, _
from chautari.report.backup_texts import size_text
from chautari.report.text_format import duration_text

SECONDS_BETWEEN_LINES = 10
_STEPS: Texts = {
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
            line = _("{node}: the backup is running", node=node)
        elif isinstance(event, UploadAnnounced):
            line = _(
                "{node} to {target}: {upload_announcement}",
                node=node,
                target=event.target,
                upload_announcement=self._upload_announcement_text(event),
            )
        elif isinstance(event, Progress) and self._is_progress_line_due(node, event):
            line = _(
                "{node} to {target}: {progress}",
                node=node,
                target=event.target,
                progress=_progress_text(event),
            )
        if line:
            self._say(line)

    def _upload_announcement_text(self, event: UploadAnnounced) -> str:
        amount = _("{bytes} in {files:,} files", bytes=size_text(event.bytes), files=event.files)
        if not event.first:
            return _(
                "{files:,} files are compared with the last backup; {bytes} must be read",
                files=event.files,
                bytes=size_text(event.bytes),
            )
        text = _(
            "this is the first backup, so {amount} are uploaded (less if the files can "
            "be compressed)",
            amount=amount,
        )
        if self._limit:
            seconds = event.bytes / (self._limit * 1024)
            text += _(
                "; with the limit of {limit} KiB/s, up to {seconds}",
                limit=self._limit,
                seconds=duration_text(seconds),
            )
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
    text = _(_STEPS.get(event.step, event.step))
    if event.bytes and event.step in _STEPS_WITH_AMOUNTS:
        text += _(
            ": {bytes} read, {bytes_sent} uploaded",
            bytes=size_text(event.bytes),
            bytes_sent=size_text(event.bytes_sent),
        )
    return text

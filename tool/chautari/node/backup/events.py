"""Tell the command that follows a backup how far it is, one JSON object a line."""

from __future__ import annotations

import json
import time
from pathlib import Path

RUN = Path("/run/chautari-backup")
EVENTS = RUN / "events.jsonl"
PROGRESS_SECONDS = 2.0
MAX_EVENTS_BYTES = 8 << 20  # more progress of a run that takes days is not kept


def print_event(event: str, **data: object) -> None:
    """Print one event."""
    print(json.dumps({"event": event, **data}), flush=True)


class EventWriter:
    """Writes the events of one run, and prints them for the journal."""

    def __init__(self, path: Path = EVENTS) -> None:
        """Begin a new list."""
        self._path = path
        self._progress = 0.0
        self._step = ""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")

    def write_event(self, event: str, **data: object) -> None:
        """Write an event."""
        with self._path.open("a") as file:
            file.write(json.dumps({"event": event, **data}) + "\n")
        if event != "progress":
            print_event(event, **data)

    def write_progress(self, target: str, step: str, files: int, size: int, sent: int) -> None:
        """Write how far a target is, unless the same step was written a moment ago."""
        now = time.monotonic()
        if step == self._step and now - self._progress < PROGRESS_SECONDS:
            return
        self._step, self._progress = step, now
        if self._path.stat().st_size < MAX_EVENTS_BYTES:
            self.write_event(
                "progress", target=target, step=step, files=files, bytes=size, bytes_sent=sent
            )

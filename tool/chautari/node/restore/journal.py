"""The journal of a restore: what is done, so that a restore that was killed is completed or undone.

One file, replaced atomically after each step. Results of earlier restores stay in `history`.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chautari.node.restore.places import Swap
from chautari.node.restore.request import Request, parse_request, request_as_object

STATE = Path("/var/lib/chautari/restore")
MEMORY = Path("/run/chautari-restore")  # passphrase and login key, while the archive is read
FORMAT = 1
KEPT_RESULTS = 20


@dataclass
class Journal:
    """One restore on its way.

    Attributes:
        step: the next step, or the one that was interrupted.
        undoing: whether the steps of the undo run.
        archive: the archive that was chosen, and its time.
        swaps: exchanges of the switch, once the services are paused.
        stopped_units: units that the switch stopped.
        figures: what was counted and measured.
        error: why the restore is undone.
    """

    request: Request
    step: str
    undoing: bool = False
    archive: str = ""
    archive_time: int = 0
    swaps: list[Swap] = field(default_factory=list)
    stopped_units: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    error: dict[str, Any] | None = None

    def as_object(self) -> dict[str, Any]:
        """Return the journal as plain JSON data."""
        return {
            "format": FORMAT,
            **vars(self),
            "request": request_as_object(self.request),
            "swaps": [list(swap) for swap in self.swaps],
        }


class JournalFile:
    """The journal on the disk, and the results of earlier restores."""

    def __init__(self, state: Path = STATE) -> None:
        """Keep the folder."""
        self.state = state
        self.file = state / "journal.json"
        self.progress = state / "progress.jsonl"

    def load(self) -> Journal | None:
        """Return the restore that is not finished; None if there is none."""
        try:
            content = json.loads(self.file.read_bytes())
        except FileNotFoundError:
            return None
        if content.pop("format") != FORMAT:
            raise ValueError(f"{self.file} has another format than {FORMAT}")
        request = parse_request(content.pop("request"))
        swaps = [Swap(*swap) for swap in content.pop("swaps")]
        return Journal(request=request, swaps=swaps, **content)

    def save(self, journal: Journal) -> None:
        """Write the journal; a power cut leaves the old or the new one."""
        write_json(self.file, journal.as_object())

    def begin(self, journal: Journal) -> None:
        """Start a restore with an empty progress."""
        self.state.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.progress.write_text("")
        self.save(journal)

    def end(self, result: Mapping[str, Any]) -> None:
        """Keep the result, and delete the journal: the restore is finished."""
        history = self.state / "history"
        history.mkdir(exist_ok=True, mode=0o700)
        write_json(history / f"{result['id']}.json", result)
        for old in sorted(history.glob("*.json"))[:-KEPT_RESULTS]:
            if not json.loads(old.read_bytes()).get("kept"):
                old.unlink()
        self.file.unlink()
        sync_folder(self.state)

    def results(self) -> list[dict[str, Any]]:
        """Return the results of earlier restores, oldest first."""
        files = sorted((self.state / "history").glob("*.json"))
        return [json.loads(file.read_bytes()) for file in files]

    def append_event(self, event: Mapping[str, Any]) -> None:
        """Add an event to the progress, which the control side follows."""
        with self.progress.open("a") as stream:
            stream.write(json.dumps(event) + "\n")


def write_json(file: Path, content: object, mode: int = 0o600) -> None:
    """Replace a file, and make sure that it is on the disk."""
    handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(handle, "w") as stream:
            os.fchmod(handle, mode)
            json.dump(content, stream, indent=1, sort_keys=True)
            stream.flush()
            os.fsync(handle)
        os.replace(temporary, file)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    sync_folder(file.parent)


def sync_folder(folder: Path | str) -> None:
    """Make sure that renames in a folder are on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

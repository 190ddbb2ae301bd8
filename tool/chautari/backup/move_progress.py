"""How far `deploy move --run` is, so that an interrupted move continues on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ValidationError

from chautari.files import write_atomically
from chautari.paths import state_dir
from chautari.services.base import MoveStep


class _MoveRecord(BaseModel):
    """The file on this machine: what moves, and the last step that was completed."""

    format: Literal[1] = 1
    region_file: str
    old: str
    version: str = ""
    release: str = ""
    completed: str = ""


@dataclass(frozen=True)
class MoveProgress:
    """The record of one move, in a file that its region, service and new node name."""

    file: Path
    region_file: Path

    @classmethod
    def for_move(cls, region_file: Path, region: str, service: str, to: str) -> MoveProgress:
        """Return the record of a move; region and node are names that the model allows."""
        file = state_dir() / "moves" / region / f"{service}-to-{to}.json"
        return cls(file, region_file.resolve())

    def read_record(self) -> _MoveRecord | None:
        """Return how far the move is; None if none was begun with this region.yml."""
        try:
            found = _MoveRecord.model_validate_json(self.file.read_bytes())
        except (FileNotFoundError, ValidationError):
            return None
        return found if found.region_file == str(self.region_file) else None

    def record_completed_step(self, old: str, version: str, release: str, completed: str) -> None:
        """Record the title of the last step that was completed."""
        found = _MoveRecord(
            region_file=str(self.region_file), old=old, version=version, release=release,
            completed=completed,
        )  # fmt: skip
        write_atomically(self.file, found.model_dump_json(indent=1) + "\n", 0o600)

    def delete(self) -> None:
        """Delete the record: the move is complete, or begins anew."""
        self.file.unlink(missing_ok=True)


def next_step_number(steps: Sequence[MoveStep], completed: str) -> int:
    """Return the number of the step after the completed one; 1 if there is no such step."""
    titles = [step.title for step in steps]
    return titles.index(completed) + 2 if completed in titles else 1

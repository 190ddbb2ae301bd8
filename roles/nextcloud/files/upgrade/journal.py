"""The journal of a change of release: written before each step, read after an interruption."""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

FORMAT = 1
# In this order. Until `good`, an interruption leads back to the release before; after it, forward.
STATES = ("preparing", "closing", "copying", "switching", "proving", "good", "undoing", "undone")


class UnreadableJournal(Exception):
    """The file is not a journal of this format."""


@dataclass
class Journal:
    """Everything that is needed to finish a change of release or to undo it.

    Attributes:
        state: one of STATES.
        id: names the safety copy.
        began: time of the start, in seconds since 1970.
        php: version of PHP-FPM.
        old: the release before, with `version` and `path`.
        ladder: the releases on the way, the last one is the target; each as `old`.
        apps: apps that get other code, each with `name`, `sha256` and whether it was `installed`.
        enabled: value of each enabled app in the database.
        lost_apps: apps that were enabled, and that the target does not have.
        database: name of the database's safety copy.
        database_copied: whether this copy is complete.
        folder: safety copy of the settings and the apps.
        data_copies: pairs of a directory below the data and its complete copy.
        closed_at: when people saw the notice for the first time; 0 before.
        steps: seconds that each release took.
        problem: why the change is undone: a code and its data.
        old_works: whether the release before answered after an undo.
    """

    state: str
    id: str
    began: float
    php: str
    old: dict[str, str]
    ladder: list[dict[str, str]]
    apps: list[dict[str, Any]] = field(default_factory=list)
    enabled: dict[str, str] = field(default_factory=dict)
    lost_apps: list[str] = field(default_factory=list)
    database: str = ""
    database_copied: bool = False
    folder: str = ""
    data_copies: list[list[str]] = field(default_factory=list)
    closed_at: float = 0.0
    steps: list[dict[str, Any]] = field(default_factory=list)
    problem: dict[str, Any] = field(default_factory=dict)
    old_works: bool = False

    @property
    def target(self) -> dict[str, str]:
        """Return the release that the change ends with."""
        return self.ladder[-1]

    def advance(self, file: Path, state: str) -> None:
        """Enter a state: the file holds it before anything of it is done."""
        self.state = state
        self.save(file)

    def save(self, file: Path) -> None:
        """Write the journal."""
        write_json(file, {"format": FORMAT} | asdict(self))


def load(file: Path) -> Journal | None:
    """Return the journal of an unfinished change; None if there is none.

    Raises:
        UnreadableJournal: when the file has another format.
    """
    try:
        content = json.loads(file.read_text())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise UnreadableJournal(f"{file}: {error}") from None
    known = {item.name for item in fields(Journal)}
    if not isinstance(content, dict) or content.pop("format", 0) != FORMAT:
        raise UnreadableJournal(f"{file}: another format")
    if set(content) != known or content["state"] not in STATES:
        raise UnreadableJournal(f"{file}: other fields or another state")
    return Journal(**content)


def write_json(file: Path, content: object) -> None:
    """Write a file so that it holds either the old or the new content, also after a power cut."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = file.with_name(file.name + ".new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
        json.dump(content, stream, indent=1)
        stream.write("\n")
        stream.flush()
        os.fsync(stream.fileno())
    new.replace(file)
    sync_folder(file.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def new_id(version: str) -> str:
    """Return a name for the safety copy of a release that is used now."""
    return f"{version.replace('.', '_')}_{int(time.time())}"

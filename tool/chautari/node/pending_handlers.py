"""The restarts that a role owes while its play runs, so that no interruption can lose one.

A handler is noted before the task that may ask for it begins: from the change until the task's
result comes, minutes for a package, nobody else knows of it. Such a note waits for the disk, so it
is written once a role for each handler, and taken back when the play ends and no task has asked
for it. A play that never ends leaves at worst a restart too many.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path

from chautari.node import journal, receipt_writer, receipts


class Restarts:
    """What the role at hand owes, and what it may owe once the task at work ends."""

    def __init__(self, state: Path) -> None:
        """Begin without a role; `state` is the node's state folder."""
        self.state, self.role = state, ""
        self.noted: list[str] = []  # in the role's file
        self.owed: list[str] = []
        self.doubtful: list[str] = []

    def begin(self, role: str) -> None:
        """Take up what an earlier run of the role left undone."""
        self.role, self.doubtful = role, []
        self.noted = receipts.owed(self.state, role) if role else []
        self.owed = list(self.noted)

    def may_owe(self, handlers: Iterable[str]) -> None:
        """Note what a task asks for that is about to begin and may change something."""
        # A task of which no result came may have changed something as well.
        self.owed += self.doubtful
        self.doubtful = list(handlers)
        self._note(self.doubtful)

    def owe(self, handlers: Iterable[str]) -> None:
        """Note what a task asks for that changed something, or may have before it failed."""
        self.owed += handlers
        self._note(self.owed)

    def unchanged(self) -> None:
        """Take in that the task at work ended and changed nothing."""
        self.doubtful = []

    def end(self) -> None:
        """Take back what no task asked for."""
        kept = [name for name in self.noted if name in self.owed + self.doubtful]
        if kept != self.noted:
            settle(self.state, self.role, kept)
            self.noted = kept

    def _note(self, handlers: Iterable[str]) -> None:
        new = [name for name in dict.fromkeys(handlers) if name not in self.noted]
        if new:
            owe(self.state, self.role, new)
            self.noted += new


def owe(state: Path, role: str, handlers: Iterable[str]) -> None:
    """Note, safe from a power cut, handlers that a task asks for, or may ask for once it ends."""
    file = receipts.pending_file(state, role)
    with contextlib.suppress(FileExistsError):
        file.parent.mkdir(parents=True, mode=0o700)
    journal.add(file, "".join(f"{name}\n" for name in handlers), synced=True)


def settle(state: Path, role: str, handlers: Iterable[str]) -> None:
    """Keep of what a role owes these handlers alone."""
    text = "".join(f"{name}\n" for name in handlers)
    if text:
        receipt_writer.replace(receipts.pending_file(state, role), text)
    else:
        receipts.pending_file(state, role).unlink(missing_ok=True)

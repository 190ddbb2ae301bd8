"""Record the handlers that a role has to run, so that no interruption can lose one.

A handler is recorded before the task begins that may notify it. A task takes minutes for a package,
and its change is on the disk before its result is known. Recording waits for the disk, so each
handler is written once a role, and removed when the play ends and no task has notified it. A play
that never ends costs at worst one restart too many.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path

from chautari.node import receipt_writer, receipts, run_journal


class PendingHandlers:
    """The handlers that the running role has to run, and those that its current task may notify."""

    def __init__(self, state: Path) -> None:
        """Begin without a role; `state` is the node's state folder."""
        self.state, self.role = state, ""
        self.recorded: list[str] = []  # in the role's file
        self.notified: list[str] = []
        self.tentative: list[str] = []

    def begin_role(self, role: str) -> None:
        """Begin a role with the handlers that its earlier run left pending."""
        self.role, self.tentative = role, []
        self.recorded = receipts.pending_handlers(self.state, role) if role else []
        self.notified = list(self.recorded)

    def record_tentative(self, handlers: Iterable[str]) -> None:
        """Record the handlers of a task that begins and may change something."""
        # A task without a result may have changed something as well.
        self.notified += self.tentative
        self.tentative = list(handlers)
        self._append_unrecorded(self.tentative)

    def record(self, handlers: Iterable[str]) -> None:
        """Record the handlers of a task that changed something, or may have before it failed."""
        self.notified += handlers
        self._append_unrecorded(self.notified)

    def discard_tentative(self) -> None:
        """Forget the handlers of the current task, which changed nothing."""
        self.tentative = []

    def keep_only_notified(self) -> None:
        """End a role: keep in its file only the handlers that a task notified."""
        remaining = [name for name in self.recorded if name in self.notified + self.tentative]
        if remaining != self.recorded:
            remove_pending_except(self.state, self.role, remaining)
            self.recorded = remaining

    def _append_unrecorded(self, handlers: Iterable[str]) -> None:
        new = [name for name in dict.fromkeys(handlers) if name not in self.recorded]
        if new:
            append_pending(self.state, self.role, new)
            self.recorded += new


def append_pending(state: Path, role: str, handlers: Iterable[str]) -> None:
    """Add handlers to a role's file, and wait until they are on the disk."""
    file = receipts.pending_handlers_file(state, role)
    with contextlib.suppress(FileExistsError):
        file.parent.mkdir(parents=True, mode=0o700)
    run_journal.append_lines(file, "".join(f"{name}\n" for name in handlers), synced=True)


def remove_pending_except(state: Path, role: str, handlers: Iterable[str]) -> None:
    """Remove all pending handlers of a role except these."""
    text = "".join(f"{name}\n" for name in handlers)
    if text:
        receipt_writer.replace_file_for_root_only(receipts.pending_handlers_file(state, role), text)
    else:
        receipts.pending_handlers_file(state, role).unlink(missing_ok=True)

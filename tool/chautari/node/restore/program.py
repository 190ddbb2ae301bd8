"""Run a restore to its end, as the systemd unit `chautari-restore` does.

The unit starts this again after a kill and at the start of the node, until the restore is finished.
"""

from __future__ import annotations

import contextlib
import fcntl
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from chautari.node import lock
from chautari.node.restore.errors import RestoreError
from chautari.node.restore.journal import MEMORY, Journal, JournalFile
from chautari.node.restore.restore_unit import remove_unit
from chautari.node.restore.steps import SWITCH_STEPS, Restore

BUSY = 75  # EX_TEMPFAIL of sysexits.h
DATABASE_SECONDS = 120
BACKUP_LOCK = Path("/var/lib/chautari/backup/lock")
# In these steps of a restore or its undo, the services must be paused.
PAUSED_STEPS = ("switch", "finish", "switch_back", "finish_undo")


def main(state: Path | None = None, memory: Path = MEMORY) -> int:
    """Complete or undo the restore in the journal; return the exit code of the unit."""
    files = JournalFile(state) if state else JournalFile()
    journal = files.load()
    if journal is None:
        remove_unit()
        return 0
    # A person or a shutdown stops the unit: the journal has everything that the next start needs.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with lock.hold_lock_or_yield_holder(_lock_holder_of_restore(journal)) as holder:
        if holder:
            # A deploy began after the check of the lock; the restore waits for it.
            return BUSY
        with _hold_backup_lock(files):
            return _run_restore(files, journal, memory)


@contextlib.contextmanager
def _hold_backup_lock(files: JournalFile, file: Path = BACKUP_LOCK) -> Iterator[None]:
    """Let no backup run meanwhile: it would resume services, and store data half exchanged."""
    if not file.parent.is_dir():
        yield
        return
    with file.open("a") as lock_file:
        told = False
        while True:
            try:
                fcntl.flock(lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not told:
                    files.append_event({"event": "step", "step": "wait", "time": time.time()})
                told = True
                time.sleep(2)
        yield


def _run_restore(files: JournalFile, journal: Journal, memory: Path) -> int:
    restore = Restore(files, journal, memory)
    if journal.undoing or journal.step in SWITCH_STEPS:
        _wait_for_databases(restore)
    try:
        if journal.step in PAUSED_STEPS:
            # A pause does not outlast a restart of the node.
            restore.pause_again()
        restore.run()
    except RestoreError as error:
        files.append_event({"event": "stuck", "error": error.as_object()})
        raise
    remove_unit()
    return 0


def _lock_holder_of_restore(journal: Journal) -> dict[str, object]:
    return {**journal.request.about, "run": f"restore-{journal.request.id}", "mode": "restore"}


def _wait_for_databases(restore: Restore) -> None:
    """Wait for database servers, which start at the same time as this unit."""
    deadline = time.monotonic() + DATABASE_SECONDS
    for database in restore.databases:
        while True:
            try:
                database.server.require_known_account(database.name)
                break
            except RestoreError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(2)


if __name__ == "__main__":
    sys.exit(main())

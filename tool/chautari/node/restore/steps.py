"""The steps of a restore, in a fixed order, and those of its undo.

    choose ─ copy ─ adapt │ pause ─ switch ─ finish ─ resume ─ mark
                          │
    undo:                   switch_back ─ finish_undo ─ resume ─ delete_copy ─ mark

Left of the line, live data is not touched: a restore that is killed there repeats its step, or is
undone if the access to the repository was lost with the memory. Right of it, the node needs no
other machine: a restore that is killed there is completed. An error at any step undoes all.
"""

from __future__ import annotations

import contextlib
import resource
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from chautari.node.backup import state_file
from chautari.node.backup.manifest import Manifest
from chautari.node.restore import switch
from chautari.node.restore.copy_next_to_live_data import (
    CopyJob,
    Database,
    create_empty_index,
    databases_to_copy,
    read_archive,
)
from chautari.node.restore.errors import RestoreError
from chautari.node.restore.journal import MEMORY, Journal, JournalFile
from chautari.node.restore.places import RestorePlace, places_to_restore
from chautari.node.restore.repository import Archive, Repository
from chautari.node.restore.request import access_in

READING_STEPS = ("choose", "copy")
SWITCH_STEPS = ("pause", "switch", "finish", "resume", "mark")
STEPS = (*READING_STEPS, "adapt", *SWITCH_STEPS)
UNDO_STEPS = ("switch_back", "finish_undo", "resume", "delete_copy", "mark")


class Restore:
    """One restore, from its journal."""

    def __init__(self, files: JournalFile, journal: Journal, memory: Path = MEMORY) -> None:
        """Keep the journal, and the folder of the access files."""
        self.files, self.journal, self.memory = files, journal, memory
        request = journal.request
        self._manifest: Manifest | None = None
        self.places: list[RestorePlace] = places_to_restore(request.states, request.id)
        self.databases: list[Database] = list(
            databases_to_copy(request.states, "restore", request.id)
        )

    def run(self) -> bool:
        """Run the remaining steps and return whether the data was restored.

        Raises:
            RestoreError: when a step of the undo failed; it is repeated at the next start.
        """
        if self._needs_archive_without_access():
            self._begin_undo({"code": "interrupted", "data": {}})
        while not self.journal.undoing:
            step = self.journal.step
            self._report_step(step)
            try:
                self._do_step(step)
            except RestoreError as error:
                self._begin_undo(error.as_object())
            except Exception as error:
                message = f"{type(error).__name__}: {error}"
                self._begin_undo({"code": "crashed", "data": {"message": message}})
            else:
                if step == "mark":
                    return True
                self._record_next_step(STEPS)
        self._run_undo_steps()
        return False

    def _needs_archive_without_access(self) -> bool:
        """Return whether the archive must still be read, and cannot be since a restart."""
        reads = self.journal.step in READING_STEPS
        return reads and not self.journal.undoing and not access_in(self.memory).has_passphrase

    def _begin_undo(self, error: dict[str, Any]) -> None:
        # Steps of the switch that did not begin need no undo.
        began = self.journal.step in SWITCH_STEPS
        self.journal.undoing, self.journal.error = True, error
        self.journal.step = "switch_back" if began else "delete_copy"
        self.files.save(self.journal)
        self.files.append_event({"event": "undoing", "error": error})

    def _run_undo_steps(self) -> None:
        """Run the remaining steps of the undo."""
        while True:
            step = self.journal.step
            self._do_undo_step(step)
            if step == "mark":
                return
            self._record_next_step(UNDO_STEPS)

    def _record_next_step(self, steps: tuple[str, ...]) -> None:
        self.journal.step = steps[steps.index(self.journal.step) + 1]
        self.files.save(self.journal)

    def _do_step(self, step: str) -> None:
        actions: dict[str, Callable[[], None]] = {
            "choose": self._choose_archive,
            "copy": self._copy_and_compare_archive,
            "adapt": self._delete_access_and_run_adapt_commands,
            "pause": self._pause_services,
            "switch": self._switch_to_copy,
            "finish": lambda: self._run_after_restore_commands("restored"),
            "resume": self._resume_services,
            "mark": lambda: self._record_result(ok=True),
        }
        actions[step]()

    def _do_undo_step(self, step: str) -> None:
        actions: dict[str, Callable[[], None]] = {
            "switch_back": self._switch_back_to_old_data,
            "finish_undo": lambda: self._run_after_restore_commands("undone"),
            "resume": self._resume_services,
            "delete_copy": self._delete_copy,
            "mark": lambda: self._record_result(ok=False),
        }
        actions[step]()

    def _open_repository(self) -> Repository:
        return Repository(
            self.journal.request.target, access_in(self.memory), self.files.state / "borg"
        )

    def _choose_archive(self) -> None:
        request = self.journal.request
        archive, manifest = read_archive(
            self._open_repository(), request.node, request.at, request.states
        )
        self.journal.archive, self.journal.archive_time = archive.name, archive.time
        self._manifest = manifest
        self.files.append_event({"event": "chosen", "archive": archive.name, "time": archive.time})
        self.journal.figures["versions"] = dict(manifest.versions)

    @contextlib.contextmanager
    def _open_copy_job(self) -> Iterator[CopyJob]:
        repository = self._open_repository()
        archive = Archive(self.journal.archive, self.journal.archive_time)
        # A restore that was interrupted after the choice reads it again.
        manifest = self._manifest or repository.manifest(archive)
        index = create_empty_index(self.files.state)
        try:
            yield CopyJob(
                repository, archive, manifest, self.places, self.databases, index,
                self.files.append_event, compare_hashes=self.journal.request.compare_hashes,
            )  # fmt: skip
        finally:
            index.close_and_delete()

    def _copy_and_compare_archive(self) -> None:
        """Make the copy and prove it; after an interruption, begin again."""
        switch.delete_copies(self.places, self.databases, self.journal.request.id)
        with self._open_copy_job() as job:
            job.read_contents_and_check_space()
            self._report_step("extract")
            job.extract_and_load()
            self._report_step("compare")
            job.compare_with_archive()
            self.journal.figures |= job.figures

    def _report_step(self, step: str) -> None:
        self.files.append_event({"event": "step", "step": step, "time": time.time()})

    def _delete_passphrase_and_login_key(self) -> None:
        """Delete passphrase and login key: the rest needs only this node."""
        shutil.rmtree(self.memory, ignore_errors=True)
        shutil.rmtree(self.files.state / "borg" / ".cache", ignore_errors=True)

    def _delete_access_and_run_adapt_commands(self) -> None:
        self._delete_passphrase_and_login_key()
        for state in self.journal.request.states:
            command = self.journal.request.commands_of(state).adapt
            if command:
                mine = [place for place in self.places if place.path in state.paths]
                switch.run_command(command, *(f"{place.live}={place.staged}" for place in mine))

    def _pause_services(self) -> None:
        request, journal = self.journal.request, self.journal
        if not journal.figures.get("paused_at"):
            journal.figures["paused_at"] = time.time()
            units = [unit for state in request.states for unit in request.commands_of(state).units]
            journal.stopped_units = switch.active_units(units)
            self.files.save(journal)
        self.pause_again()
        journal.swaps = switch.plan_swaps(self.places, request.id)

    def pause_again(self) -> None:
        """Pause the services after a restart of the node, before the switch goes on."""
        switch.pause(self.journal.request.states)
        switch.stop_units(self.journal.stopped_units)

    def _switch_to_copy(self) -> None:
        switch.switch_files(self.journal.swaps)
        switch.switch_databases(self.databases, self.journal.request.id)

    def _switch_back_to_old_data(self) -> None:
        switch.undo_switch_databases(self.databases, self.journal.request.id)
        switch.undo_switch_files(self.journal.swaps)

    def _run_after_restore_commands(self, result: str) -> None:
        for state in self.journal.request.states:
            command = self.journal.request.commands_of(state).after_restore
            if command:
                switch.run_command(command, result)

    def _resume_services(self) -> None:
        switch.start_units(self.journal.stopped_units)
        switch.resume(self.journal.request.states)
        self._run_after_restore_commands("resumed")
        if paused_at := self.journal.figures.get("paused_at"):
            self.journal.figures["paused_seconds"] = round(time.time() - paused_at, 1)

    def _delete_copy(self) -> None:
        switch.delete_copies(self.places, self.databases, self.journal.request.id)

    def _record_result(self, *, ok: bool) -> None:
        """Record the result; only then is the restore finished."""
        journal, request = self.journal, self.journal.request
        self._delete_passphrase_and_login_key()
        kept = []
        if ok:
            switch.delete_copies(self.places, [], request.id)
            kept = switch.kept_paths(self.places, journal.swaps, request.id)
            journal.figures |= used_resources()
            forget_refused_backup()
        databases = [[item.engine, item.name] for item in self.databases] if ok else []
        result = {
            "id": request.id,
            "ok": ok,
            "finished": time.time(),
            "node": request.node,
            "target": request.target.name,
            "archive": journal.archive,
            "archive_time": journal.archive_time,
            "services": [state.name for state in request.states],
            "figures": journal.figures,
            "error": journal.error,
            "kept": {"paths": kept, "databases": databases} if ok else None,
        }
        self.files.append_event({"event": "finished", **result})
        self.files.end(result)


def forget_refused_backup() -> None:
    """Forget that this node refused to store a new machine over a lost one."""
    if state_file.forget_errors("not_restored"):
        # Otherwise, a check reports the unit until the next backup.
        command = ["systemctl", "reset-failed", state_file.UNIT]
        subprocess.run(command, capture_output=True, check=False)


def used_resources() -> dict[str, float]:
    """Return what this program and those that it ran took since its last start.

    That is their processor time, and the memory of the largest one.
    """
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return {
        "cpu_seconds": round(sum(item.ru_utime + item.ru_stime for item in used), 1),
        "memory_mb": max(item.ru_maxrss for item in used) >> 10,
    }

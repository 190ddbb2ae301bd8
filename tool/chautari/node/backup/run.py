"""Back up the node to each of its targets, one after the other."""

from __future__ import annotations

import contextlib
import fcntl
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from types import FrameType
from typing import Any

from chautari.node.backup import (
    archive,
    borg,
    preconditions,
    repository,
    retention,
    scan,
    simultaneous_database_snapshots,
    state_file,
)
from chautari.node.backup.errors import BackupError, raise_all
from chautari.node.backup.events import EventWriter
from chautari.node.backup.feed import BorgCreate
from chautari.node.backup.services import Pause
from chautari.node.backup.settings import Settings, Target
from chautari.node.backup.state_file import HOME

LOCK = HOME / "lock"
# Attempts that sent nothing, one after the other.
ATTEMPTS = 12
MAX_HOURS = 20
FIRST_DELAY_SECONDS = 5.0
MAX_DELAY_SECONDS = 300.0
PROGRESS_BYTES = 1 << 20
MAX_LEFT_OUT = 20


@dataclass
class ProgramFolders:
    """The folders of this program, which tests replace."""

    home: Path = HOME
    root: Path = archive.ROOT
    restores: Path = preconditions.RESTORES

    @property
    def state_file(self) -> Path:
        """File that remembers how backups ended."""
        return self.home / "state.json"

    @property
    def work(self) -> Path:
        """Folder for copies and lists of a run."""
        return self.home / "work"

    def list_file(self, target: Target) -> Path:
        """Return the list of what the last archive of a target holds."""
        return self.home / "lists" / target.name


@contextlib.contextmanager
def hold_lock(path: Path = LOCK, seconds: float = 0.0) -> Iterator[None]:
    """Let one program at a time use the repositories of this node.

    Raises:
        BackupError: when another one still runs after `seconds`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + seconds
    with path.open("a") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise BackupError("already_running") from None
            time.sleep(1)
        yield


def stop_on_signals() -> None:
    """End a run in order when systemd stops it."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise BackupError("interrupted")

    signal.signal(signal.SIGTERM, interrupt)
    signal.signal(signal.SIGINT, interrupt)


def back_up(
    settings: Settings,
    events: EventWriter,
    folders: ProgramFolders,
    pause: Pause,
    targets: Sequence[Target],
) -> bool:
    """Back up to every target of `settings`, and return whether all succeeded.

    What is remembered of targets that are not among those `targets` is deleted.
    """
    state_file.forget_other_targets([target.name for target in targets], folders.state_file)
    interrupted = (state_file.read_state(folders.state_file)["running"] or {}).get("target")
    name = archive_name(settings)
    events.write_event("started", run=name)
    problem: BackupError | None = None
    try:
        pause.resume()  # what an interrupted run left paused
        if not settings.targets:
            raise BackupError("no_targets")
        raise_all(
            [
                *preconditions.state_problems(settings.states),
                *simultaneous_database_snapshots.unreachable_databases(settings.databases),
            ]
        )
    except BackupError as found:
        problem = found
    results = []
    for target in settings.targets:
        run = TargetRun(settings, target, events, folders, pause)
        if interrupted == target.name:
            run.was_interrupted = True
        error = run.record_end(problem or run.attempt_until_success())
        results.append(error)
        if error is not None and error.code == "interrupted":
            problem = error  # of the other targets as well
    state_file.update_state(folders.state_file, running=None)
    failed = [result for result in (*results, problem) if result is not None]
    reason = failed[0].as_object() if failed else None
    events.write_event("finished", ok=not failed, error=reason)
    return not failed


def archive_name(settings: Settings) -> str:
    """Return the name of an archive that begins now."""
    now = datetime.now(timezone.utc)
    return f"{settings.node}-{now:%Y-%m-%dT%H:%M:%SZ}"


class TargetRun:
    """One run to one target."""

    def __init__(
        self,
        settings: Settings,
        target: Target,
        events: EventWriter,
        place: ProgramFolders,
        pause: Pause,
    ) -> None:
        """Prepare a run."""
        self._settings, self._target = settings, target
        self._events, self._place, self._pause = events, place, pause
        self._began = time.time()
        self._result: dict[str, Any] = {}
        self._step, self._numbers = "files", (0, 0, 0)
        self._needed = (0, True)
        self._is_retry = False
        self.was_interrupted = False

    def attempt_until_success(self) -> BackupError | None:
        """Try until the backup succeeds, while the connection is what fails; return the error."""
        state_file.update_state(
            self._place.state_file,
            running={"target": self._target.name, "since": int(self._began)},
        )
        attempt = 0
        while True:
            self._numbers = (0, 0, 0)
            try:
                self._attempt_backup()
                return None
            except BackupError as error:
                attempt = 1 if self._numbers[2] > PROGRESS_BYTES else attempt + 1
                late = time.time() - self._began > MAX_HOURS * 3600
                if error.code not in borg.RETRIED or attempt == ATTEMPTS or late:
                    return error
                self._is_retry = True
                print(f"{self._target.name}: {error.code}, attempt {attempt}", flush=True)
            except OSError as failed:
                return BackupError("system_error", reason=str(failed))
            time.sleep(min(FIRST_DELAY_SECONDS * 2 ** (attempt - 1), MAX_DELAY_SECONDS))

    def record_end(self, error: BackupError | None) -> BackupError | None:
        """Remember how the run ended, and return its error."""
        seconds = round(time.time() - self._began, 1)
        code = None if error is None else error.as_object()
        known = {"last_attempt": int(self._began), "error": code, "seconds": seconds}
        state_file.update_target(self._target.name, self._place.state_file, **known, **self._result)
        keys = ("archive", "bytes_sent", "bytes_stored", "paused_seconds")
        result = {key: self._result.get(key) for key in keys}
        self._events.write_event(
            "target_finished", target=self._target.name, ok=error is None, seconds=seconds,
            error=code, **result,
        )  # fmt: skip
        return error

    def _attempt_backup(self) -> None:
        target, home = self._target, self._place.home
        known = state_file.target_state(state_file.read_state(self._place.state_file), target.name)
        found = self._open_repository_and_recover(known["repository_id"])
        self._refuse_repository_of_lost_machine(found, known)
        self._result |= {"repository_id": found.id}
        if found.quota_bytes:
            self._result |= {"quota_bytes": found.quota_bytes, "quota_used": 0}
        state_file.update_target(target.name, self._place.state_file, **self._result)
        known |= self._result
        archive.empty_work_folder(self._place.work)
        groups = archive.paused_and_other_groups(self._settings.states, self._place.work)
        new_bytes = self._list_files_and_sum_new_bytes(groups)
        is_first = found.is_new or known["last_success"] is None
        count = sum(group.totals.count for group in groups)
        size = sum(group.totals.size for group in groups)
        preconditions.check_cache_room(count, size, home)
        self._needed = (new_bytes, is_first)
        self._check_target_room(known["quota_bytes"] or 0, known["quota_used"] or 0)
        self._events.write_event(
            "announced", target=target.name, first=is_first, files=count,
            bytes=size if is_first else new_bytes,
        )  # fmt: skip
        name = self._make_archive(groups)
        self._record_success(name, groups)
        self._report_step("prune")
        retention.prune_archives(self._settings, target, found.archives, home)
        if left_out := self._result["left_out"]:
            raise BackupError("files_left_out", count=len(left_out), paths=left_out[:5])

    def _open_repository_and_recover(self, known_id: str | None) -> repository.Repository:
        home, where = self._place.home, (self._settings, self._target)
        try:
            found = repository.open_repository(*where, known_id, home)
            if self.was_interrupted:
                repository.require_unlocked_cache(*where, home)
            return found
        except BackupError as error:
            if error.code != "repository_locked" or not self.was_interrupted:
                raise
        repository.break_lock(*where, home)
        return repository.open_repository(*where, known_id, home)

    def _refuse_repository_of_lost_machine(
        self, found: repository.Repository, known: Mapping[str, Any]
    ) -> None:
        """Refuse to store a new machine in the repository of a lost one, until it is restored.

        Its empty services would become the newest backup, which a restore takes.
        """
        never_stored = known["repository_id"] is None and known["last_success"] is None
        if found.is_new or not never_stored or preconditions.was_restored(self._place.restores):
            return
        if any(borg.is_name_of_finished_archive(item["name"]) for item in found.archives):
            raise BackupError(
                "not_restored",
                target=self._target.name, region=self._settings.region, node=self._settings.node,
            )  # fmt: skip

    def _list_files_and_sum_new_bytes(
        self, groups: tuple[archive.StateGroup, archive.StateGroup]
    ) -> int:
        """List what to store, and return the size of what the target does not have yet."""
        for group in groups:
            group.write_first_list()
        before = self._place.list_file(self._target)
        new = 0
        for group in groups:
            old = before.with_name(f"{before.name}.{group.list_file.name}")
            earlier = scan.read_list(old) if old.is_file() else iter(())
            for item in scan.changes_between_lists(earlier, group.listed_entries()):
                new += item.size if isinstance(item, scan.Entry) else 0
        return new

    def _make_archive(self, groups: tuple[archive.StateGroup, archive.StateGroup]) -> str:
        name = archive_name(self._settings)
        home = self._place.home
        create = BorgCreate(
            borg.create_command(name, self._settings.limit_kib, is_retry=self._is_retry),
            borg.borg_environment(self._settings, self._target, home),
            self._place.work / "stage",
            self._report_amounts,
            self._check_target_room,
        )
        writer = archive.ArchiveWriter(
            self._settings, groups, create, self._place.work, self._report_step, self._place.root
        )
        self._pause.seconds = 0.0
        try:
            writer.write(self._pause, self._began)
            figures = create.finish()
        except BaseException:
            create.abort()
            raise
        stats, messages = figures["archive"]["stats"], create.messages
        self._result |= {
            "bytes_sent": stats["deduplicated_size"],
            "bytes_stored": figures["cache"]["stats"]["unique_csize"],
            "paused_seconds": round(self._pause.seconds, 2),
            "quota_bytes": messages.quota or None,
            "quota_used": messages.quota_used or None,
            "left_out": (writer.left_out + warnings_about_unstored_files(messages.warnings))[
                :MAX_LEFT_OUT
            ],
        }
        return name

    def _record_success(
        self, name: str, groups: tuple[archive.StateGroup, archive.StateGroup]
    ) -> None:
        self._result |= {"archive": name, "last_success": int(time.time())}
        state_file.update_target(self._target.name, self._place.state_file, **self._result)
        folder = self._place.list_file(self._target)
        folder.parent.mkdir(exist_ok=True, mode=0o700)
        for group in groups:
            group.list_file.replace(folder.with_name(f"{folder.name}.{group.list_file.name}"))

    def _check_target_room(self, quota: int, used: int) -> None:
        new_bytes, is_first = self._needed
        preconditions.check_target_room(self._target, new_bytes, (quota, used), is_first=is_first)

    def _report_amounts(self, files: int, size: int, sent: int) -> None:
        self._numbers = (files, size, sent)
        self._events.write_progress(self._target.name, self._step, *self._numbers)

    def _report_step(self, step: str) -> None:
        self._step = step
        self._events.write_progress(self._target.name, step, *self._numbers)


def warnings_about_unstored_files(warnings: list[str]) -> list[str]:
    """Return the warnings of borg about files that it could not store.

    A file that is gone, or that changed while it was read, is not among them: it is compared again
    while the services pause.
    """
    known = ("file changed while we backed it up", "[Errno 2]")
    return [text[:300] for text in warnings if not any(part in text for part in known)]

"""Check the repositories: every segment is read where it is stored, and compared with its sum."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from chautari.node.backup import borg, preconditions, state_file
from chautari.node.backup.errors import BackupError
from chautari.node.backup.events import print_event
from chautari.node.backup.settings import Settings, Target
from chautari.node.backup.state_file import HOME

LIMIT_SECONDS = 20 * 3600
HEARTBEAT_SECONDS = 15


def check_repositories(settings: Settings, names: list[str], home: Path = HOME) -> bool:
    """Check the targets called `names`, or all; print and remember the results."""
    targets = [settings.target(name) for name in names] or list(settings.targets)
    results = [_check_and_record_result(settings, target, home) for target in targets]
    print_event("finished", ok=all(results), error=None)
    return all(results)


def _check_and_record_result(settings: Settings, target: Target, home: Path) -> bool:
    began = time.time()
    error: BackupError | None = None
    done = threading.Event()
    heart = threading.Thread(target=_print_heartbeats, args=(target.name, done), daemon=True)
    heart.start()
    try:
        check_repository(settings, target, home)
    except BackupError as found:
        error = found
    finally:
        done.set()
        heart.join()
    seconds = round(time.time() - began, 1)
    print_event(
        "target_checked", target=target.name, ok=error is None, seconds=seconds,
        error=None if error is None else error.as_object(),
    )  # fmt: skip
    # A target that does not answer was not checked; that is no damage.
    if error is None or error.code == "check_failed":
        state_file.update_target(
            target.name, home / "state.json", last_check=int(began), check_ok=error is None,
            check_error=None if error is None else error.data,
        )  # fmt: skip
    return error is None


def check_repository(settings: Settings, target: Target, home: Path = HOME) -> None:
    """Raise an error when the repository of a target is damaged or does not answer."""
    if not target.is_remote:
        preconditions.require_mounted_writable_disk(target)
    try:
        # borg reports damage with the exit code of a warning.
        command = ("check", "--repository-only")
        borg.run_borg(settings, target, *command, home=home, limit=LIMIT_SECONDS, highest_code=0)
    except BackupError as error:
        if error.code in ("borg_failed", "repository_damaged"):
            raise BackupError("check_failed", reason=error.data.get("reason", "")) from None
        raise


def _print_heartbeats(target: str, done: threading.Event) -> None:
    while not done.wait(HEARTBEAT_SECONDS):
        print_event("progress", target=target, step="check")

"""Open the repository of a target, and create it where it does not exist yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from chautari.node.backup import borg, preconditions
from chautari.node.backup.errors import BackupError
from chautari.node.backup.settings import Settings, Target
from chautari.node.backup.state_file import HOME


class Repository(NamedTuple):
    """A repository that answers.

    Attributes:
        id: made by borg when the repository was created.
        archives: what it has of this node, oldest first, with what interrupted runs left.
        is_new: whether it was created now.
        quota_bytes: how much a new one may hold, if its server limits it.
    """

    id: str
    archives: Sequence[Mapping[str, Any]] = ()
    is_new: bool = False
    quota_bytes: int | None = None


def open_repository(
    settings: Settings, target: Target, known_id: str | None, home: Path = HOME
) -> Repository:
    """Return the repository of a target, which is created if it is missing.

    Args:
        settings: of the node.
        target: whose repository.
        known_id: id of the repository that this target had before.
        home: folder of this program's own.

    Raises:
        BackupError: when it does not answer, or is another one than before.
    """
    if not target.is_remote:
        preconditions.require_mounted_writable_disk(target)
    try:
        found = _list_repository(settings, target, home)
    except BackupError as error:
        if error.code != "repository_missing":
            raise
        # With --info, the server says its quota when the first transaction begins.
        create = ("--info", "init", "--encryption", "repokey-blake2", "--make-parent-dirs")
        _, messages = borg.run_borg(settings, target, *create, home=home)
        found = _list_repository(settings, target, home)
        return found._replace(is_new=True, quota_bytes=messages.quota or None)
    # Disks are exchanged, so that one of them is elsewhere. A server has one repository.
    if target.is_remote and known_id and found.id != known_id:
        raise BackupError("repository_replaced", target=target.name)
    return found


def repository_id(settings: Settings, target: Target, home: Path = HOME) -> str | None:
    """Return the id of the repository that a target has now; None if it has none.

    Raises:
        BackupError: when the target does not answer.
    """
    if not target.is_remote:
        preconditions.require_mounted_writable_disk(target)
    try:
        return _list_repository(settings, target, home).id
    except BackupError as error:
        if error.code != "repository_missing":
            raise
        return None


def _list_repository(settings: Settings, target: Target, home: Path) -> Repository:
    # One call for both: borg itself takes longer to start than to answer.
    content = borg.list_repository(settings, target, home)
    return Repository(content["repository"]["id"], borg.archives_and_leftovers_by_age(content))


def require_unlocked_cache(settings: Settings, target: Target, home: Path = HOME) -> None:
    """Raise an error when borg's cache on this node is locked; `borg list` does not use it."""
    borg.run_borg(settings, target, "info", "--json", home=home)


def break_lock(settings: Settings, target: Target, home: Path = HOME) -> None:
    """Remove a lock that an interrupted run of this node left.

    Only this node writes to its repository, and only one run at a time does.
    """
    borg.run_borg(settings, target, "break-lock", home=home)

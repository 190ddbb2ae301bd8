"""The texts of the codes of a backup: what happened, and what to do.

The node mails them; the control side reads them through `report/messages.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chautari.node.safe_text import escape_controls
from chautari.node.translation import _, fill, translate_detail

MAX_TEXT = 300
Templates = Mapping[str, tuple[str, str]]
# What happened, and what to do. `{key:size}` is a number of bytes.
TEXTS: Templates = {
    "settings_missing": (
        "The settings of the backup are missing.",
        "deploy the region again.",
    ),
    "settings_invalid": (
        "The settings of the backup are damaged: {reason}.",
        "deploy the region again.",
    ),
    "no_targets": (
        "The node has not received a place for its backups yet.",
        "deploy the region again once a peer has given space.",
    ),
    "target_unknown": (
        "The node has no target {target}.",
        "deploy the region again.",
    ),
    "already_running": (
        "Another backup is running on this node.",
        "wait until it has finished.",
    ),
    "interrupted": (
        "The backup was stopped.",
        "start it again; it resumes where it stopped.",
    ),
    "killed": (
        "The backup ended without a result.",
        "start it again; it resumes where it stopped.",
    ),
    "not_mounted": (
        "{path} is not mounted, and {service} stores data there.",
        "mount {path}.",
    ),
    "folder_missing": (
        "The folder {path} of {service} is missing.",
        "restore the folder, or deploy again.",
    ),
    "folder_empty": (
        "The folder {path} of {service} is empty.",
        "find out where its data is.",
    ),
    "database_unreachable": (
        "The database {database} ({server}) does not answer: {reason}.",
        "start the database server.",
    ),
    "dump_failed": (
        "The database {database} ({server}) could not be dumped: {reason}.",
        "look for damage in the log of the database server.",
    ),
    "pause_failed": (
        "{service} could not be paused: {reason}.",
        "check the service.",
    ),
    "resume_failed": (
        "{service} was paused for the backup and does not resume: {reason}.",
        "run `chautari-backup resume` on the node.",
    ),
    "no_room_for_cache": (
        ("{path} has {free:size} of free space, and the backup needs {needed:size}."),
        "free some space there.",
    ),
    "no_room_for_copies": (
        ("{path} has no free space for the files that changed during the backup: {reason}."),
        "free some space there.",
    ),
    "no_room": (
        "The target is full.",
        "free some space there.",
    ),
    "disk_too_small": (
        (
            "In addition to the 670 MB that borg keeps free, the disk at {path} has {free:size} "
            "of free space, and the backup needs {needed:size}."
        ),
        "use a larger disk, or keep fewer archives.",
    ),
    "quota_too_small": (
        (
            "The quota of this node at the target has {free:size} left, and the backup needs "
            "{needed:size}."
        ),
        "ask the peer for a larger quota.",
    ),
    "quota_exceeded": (
        "The quota at the target is used up.",
        "ask the peer for a larger quota.",
    ),
    "disk_not_mounted": (
        "No disk is mounted at {path}.",
        "connect the disk and mount it.",
    ),
    "disk_unwritable": (
        "The disk cannot be written to at {path}: {reason}.",
        "check the disk.",
    ),
    "target_unreachable": (
        "The target does not answer.",
        "check whether its server is up.",
    ),
    "connection_lost": (
        "The connection to the target was lost too often.",
        "start the backup again; it resumes where it stopped.",
    ),
    "stalled": (
        "The target stopped answering.",
        "start the backup again.",
    ),
    "login_refused": (
        "The target refuses the login of this node.",
        (
            "ask the operators of the target to deploy their region, so that the target accepts "
            "this node's key."
        ),
    ),
    "host_key_changed": (
        "The host key of the target changed.",
        ("ask the operators of the target for its new key, and write that key into `region.yml`."),
    ),
    "passphrase_wrong": (
        "The passphrase does not open the repository.",
        "restore the earlier secrets.age, and deploy the region again.",
    ),
    "repository_locked": (
        "The repository is locked by another program.",
        "wait until that program has finished, or restart it.",
    ),
    "repository_unwritable": (
        "The repository cannot be written to.",
        "check the disk of the target.",
    ),
    "repository_refused": (
        "The target does not let this node use the repository.",
        "ask the operators of the target to deploy their region.",
    ),
    "repository_missing": (
        "The repository does not exist.",
        "run a backup, which creates it.",
    ),
    "repository_damaged": (
        "The repository is damaged.",
        ("check the disk of the target, and ask its operators for a copy of the repository."),
    ),
    "repository_replaced": (
        "The target has a different repository than before.",
        (
            "ask its operators. If they replaced the repository, run `chautari-backup accept "
            "{target}` on the node."
        ),
    ),
    "not_restored": (
        (
            "{target} has backups of {node} that another machine made, and they were not restored"
            " on this machine. Nothing was stored, because its empty services would become the "
            "newest backup."
        ),
        (
            "deploy restore {region} --node {node}. If this machine must start without the old "
            "data, run `chautari-backup accept {target}` on this machine."
        ),
    ),
    "repository_replayed": (
        "The repository at the target has gone back to an older state.",
        "ask the operators of the target for the reason.",
    ),
    "archive_from_future": (
        ("The archive {archive} has a date in the future, so no archive was removed."),
        ("check the clock; if another person made the archive, replace the keys."),
    ),
    "archive_date_differs": (
        (
            "The archive {archive} has a different date than its name says, so no archive was "
            "removed."
        ),
        "if another person made the archive, replace the keys.",
    ),
    "archive_exists": (
        "An archive with this name already exists.",
        "start the backup again.",
    ),
    "files_left_out": (
        "The backup succeeded, but left out {count} files, such as {paths}.",
        "rename or remove these files, or check the disk.",
    ),
    "borg_failed": (
        "borg failed: {reason}.",
        "start the backup again.",
    ),
    "system_error": (
        "The backup failed: {reason}.",
        "run `journalctl -u chautari-backup` on the node to see more.",
    ),
    "check_failed": (
        "The check of the repository found damage: {reason}.",
        ("check the disk of the target, and make a new repository on a healthy disk."),
    ),
    "several": (
        "Several problems prevent the backup.",
        "",
    ),
}


class _DataWithQuestionMarks(dict[str, Any]):
    """The data of a code; a key that is missing is shown as a question mark."""

    def __missing__(self, key: str) -> _ValueWithSizeFormat:
        return _ValueWithSizeFormat("?")


class _ValueWithSizeFormat(str):
    """A value of unknown origin; `{key:size}` shows it as a size."""

    def __format__(self, spec: str) -> str:
        if spec == "size" and self.lstrip("-").isdigit():
            return size_text(int(self))
        return escape_controls(self[:MAX_TEXT])


def error_text(code: str, data: Mapping[str, Any]) -> str:
    """Return an error as a text of one or several lines."""
    return "\n".join(
        _("{what} Fix: {fix}", what=what, fix=fix) if fix else what
        for what, fix in error_parts(code, data)
    )


def error_parts(code: str, data: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what happened, and what to do; several pairs for several problems."""
    if code == "several":
        problems = data.get("problems", [])
        return [x for p in problems for x in error_parts(str(p.get("code")), p.get("data") or {})]
    templates = TEXTS.get(code)
    if templates is None:
        return [(_("The backup failed ({code}).", code=escape_controls(code)[:40]), "")]
    if code == "no_room" and "needed" in data:
        templates = TEXTS["disk_too_small"]
    values = _DataWithQuestionMarks(
        {key: _ValueWithSizeFormat(_value_text(key, value)) for key, value in data.items()}
    )
    what, step = (fill(template, values) if template else "" for template in templates)
    return [(what, step)]


def size_text(size: int) -> str:
    """Return a number of bytes as people read it."""
    number = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if abs(number) < 1000:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"


def _value_text(key: str, value: object) -> str:
    if key == "reason":
        return translate_detail(str(value))
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)

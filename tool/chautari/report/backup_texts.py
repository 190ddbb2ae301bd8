"""The texts of what is reported about backups: their states, and what to do."""

from __future__ import annotations

from contextlib import suppress

from chautari.language import Text, _
from chautari.node.backup import error_texts
from chautari.node.restore import texts as restore_texts
from chautari.report.message_templates import Data, Template, fill_template
from chautari.report.text_format import count_with_noun, to_one_line

_BACK_UP: Text = "run: deploy backup {region} --node {node}"
MAX_REASON = 400  # characters
MAX_PROBLEMS = 5  # of one error


def _step_after_failed_backup(data: Data) -> str:
    first = _("{fix}; then ", fix=data["fix"]) if data.get("fix") else ""
    return _(
        "{first}run: deploy backup {region} --node {node}",
        first=first,
        region=data["region"],
        node=data["node"],
    )


def _failed_backup_text(data: Data) -> str:
    if data.get("stored"):  # the archive is complete, and something after it failed
        return _(
            "the last backup is {age} old, but there is a problem: {reason}",
            age=data["age"],
            reason=data["reason"],
        )
    if data.get("age"):
        return _(
            "the last backup failed: {reason}; the newest backup is {age} old",
            reason=data["reason"],
            age=data["age"],
        )
    return _("the last backup failed: {reason}; no backup is stored yet", reason=data["reason"])


def _failed_drill_text(data: Data) -> str:
    reason = f": {data['reason']}" if data.get("reason") else ""
    return _("the last test restore failed {age} ago{reason}", age=data["age"], reason=reason)


# How the backups of a node in a target stand, and what to do. `reason` is the text of an error.
STATES: dict[str, tuple[Template, Template]] = {
    "stored": ("the last backup is {age} old", ""),
    "never": ("there is no backup yet", _BACK_UP),
    "waiting_for_peer": (
        "there is no backup at {target} yet",
        "run: deploy federation status {region}; when the state of the space at {target} is "
        "green, deploy, and run: deploy backup {region} --node {node}",
    ),
    "space_not_known": (
        "the node has not received the address of its repository at {target} yet",
        "run: deploy federation status {region}; when the state of the space at {target} is "
        "green, deploy",
    ),
    "not_deployed": (
        "the node does not store backups at this target yet",
        "run: deploy region {region}",
    ),
    "failed": (_failed_backup_text, _step_after_failed_backup),
    "too_old": (
        "the last backup is {age} old; the limit is {limit_hours} hours",
        _BACK_UP,
    ),
    "damaged": (
        "backups may be unusable: {reason}",
        "{fix}; then run: deploy backup check {region} --node {node}",
    ),
    "incomplete": ("the last backup is {age} old. {reason}", "{fix}"),
    "nearly_full": (
        "the last backup is {age} old, and {percent} % of the space is used",
        "ask the group of {target} for more space, or keep fewer archives: "
        "backup.keep in region.yml",
    ),
    "in_future": (
        "the date of the last backup is in the future, so the clock of the node may be wrong",
        "check the clock on the node: timedatectl; then run: deploy backup {region} --node {node}",
    ),
    "node_unreachable": ("the node could not be queried: {reason}", "{fix}"),
    "file_unreadable": (
        "the node's record of its backups cannot be read: {reason}",
        _BACK_UP,
    ),
    "drill_passed": ("a restore was tested {age} ago", ""),
    "drill_never": (
        "no restore has been tested yet, so it is not known whether the backups can be restored",
        "run: deploy drill {region}",
    ),
    "drill_old": (
        "the last test restore was {age} ago; the limit in this region is {limit_days} days",
        "run: deploy drill {region}",
    ),
    "drill_failed": (
        _failed_drill_text,
        "run: deploy drill {region}",
    ),
}
# Why a node did not do what a command asked it for, and what to do.
PROBLEMS: dict[str, tuple[Template, Template]] = {
    "program_missing": (
        "the backup program is not installed on the node",
        "run: deploy region {region}",
    ),
    "unreadable": (
        "the node sent an unreadable response",
        "run: deploy region {region}; if it happens again, report it",
    ),
    "too_much": (
        "the node sent too much data for one response",
        "run: deploy region {region}; if it happens again, report it",
    ),
    "disconnected": (
        "the connection was lost; the backup continues on the node",
        "to follow it, run the same command again",
    ),
    "no_result": (
        "the backup program on the node stopped without a result: {said:or no message}",
        "on the node, run: journalctl -u chautari-backup",
    ),
    "unreachable": ("{reason}", "{fix}"),
}


def node_problem_texts(code: str, data: Data) -> tuple[str, str]:
    """Return why a node did not do what it was asked for, and what to do."""
    reason, fix = PROBLEMS.get(code, (None, ""))
    return fill_template(reason, code, data), fill_template(fix, code, data)


def backup_state_texts(code: str, data: Data) -> tuple[str, str]:
    """Return how backups stand, and what to do."""
    cause, step = STATES.get(code, (None, ""))
    return fill_template(cause, code, data), fill_template(step, code, data)


def age_text(seconds: float) -> str:
    """Return an age in the unit that people would choose."""
    if (days := int(seconds // 86_400)) >= 2:
        return count_with_noun(days, "day")
    if (hours := int(seconds // 3600)) > 0:
        return count_with_noun(hours, "hour")
    if (minutes := int(seconds // 60)) > 0:
        return count_with_noun(minutes, "minute")
    return _("less than a minute")


def size_text(number: float) -> str:
    """Return a number of bytes with three digits or more, as disks are sold."""
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return _("{number:.1f} TB", number=number)


def backup_error_texts(code: str, data: Data) -> tuple[str, str]:
    """Return why a backup or the test of a restore failed, and what to do, as the node reports it.

    The data comes from a node that may be faulty or hostile.
    """
    if code.startswith(restore_texts.PREFIX):
        found = restore_texts.error_text(code.removeprefix(restore_texts.PREFIX), data)
        what, fix = (to_one_line(text).rstrip(".।")[:MAX_REASON] for text in found)
        return what, fix
    parts = [(fill_template(None, code, data), "")]
    if code in error_texts.TEXTS:  # else it is of another program, or of a newer version
        with suppress(AttributeError, LookupError, TypeError, ValueError):
            parts = error_texts.error_parts(code, data) or parts
    shown = [
        tuple(to_one_line(text).rstrip(".।") for text in part) for part in parts[:MAX_PROBLEMS]
    ]
    what, fix = (
        "; ".join(dict.fromkeys(filter(None, texts))) for texts in zip(*shown, strict=True)
    )
    return what[:MAX_REASON], fix[:MAX_REASON]


def backup_error_line(code: str, data: Data) -> str:
    """Return why a backup failed, and what to do, in one line."""
    what, fix = backup_error_texts(code, data)
    return _("{what}. Fix: {fix}", what=what, fix=fix) if fix else what

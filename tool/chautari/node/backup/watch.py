"""Mail root when a backup is missing, and once more when it is back.

It looks at what is remembered, so it also notices that no backup ran at all.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from email.message import EmailMessage
from pathlib import Path
from typing import Any, NamedTuple

from chautari.node.backup import error_texts, state_file
from chautari.node.backup.settings import Settings
from chautari.node.root_mail import mail_to_root, send_mail
from chautari.node.translation import _, load_translations

LATE_SECONDS = 26 * 3600
REPEAT_SECONDS = 24 * 3600
# After a start of the machine, the backup that was missed runs first.
STARTING_SECONDS = 3 * 3600
# These need a person although an archive was made.
SERIOUS = ("files_left_out", "archive_from_future", "archive_date_differs", "resume_failed")


class Problem(NamedTuple):
    """What is wrong with a target, as a line of a mail."""

    target: str
    kind: str
    text: str


def find_problems(
    settings: Settings, state: Mapping[str, Any], since: float, now: float
) -> list[Problem]:
    """Return what is wrong with the backups of this node.

    Args:
        settings: of the node.
        state: what is remembered.
        since: when this watch began; a new target has until then no backup.
        now: the time.
    """
    found = []
    for target in settings.targets:
        known = state_file.target_state(state, target.name)
        last, error = known["last_success"], known["error"] or {}
        code, data = str(error.get("code", "")), error.get("data") or {}
        reason = error_texts.error_text(code, data) if code else _("No backup was started.")
        if now - (last or since) > LATE_SECONDS:
            text = (
                _(
                    "no backup succeeded since {time}. {reason}",
                    time=_utc_time_text(last),
                    reason=reason,
                )
                if last
                else _("no backup succeeded yet. {reason}", reason=reason)
            )
            found.append(Problem(target.name, "late", text))
        elif code in SERIOUS:
            found.append(Problem(target.name, code, reason))
        if known["check_ok"] is False:
            text = error_texts.error_text("check_failed", known.get("check_error") or {})
            found.append(Problem(target.name, "damaged", text))
    return found


def mail_new_problems(settings: Settings, home: Path = state_file.HOME, now: float = 0.0) -> int:
    """Mail what is new, and return 1 if a backup is missing."""
    load_translations()
    now = now or time.time()
    memory_file = home / "watch.json"
    memory = _read_watch_state(memory_file) or {"since": now, "mailed": 0, "problems": []}
    if uptime() < STARTING_SECONDS and not memory["problems"]:
        problems: list[Problem] = []
    else:
        state = state_file.read_state(home / "state.json")
        problems = find_problems(settings, state, memory["since"], now)
    kinds = sorted(f"{item.target} {item.kind}" for item in problems)
    is_new = bool(set(kinds) - set(memory["problems"]))
    is_due = bool(kinds) and (is_new or now - memory["mailed"] > REPEAT_SECONDS)
    if is_due or (memory["problems"] and not kinds):
        send_mail(compose_mail(settings, problems))
        memory["mailed"] = now
    state_file.write_atomically(memory_file, memory | {"problems": kinds}, 0o600)
    for problem in problems:
        print(f"{problem.target}: {problem.text}", flush=True)
    return 1 if problems else 0


def compose_mail(settings: Settings, problems: Sequence[Problem]) -> EmailMessage:
    """Return the mail to root."""
    name = f"{settings.node} ({settings.region})"
    if not problems:
        return mail_to_root(
            _("{name}: backups work again", name=name),
            _("All backups of {name} succeed again.", name=name) + "\n",
        )
    lines = [f"{item.target}: {item.text}" for item in problems]
    return mail_to_root(
        _("{name}: backups need attention", name=name),
        "\n\n".join(lines)
        + "\n\n"
        + _(
            "To see the state of all backups, run `deploy status {region}`. To back up now, run "
            "`deploy backup {region}`.",
            region=settings.region,
        )
        + "\n",
    )


def uptime() -> float:
    """Return for how many seconds the machine has been running."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _read_watch_state(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text())
        return {"since": float(found["since"]), "mailed": float(found["mailed"]),
                "problems": list(map(str, found["problems"]))}  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _utc_time_text(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))

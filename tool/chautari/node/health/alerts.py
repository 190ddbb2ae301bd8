"""Decide which problems to mail, and when: one mail for one change, and never a flood.

- A problem counts once it was seen in two of the last three looks, so that one bad look is no
  alarm.
- It is solved once three looks in a row did not see it, and the last sight is 15 minutes old.
- A problem is mailed when it is new or became worse. The mail also lists what was solved since the
  last one. When all is solved, one short mail says so.
- A problem that comes back within a day is mailed once more. From then on, it is solved only after
  a whole day without it.
- Half an hour lies between two mails, and there are at most ten in 24 hours; the next mail lists
  what had to wait.
- After a start of the machine and during a deploy, some kinds of problems are not looked at.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from chautari.node.health.limits import DAY, HOUR
from chautari.node.health.problems import Problem

LOOKS = 3
NEEDED = 2  # of the looks
SOLVED_SECONDS = HOUR // 4
RETURNED_SECONDS = DAY
MAX_MAILS = 10  # in 24 hours
PAUSE_SECONDS = HOUR // 2
# While other problems remain, what was solved waits for the next mail, but not longer.
SOLVED_WAIT_SECONDS = DAY
MAX_ITEMS = 200
FORMAT = 1


@dataclass
class RememberedProblem:
    """What is remembered of one problem.

    Attributes:
        code: of the problem when it was last seen, with `data`.
        levels: in the last looks, the newest last; 0 where the problem was not seen.
        last_seen: when it was last seen.
        reported: the level in the last mail; 0 if it is not reported, or solved.
        mailed: when it was last mailed as new or worse.
        returned: whether it came back within a day after that.
        solved: when it was solved and that is not mailed yet; 0 otherwise.
    """

    code: str
    data: dict[str, Any]
    levels: list[int] = field(default_factory=list)
    last_seen: int = 0
    reported: int = 0
    mailed: int = 0
    returned: bool = False
    solved: int = 0

    @property
    def confirmed_level(self) -> int:
        """Return the level that enough of the last looks reached."""
        ranked = sorted(self.levels, reverse=True)
        return ranked[NEEDED - 1] if len(ranked) >= NEEDED else 0

    def would_be_second_mail_within_day(self, now: int) -> bool:
        """Return whether a mail about it now is the second one within a day."""
        return not self.reported and bool(self.mailed) and now - self.mailed < RETURNED_SECONDS


@dataclass
class AlertHistory:
    """What is remembered between two looks; `mails` are the times of the last 24 hours."""

    booted: int = 0
    mails: list[int] = field(default_factory=list)
    items: dict[str, RememberedProblem] = field(default_factory=dict)


@dataclass(frozen=True)
class DueMail:
    """What one mail says, by the keys of the problems."""

    worse: Sequence[str]
    solved: Sequence[str]
    remaining: Sequence[str]


def record_look(
    history: AlertHistory,
    problems: Sequence[Problem],
    unsettled: Collection[str],
    now: int,
    booted: int,
) -> None:
    """Remember one look at the node.

    Args:
        history: is changed.
        problems: what was seen.
        unsettled: kinds of problems about which this look says nothing.
        now: the time.
        booted: when the machine was started.
    """
    _forget_old_times(history, now)
    if abs(booted - history.booted) > 120:  # seconds; the clock may have been adjusted
        history.booted = booted
        for item in history.items.values():
            item.levels = [item.reported] * LOOKS if item.reported else []
    seen = {item.key: item for item in problems if item.kind not in unsettled}
    for key, problem in seen.items():
        if key not in history.items and len(history.items) < MAX_ITEMS:
            history.items[key] = RememberedProblem(problem.code, {})
    for key, item in list(history.items.items()):
        if key.partition(" ")[0] in unsettled:
            continue
        _record_look_at_problem(item, seen.get(key), now)
        is_waiting = item.reported or item.solved or now - item.mailed < RETURNED_SECONDS
        if not any(item.levels) and not is_waiting:
            del history.items[key]


def _record_look_at_problem(item: RememberedProblem, problem: Problem | None, now: int) -> None:
    item.levels = [*item.levels, problem.level if problem else 0][-LOOKS:]
    if problem is not None:
        item.code, item.data, item.last_seen = problem.code, dict(problem.data), now
    elif item.reported and not any(item.levels):
        patience = RETURNED_SECONDS if item.returned else SOLVED_SECONDS
        if now - item.last_seen >= patience:
            item.reported, item.returned, item.solved = 0, False, now


def _forget_old_times(history: AlertHistory, now: int) -> None:
    """Forget mails of more than 24 hours ago; times in the future are of a wrong clock."""
    history.mails = [time for time in history.mails if now - DAY < time <= now]
    for item in history.items.values():
        item.last_seen, item.solved = min(item.last_seen, now), min(item.solved, now)
        item.mailed = min(item.mailed, now)


def next_due_mail(history: AlertHistory, now: int) -> DueMail | None:
    """Return the mail to send now, if there is one."""
    items = history.items
    worse = [key for key, item in items.items() if item.confirmed_level > item.reported]
    solved = [key for key, item in items.items() if item.solved and key not in worse]
    remaining = [key for key, item in items.items() if item.reported and key not in worse]
    oldest = min((items[key].solved for key in solved), default=now)
    waited = bool(solved) and (not remaining or now - oldest >= SOLVED_WAIT_SECONDS)
    last = max(history.mails, default=0)
    if not (worse or waited) or now - last < PAUSE_SECONDS or len(history.mails) >= MAX_MAILS:
        return None
    return DueMail(worse, solved, remaining)


def record_mail(history: AlertHistory, mail: DueMail, now: int) -> None:
    """Remember that a mail was sent."""
    history.mails.append(now)
    for key in mail.worse:
        item = history.items[key]
        item.returned = item.returned or item.would_be_second_mail_within_day(now)
        item.reported, item.mailed = item.confirmed_level, now
    for key in (*mail.worse, *mail.solved):
        history.items[key].solved = 0


def parse_alert_history(found: Mapping[str, Any]) -> AlertHistory:
    """Return the history from its JSON form; a damaged one counts as empty."""
    try:
        if found["format"] != FORMAT:
            return AlertHistory()
        items = {
            str(key): RememberedProblem(
                str(item["code"]), dict(item["data"]), [int(level) for level in item["levels"]],
                int(item["last_seen"]), int(item["reported"]), int(item["mailed"]),
                item["returned"] is True, int(item["solved"]),
            )
            for key, item in found["items"].items()
        }  # fmt: skip
        return AlertHistory(int(found["booted"]), [int(time) for time in found["mails"]], items)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
        return AlertHistory()


def alert_history_object(history: AlertHistory) -> dict[str, Any]:
    """Return the JSON form of the history."""
    return {"format": FORMAT, **asdict(history)}

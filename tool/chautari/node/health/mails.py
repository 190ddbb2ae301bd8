"""Make the mail about what got worse on a node, and what was solved."""

from __future__ import annotations

from collections.abc import Sequence
from email.message import EmailMessage

from chautari.node.health.alerts import AlertHistory, DueMail, RememberedProblem
from chautari.node.health.texts import count_text, problem_texts
from chautari.node.root_mail import mail_to_root

MAX_SHOWN = 20
MAX_SUBJECT = 120  # characters


def compose_mail(
    history: AlertHistory, mail: DueMail, region: str, node: str, now: int
) -> EmailMessage:
    """Return the mail to root."""
    name = f"{node} ({region})"
    parts = [
        _section_of_mail("New, or worse than before:", history, mail.worse, region, now),
        _section_of_mail("Solved since the last mail:", history, mail.solved, region),
        _section_of_mail("Reported before, and not solved yet:", history, mail.remaining, region),
        "" if mail.worse or mail.remaining else f"No problem of {name} is known now.\n",
        f"To see the whole region, run: deploy status {region}\n",
    ]
    return mail_to_root(
        f"{name}: {_subject_of_mail(history, mail, region)}", "\n".join(filter(None, parts))
    )


def _subject_of_mail(history: AlertHistory, mail: DueMail, region: str) -> str:
    if not mail.worse:
        return "solved" if not mail.remaining else "some problems are solved"
    what, _ = _texts_of_problem(history.items[mail.worse[0]], region)
    more = len(mail.worse) - 1
    return f"{what[:MAX_SUBJECT]}{f' (and {more} more)' if more else ''}"


def _section_of_mail(
    title: str, history: AlertHistory, keys: Sequence[str], region: str, now: int | None = None
) -> str:
    """Return a part of the mail; that of new problems, at the time `now`, has their steps."""
    if not keys:
        return ""
    lines = [title]
    for key in keys[:MAX_SHOWN]:
        item = history.items[key]
        what, step = _texts_of_problem(item, region)
        lines.append(f"- {what}")
        if now is not None:
            lines.append(f"  Next: {step}")
        if now is not None and item.comes_back(now):
            lines.append("  This problem came back. From now on, it counts as solved only after a")
            lines.append("  day without it.")
    if len(keys) > MAX_SHOWN:
        lines.append(f"- and {count_text(len(keys) - MAX_SHOWN, 'more problem')}")
    return "\n".join(lines) + "\n"


def _texts_of_problem(item: RememberedProblem, region: str) -> tuple[str, str]:
    return problem_texts(item.code, item.data, region)

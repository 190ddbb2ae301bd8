"""Make the mail about what got worse on a node, and what was solved."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from email.message import EmailMessage

from chautari.node.health.alerts import AlertHistory, DueMail, RememberedProblem
from chautari.node.health.texts import problem_texts
from chautari.node.root_mail import mail_to_root
from chautari.node.translation import _, ngettext

MAX_SHOWN = 20
MAX_SUBJECT = 120  # characters
MAX_LINE = 80


def compose_mail(
    history: AlertHistory, mail: DueMail, region: str, node: str, now: int
) -> EmailMessage:
    """Return the mail to root."""
    name = f"{node} ({region})"
    parts = [
        _section_of_mail(_("New, or worse than before:"), history, mail.worse, region, now),
        _section_of_mail(_("Solved since the last mail:"), history, mail.solved, region),
        _section_of_mail(
            _("Reported before, and not solved yet:"), history, mail.remaining, region
        ),
        ""
        if mail.worse or mail.remaining
        else _("No problem of {name} is known now.", name=name) + "\n",
        _("To see the whole region, run: {command}", command=f"deploy status {region}") + "\n",
    ]
    return mail_to_root(
        f"{name}: {_subject_of_mail(history, mail, region)}", "\n".join(filter(None, parts))
    )


def _subject_of_mail(history: AlertHistory, mail: DueMail, region: str) -> str:
    if not mail.worse:
        return _("solved") if not mail.remaining else _("some problems are solved")
    what = _texts_of_problem(history.items[mail.worse[0]], region)[0][:MAX_SUBJECT]
    more = len(mail.worse) - 1
    return _("{what} (and {more} more)", what=what, more=more) if more else what


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
            lines.append("  " + _("Next: {step}", step=step))
        if now is not None and item.would_be_second_mail_within_day(now):
            text = _(
                "This problem came back. From now on, it counts as solved only after a day "
                "without it."
            )
            lines += textwrap.wrap(text, MAX_LINE, initial_indent="  ", subsequent_indent="  ")
    if len(keys) > MAX_SHOWN:
        more = len(keys) - MAX_SHOWN
        lines.append(ngettext("- and {count} more problem", "- and {count} more problems", more))
    return "\n".join(lines) + "\n"


def _texts_of_problem(item: RememberedProblem, region: str) -> tuple[str, str]:
    return problem_texts(item.code, item.data, region)

"""Make text from nodes safe to show, and format amounts.

Journal lines, task messages and titles come from machines that may be faulty or hostile, so every
report passes them through `escape_unsafe_characters` first. The result is legal in XML 1.0, HTML
and a terminal; each report then escapes the markup of its own format.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import datetime

from chautari.language import Text, _, ngettext
from chautari.node.safe_text import escape_controls

_MINUTE = 60  # seconds
_HOUR = 60  # minutes
_MONTHS: tuple[Text, ...] = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip
_LINE_ENDS = re.compile(r"\r\n?|[\u0085\u2028\u2029]")


def escape_unsafe_characters(value: object) -> str:
    """Return `value` as text in which control characters and direction overrides are escaped."""
    return escape_controls(_LINE_ENDS.sub("\n", str(value)))


def to_one_line(value: object) -> str:
    """Return `value` cleaned, with every run of white space as one blank."""
    return " ".join(escape_unsafe_characters(value).split())


def first_sentence(text: str) -> str:
    """Return the first sentence, without its full stop."""
    return text.partition(". ")[0].rstrip(".")


def count_with_noun(number: int, noun: str) -> str:
    """Return a count with its noun, in the plural where it must be: `1 node`, `3 checks`."""
    return ngettext(*noun_forms(noun), number)


def noun_forms(noun: str) -> tuple[str, str]:
    """Return the texts that translators have for a noun with a count."""
    return f"{{count}} {noun}", f"{{count}} {noun}s"


def duration_text(seconds: float) -> str:
    """Return a length of time as people say it: `4.1 s`, `6 min 12 s`, `1 h 5 min`."""
    if not math.isfinite(seconds):
        return "?"
    if round(seconds, 1) < _MINUTE:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), _MINUTE)
    if minutes < _HOUR:
        return _("{minutes} min {rest} s", minutes=minutes, rest=rest)
    hours, minutes = divmod(minutes, _HOUR)
    return _("{hours} h {minutes} min", hours=hours, minutes=minutes)


def readable_time(stamp: str) -> str:
    """Return an ISO time as a readable date; what is not an ISO time comes back cleaned."""
    try:
        time = datetime.fromisoformat(stamp)
    except ValueError:
        return to_one_line(stamp)
    text = _(
        "{day} {month} {year}, {time:%H:%M}",
        day=time.day,
        month=_(_MONTHS[time.month - 1]),
        year=time.year,
        time=time,
    )
    return f"{text} {time.tzname() or ''}".rstrip()


def translations_text(languages: Mapping[str, str]) -> str:
    """Return a region's languages as an app has them, in one line: `es, pt (pt_BR), not hi`."""
    texts = []
    for language, name in languages.items():
        if not name:
            texts.append(_("not {language}", language=language))
        else:
            texts.append(language if name == language else f"{language} ({name})")
    return ", ".join(texts)

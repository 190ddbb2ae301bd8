"""When a descriptor is valid: its times, and the clock of the machine that reads it.

Needs only Python's standard library: nodes use it too.
"""

from __future__ import annotations

import datetime
import re

from chautari.federation.untrusted_json import AnswerRefused
from chautari.language import _

MAX_CLOCK_SKEW = 300  # seconds
MAX_LIFETIME = 100 * 24 * 3600  # seconds; a region's own are issued for 30 days
TIME = r"20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z"


def parse_seconds_since_1970(time: str) -> int:
    """Return a time as descriptors write it as seconds since 1970.

    Raises:
        ValueError: when it has another form, or there is no such time, such as on 30 February.
    """
    if not re.fullmatch(TIME, time):
        raise ValueError(_("this text does not have the required format"))
    return int(datetime.datetime.fromisoformat(time).timestamp())


def utc_text(seconds: float) -> str:
    """Return seconds since 1970 as descriptors write times."""
    moment = datetime.datetime.fromtimestamp(int(seconds), datetime.UTC)
    return moment.isoformat().replace("+00:00", "Z")


def check_times(serial: int, issued: str, expires: str, now: float) -> None:
    """Refuse a descriptor that does not count now.

    Raises:
        AnswerRefused: with what is wrong.
    """
    begin, end = map(parse_seconds_since_1970, (issued, expires))
    if max(begin, serial) > now + MAX_CLOCK_SKEW:
        raise AnswerRefused("issued_in_future", issued=issued, now=utc_text(now))
    if not begin < end <= begin + MAX_LIFETIME:
        raise AnswerRefused("lifetime_invalid", issued=issued, expires=expires)
    if end <= now:
        raise AnswerRefused("expired", expires=expires)

"""The options that select a backup; `restore` and `drill` share them."""

from __future__ import annotations

import calendar
import re
import time
from typing import Any

import click

from chautari.language import _

TIME_FORMATS = ("%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d")
ARCHIVE_NAME = re.compile(r"[a-z][a-z0-9-]*-(\d{4}-\d\d-\d\d)T(\d\d)[:-](\d\d)[:-](\d\d)Z")
END_OF_DAY = 86_399


class Moment(click.ParamType[int]):
    """A time in UTC, or the name of an archive, as seconds since 1970.

    A day stands for its end.
    """

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the seconds."""
        if isinstance(value, int):
            return value
        if found_name := ARCHIVE_NAME.fullmatch(value):
            value = "{} {}:{}:{}".format(*found_name.groups())
        for form in TIME_FORMATS:
            try:
                found = calendar.timegm(time.strptime(value, form))
            except ValueError:
                continue
            return found + (END_OF_DAY if form == TIME_FORMATS[-1] else 0)
        return self.fail(
            _(
                '{value!r} is not a time; write it in UTC, such as 2026-11-29 or "2026-11-29 '
                '18:00"',
                value=value,
            ),
            param,
            ctx,
        )


at_option = click.option(
    "--at", type=Moment(), default=0, metavar="TIME",
    help="Use the newest backup that is not later than this time in UTC, such as 2026-11-29, or "
    "the backup with this name. Default: the newest backup.",
)  # fmt: skip
from_option = click.option(
    "--from", "target", default="", metavar="TARGET",
    help="Use the backup at this target, as named in region.yml. Default: the first target in "
    "`backup.to`.",
)  # fmt: skip

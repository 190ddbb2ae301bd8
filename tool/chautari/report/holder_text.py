"""The text that says who uses a node, and since when."""

from __future__ import annotations

import time

from chautari.language import _
from chautari.node import reason_texts
from chautari.report.message_templates import Data


def holder_text(data: Data, does: str = "") -> str:
    """Return who deploys to a node, since when, from where and with which run."""
    details = [
        _since_text(data.get("since")),
        _("from {origin}", origin=data["origin"]) if data.get("origin") else "",
        _("run {run}", run=data["run"]) if data.get("run") else "",
    ]
    shown = ", ".join(filter(None, details))
    who = data.get("operator") or _("another operator")
    if data.get("restore"):
        does = _("is restoring a backup to this node")
    does = does or _("is deploying to this node")
    return f"{who} {does}" + (f" ({shown})" if shown else "")


def _since_text(began: object) -> str:
    if isinstance(began, int | float) and 0 <= began < reason_texts.YEAR_10000:
        return _("since {time}", time=time.strftime("%H:%M", time.localtime(began)))
    return ""

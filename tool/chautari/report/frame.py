"""The page of a report with blanks where the same report of another moment reads otherwise.

Two looks at a region on which nothing happened differ in when they began and how long they took. A
page whose other parts are known need not be made anew: to load the templates' engine takes longer
than all else that such a report needs.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

from chautari.report.jsonreport import report_object
from chautari.report.model import RegionReport
from chautari.report.text import duration, moment

_STARTED = "\ue000"  # no text of ours holds it, and no report takes it for a time
_SECONDS = 3.2e13  # a million years
_PLACES = {_STARTED: 1, duration(_SECONDS): 2}


def frame(report: RegionReport) -> str | None:
    """Return the page with its blanks; None where they cannot be told from the rest."""
    from chautari.report.html import render_html  # loads the engine

    page = render_html(replace(report, started=_STARTED, seconds=_SECONDS))
    whole = all(page.count(blank) == number for blank, number in _PLACES.items())
    return page if whole else None


def fill(page: str, report: RegionReport) -> str:
    """Return the page of `report`; its frame is that of a report with the same `key`."""
    began = moment(report.started)
    for sign, written in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        began = began.replace(sign, written)
    return page.replace(duration(_SECONDS), duration(report.seconds)).replace(_STARTED, began)


def key(report: RegionReport) -> str:
    """Return a digest of all that a frame shows."""
    shown = report_object(replace(report, started="", seconds=0.0))
    return hashlib.sha256(json.dumps(shown, sort_keys=True).encode()).hexdigest()

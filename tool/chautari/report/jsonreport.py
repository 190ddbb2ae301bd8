"""The report as one JSON object, for programs."""

from __future__ import annotations

import json
from typing import TextIO

from chautari.report.model import RegionReport


def render_json(report: RegionReport) -> str:
    """Return the report as one JSON object, in ASCII so that no terminal or pipe can stumble."""
    return json.dumps(report.as_dict(), indent=2, ensure_ascii=True) + "\n"


def print_json(report: RegionReport, stream: TextIO) -> None:
    """Write the JSON object to `stream`, which is standard output for `--json`."""
    stream.write(render_json(report))
    stream.flush()

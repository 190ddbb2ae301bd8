"""Write the reports of a run into its directory, each whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from chautari.report.frame import fill
from chautari.report.jsonreport import render_json
from chautari.report.junit import render_junit
from chautari.report.model import RegionReport


def write_reports(
    report: RegionReport, directory: Path, frame: str | None = None, durable: bool = True
) -> dict[str, Path]:
    """Write `report.json`, `junit.xml` and `report.html`; return their paths by file name.

    Args:
        report: what they tell.
        directory: where they are put.
        frame: the page with its blanks, where it is known.
        durable: wait until they are on the disk; what can be told again at any time need not be.
    """
    directory.mkdir(parents=True, exist_ok=True)
    contents = {
        "report.json": render_json(report),
        "junit.xml": render_junit(report),
        "report.html": fill(frame, report) if frame else _page(report),
    }
    return {name: _write(directory / name, text, durable) for name, text in contents.items()}


def _page(report: RegionReport) -> str:
    from chautari.report.html import render_html  # loads the templates' engine

    return render_html(report)


def _write(path: Path, text: str, durable: bool) -> Path:
    aside = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    try:
        with aside.open("x", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
            if durable:
                stream.flush()
                os.fsync(stream.fileno())
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
    return path

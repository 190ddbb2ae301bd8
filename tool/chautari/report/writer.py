"""Write the reports of a run into its directory, each whole or not at all."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from chautari.report.html import render_html
from chautari.report.jsonreport import render_json
from chautari.report.junit import render_junit
from chautari.report.model import RegionReport

_RENDERERS = {
    "report.json": render_json,
    "junit.xml": render_junit,
    "report.html": render_html,
}


def write_reports(report: RegionReport, directory: Path) -> dict[str, Path]:
    """Write `report.json`, `junit.xml` and `report.html`; return their paths by file name."""
    directory.mkdir(parents=True, exist_ok=True)
    contents = {name: render(report) for name, render in _RENDERERS.items()}
    return {name: _write(directory / name, text) for name, text in contents.items()}


def _write(path: Path, text: str) -> Path:
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with aside.open("x", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
    return path

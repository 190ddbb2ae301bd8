"""Write the reports of a run into its directory, each whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from chautari.report import jsonreport
from chautari.report.html import render_html
from chautari.report.junit import render_junit
from chautari.report.model import RegionReport


def write_reports(report: RegionReport, directory: Path) -> dict[str, Path]:
    """Write `report.json`, `junit.xml` and `report.html`; return their paths by file name."""
    directory.mkdir(parents=True, exist_ok=True)
    # Journals and addresses are for this account alone.
    directory.chmod(0o700)
    contents = {
        jsonreport.FILE: jsonreport.render_json(report),
        "junit.xml": render_junit(report),
        "report.html": render_html(report),
    }
    return {name: _write(directory / name, text) for name, text in contents.items()}


def _write(path: Path, text: str) -> Path:
    temporary = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    try:
        with temporary.open("x", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path

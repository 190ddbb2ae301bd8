"""Write the reports of a run into its directory, each whole or not at all."""

from __future__ import annotations

from pathlib import Path

from chautari.files import write_atomically
from chautari.language import english
from chautari.report import bill_of_materials, jsonreport
from chautari.report.html import render_html
from chautari.report.junit import render_junit
from chautari.report.model import RegionReport


def write_reports(report: RegionReport, directory: Path) -> dict[str, Path]:
    """Write `report.json`, `junit.xml` and `report.html`; return their paths by file name.

    After a deploy there is also a bill of materials.
    """
    directory.mkdir(parents=True, exist_ok=True)
    # Journals and addresses are for this account alone.
    directory.chmod(0o700)
    with english():  # programs read these
        contents = {
            jsonreport.FILE: jsonreport.render_json(report),
            "junit.xml": render_junit(report),
        }
    contents["report.html"] = render_html(report)
    if bill := bill_of_materials.render_bill(report):
        contents[bill_of_materials.FILE] = bill
    for name, text in contents.items():
        write_atomically(directory / name, text)
    return {name: directory / name for name in contents}

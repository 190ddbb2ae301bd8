"""Write the reports of a command, and print its result.

Tables and pages need libraries that load slowly, so the commands import this module only for a new
report.
"""

from __future__ import annotations

from pathlib import Path

from chautari.cli.json_output import print_json
from chautari.cli.output import echo
from chautari.deploy.request import Request
from chautari.language import _
from chautari.paths import reports_dir
from chautari.report import jsonreport, run_folders, terminal, writer
from chautari.report.model import RegionReport


def write_copy(report: RegionReport, folder: Path) -> None:
    """Write the reports to a folder that the command names."""
    writer.write_reports(report, folder)


def write_and_print_report(
    report: RegionReport, request: Request, verb: str, as_json: bool
) -> None:
    """Write the reports to a new folder of the region, and print the result."""
    folder = reports_dir(request.loaded_region.region.region)
    part = verb.rpartition("--")[2]  # of an option that makes a report of its own
    run = run_folders.create_run_folder(folder, part.replace(" ", "-"))
    written = writer.write_reports(report, run)
    if verb in ("region", "verify") and not request.nodes:
        run_folders.mark_as_latest_run(run)
    run_folders.prune_runs(folder)
    if as_json:
        print_json(jsonreport.report_object(report))
    else:
        terminal.print_report(report)
        echo(_("\nReport: {report}", report=written["report.html"]))

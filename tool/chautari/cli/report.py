"""`deploy report NAME`: prints or opens the report of a run."""

from __future__ import annotations

import webbrowser
from pathlib import Path

import click

from chautari.cli.json_output import print_json
from chautari.cli.options import json_option, region_argument
from chautari.cli.output import echo
from chautari.errors import BadInput
from chautari.language import _
from chautari.paths import regions_root, reports_dir
from chautari.region.load import load_region
from chautari.region.locate import find_region_file
from chautari.report import jsonreport, run_folders, summary, terminal
from chautari.report.model import RegionReport
from chautari.report.text_format import to_one_line


@click.command("report")
@region_argument
@click.option(
    "--run", "run_id", metavar="RUN", default="", help="Show this run instead of the newest one."
)
@click.option("--open", "open_page", is_flag=True, help="Open the page in the browser.")
@click.option("--list", "list_all", is_flag=True, help="List the runs that have a report.")
@json_option
def command(name: str, run_id: str, open_page: bool, list_all: bool, as_json: bool) -> int:
    """Print the full report of the last deploy or check of the whole region.

    \b
    deploy report andes
    deploy report andes --list
    deploy report andes --run 20261130T114700Z-plan
    """
    region = load_region(find_region_file(name, regions_root()), with_pins=False).region.region
    folder = reports_dir(region)
    if list_all:
        return _print_list_of_reports(region, folder, as_json)
    run = _requested_or_last_whole_region_run(region, folder, run_id)
    if open_page:
        return _open_in_browser(folder / run / "report.html", as_json)
    report = jsonreport.read_report(folder / run / jsonreport.FILE)
    if as_json:
        print_json(jsonreport.report_object(report))
        return 0
    terminal.print_report(report, complete=True)
    echo(_("\nReport: {folder}", folder=folder / run / "report.html"))
    return 0


def _requested_or_last_whole_region_run(region: str, folder: Path, run: str) -> str:
    """Return the run to show: the one that was asked for, or the last one of the whole region.

    Raises:
        BadInput: when there is no such report.
    """
    known = run_folders.list_runs(folder)
    if not run:
        run = run_folders.latest_run(folder) or next(iter(known), "")
        if run:
            return run
        raise BadInput(
            _("there is no report of {region} on this machine", region=region),
            fix=f"deploy verify {region}",
        )
    if run not in known:
        raise BadInput(
            _("there is no report of run {run!r}", run=run),
            fix=_("list the runs: deploy report {region} --list", region=region),
        )
    return run


def _print_list_of_reports(region: str, folder: Path, as_json: bool) -> int:
    latest = run_folders.latest_run(folder)
    found = []
    for run in run_folders.list_runs(folder):
        report = _read_report_or_none(folder / run / jsonreport.FILE)
        if report is not None:
            found.append((run, report))
    if as_json:
        runs = [
            {"run": run, "command": report.command, "ok": report.ok, "latest": run == latest}
            for run, report in found
        ]
        print_json({"region": region, "runs": runs})
        return 0
    for run, report in found:
        mark = " (latest)" if run == latest else ""
        echo(f"{run}{mark}\n  {to_one_line(summary.verdict_sentence(report))}")
    if not found:
        echo(_("There is no report of {region} on this machine.", region=region), err=True)
    return 0


def _read_report_or_none(file: Path) -> RegionReport | None:
    try:
        return jsonreport.read_report(file)
    except BadInput:
        return None


def _open_in_browser(page: Path, as_json: bool) -> int:
    """Open a page in the browser; without one, print where it is."""
    try:
        opened = webbrowser.open(page.resolve().as_uri())
    except (OSError, webbrowser.Error):
        opened = False
    if as_json:
        print_json({"page": str(page), "opened": opened})
        return 0
    if not opened:
        echo(_("There is no browser on this machine. Open this file on another machine:"), err=True)
    echo(str(page))
    return 0

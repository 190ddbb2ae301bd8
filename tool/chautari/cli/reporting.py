"""Shared by the commands that work on nodes: progress during the work, then the reports."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from chautari.cli.json_output import print_json
from chautari.cli.output import echo
from chautari.deploy.request import Listener, Request
from chautari.files import create_writable_folders
from chautari.language import _
from chautari.paths import regions_root, reports_dir
from chautari.region.load import LoadedRegion, load_region
from chautari.region.locate import find_region_file
from chautari.report import jsonreport, messages, run_folders, summary
from chautari.report.model import RegionReport
from chautari.report.progress import Event, Progress
from chautari.report.text_format import to_one_line

Work = Callable[[Request, Listener, Callable[[str], None]], RegionReport]
_PHASES = (
    "pinned", "preparing", "prepared", "reconnecting", "joined", "run_detached", "waiting",
)  # fmt: skip
_ENDINGS = ("refused", "unreachable", "disconnected", "failed", "busy", "node_up_to_date")


def run_and_report(
    work: Work,
    verb: str,
    name: str,
    as_json: bool,
    *,
    loaded_region: LoadedRegion | None = None,
    report_dir: Path | None = None,
    **options: Any,
) -> int:
    """Do the work on the region called `name`, show and write the reports; return the exit code.

    Args:
        loaded_region: the region, if it differs from its file.
        report_dir: a folder that gets the reports too.
        options: further attributes of the request.
    """
    if loaded_region is None:
        loaded_region = load_region(find_region_file(name, regions_root()))
    create_writable_folders([*_folders_to_write(loaded_region), *filter(None, [report_dir])])
    request = Request(loaded_region, f"deploy {verb} {loaded_region.region.region}", **options)
    with Progress() as progress:
        report = work(request, progress_listener(progress), progress.print_line)
    folder = reports_dir(loaded_region.region.region)
    latest = folder / run_folders.LATEST
    is_last_report_valid = (
        verb == "region"
        and report.had_nothing_to_do
        and jsonreport.is_last_written_report_good(latest)
    )
    if report_dir is not None or not is_last_report_valid:
        from chautari.cli import new_report  # tables and pages need libraries that load slowly

        if report_dir is not None:
            new_report.write_copy(report, report_dir)
        if not is_last_report_valid:
            new_report.write_and_print_report(report, request, verb, as_json)
    if is_last_report_valid:
        _print_nothing_to_do_and_last_report(report, latest, as_json)
    return 0 if report.ok else 1


def _print_nothing_to_do_and_last_report(report: RegionReport, folder: Path, as_json: bool) -> None:
    """Print the result of a deploy that had nothing to do; the last report still holds."""
    if as_json:
        print_json(jsonreport.report_object(report))
    else:
        echo(summary.verdict_sentence(report))
        echo(
            _(
                "Nothing ran, so the last report is still valid: {folder}",
                folder=folder / "report.html",
            )
        )


def _folders_to_write(loaded_region: LoadedRegion) -> list[Path]:
    """Return where files will appear; a checkout that has its own may be read-only."""
    complete = loaded_region.secrets_file.exists() and loaded_region.known_hosts_file.exists()
    return [reports_dir(loaded_region.region.region), *([] if complete else [loaded_region.folder])]


def progress_listener(progress: Progress) -> Listener:
    """Return a function that shows the events of nodes."""

    def show(node: str, event: Event) -> None:
        kind = event["event"]
        if kind in _PHASES:
            progress.show_node_phase(
                node, to_one_line(messages.activity_text(kind, event.get("holder", {})))
            )
        elif kind in _ENDINGS:
            progress.finish_node(
                node, to_one_line(messages.activity_text(kind, event.get("holder", {})))
            )
        else:
            progress.handle_event(node, event)

    return show

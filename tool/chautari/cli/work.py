"""What `region` and `verify` share: progress while it runs, then the reports."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click
from rich.console import Console

from chautari.cli.options import print_json
from chautari.paths import inventories_root, reports_dir
from chautari.region.load import find, load
from chautari.report.model import RegionReport
from chautari.report.progress import Progress
from chautari.report.terminal import print_report
from chautari.report.writer import write_reports
from chautari.run.request import Listener, Request

Work = Callable[[Request, Listener, Callable[[str], None]], RegionReport]
_PHASES = {
    "pinned": "first contact: host key pinned",
    "preparing": "preparing: Python and the runner's environment",
    "prepared": "ready",
    "reconnecting": "the link dropped; attaching again",
    "joined": "a run is there; showing it from its beginning",
    "waiting": "somebody else is at work; waiting",
    "handed_over": "at work by itself",
    "settled": "nothing to do: all is as the last deploy left it",
}
_ENDINGS = ("refused", "unreachable", "failed", "busy")


def carry_out(work: Work, verb: str, name: str, as_json: bool, **asked: Any) -> int:
    """Do the work on the region called `name`, show and write the reports; return the exit code.

    `asked` are further attributes of the request.
    """
    inventory = load(find(name, inventories_root()))
    command = f"deploy {verb} {inventory.region.region}"
    request = Request(inventory, command, **asked)
    console = Console(stderr=True)
    with Progress(console) as progress:
        report = work(request, _listener(progress), lambda text: _say(console, text))
    written = write_reports(report, reports_dir(report.region))
    if as_json:
        print_json(report.as_dict())
    else:
        print_report(report, Console())
        click.echo(f"\nReport: {written['report.html']}")
    return 0 if report.ok else 1


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False)


def _listener(progress: Progress) -> Listener:
    def tell(node: str, event: dict[str, Any]) -> None:
        kind = event["event"]
        if kind in _PHASES:
            progress.phase(node, _PHASES[kind])
        elif kind in _ENDINGS:
            progress.finish(node, kind)
        else:
            progress.handle(node, event)

    return tell

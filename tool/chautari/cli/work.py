"""What `region` and `verify` share: progress while it runs, then the reports."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chautari.cli.options import print_json
from chautari.paths import inventories_root, reports_dir
from chautari.region.locate import find

if TYPE_CHECKING:
    from chautari.deploy.again import Memory
    from chautari.deploy.request import Listener, Request
    from chautari.report.model import RegionReport
    from chautari.report.progress import Progress

    Work = Callable[[Request, Listener, Callable[[str], None]], RegionReport]
# After so many seconds this side has asked the nodes and waits for what they say.
ASKED_SECONDS = 0.05
_PHASES = {
    "pinned": "first contact: host key pinned",
    "preparing": "preparing: Python and the runner's environment",
    "prepared": "ready",
    "reconnecting": "the link dropped; attaching again",
    "joined": "a run is there; showing it from its beginning",
    "handed_over": "at work by itself",
    "settled": "nothing to do: all is as the last deploy left it",
}
_ENDINGS = ("refused", "unreachable", "lost", "failed", "busy")


def carry_out(work: Work, verb: str, name: str, as_json: bool, **asked: Any) -> int:
    """Do the work on the region called `name`, show and write the reports; return the exit code.

    `asked` are further attributes of the request.
    """
    from chautari.deploy.again import memory
    from chautari.parallel import PARALLEL

    file = find(name, inventories_root())
    known = memory(file, verb, asked)
    meanwhile = threading.Timer(ASKED_SECONDS, _get_ready_to_report)
    meanwhile.daemon = True
    meanwhile.start()
    report = known.look(_settled, asked.get("parallel", PARALLEL)) if known else None
    settled = report is not None
    if report is None:
        report = _thought_through(work, verb, file, known, asked)
    from chautari.report.writer import write_reports

    frame = known.frame(report) if known and settled else None
    written = write_reports(report, reports_dir(report.region), frame, durable=not settled)
    if as_json:
        from chautari.report.jsonreport import report_object

        print_json(report_object(report))
    else:
        from rich.console import Console

        from chautari.report.terminal import print_report

        print_report(report, Console(markup=False, emoji=False, highlight=False))
        click.echo(f"\nReport: {written['report.html']}")
    return 0 if report.ok else 1


def _thought_through(
    work: Work, verb: str, file: Path, known: Memory | None, asked: dict[str, Any]
) -> RegionReport:
    """Read and check the region, and do the work on it."""
    from chautari.deploy.request import Request
    from chautari.region.load import load

    inventory = load(file)
    command = f"deploy {verb} {inventory.region.region}"
    request = Request(inventory, command, memory=known, **asked)
    with _Screen() as screen:
        return work(request, _listener(screen), screen.say)


def _settled(node: str, event: dict[str, Any]) -> None:
    """Say what a pipe is told of a node; in a terminal the report that follows says it."""
    if not sys.stderr.isatty():
        click.echo(f"{node}  {_PHASES[event['event']]}", err=True)


def _get_ready_to_report() -> None:
    """Load what the end of every run needs, while the nodes are at work."""
    from chautari.report import terminal, writer

    assert terminal and writer


class _Screen(ExitStack):
    """Progress on standard error, made when there is a first word to say."""

    def __init__(self) -> None:
        """Load and show nothing yet."""
        super().__init__()
        self._lock = threading.Lock()
        self._progress: Progress | None = None

    @property
    def progress(self) -> Progress:
        """Return the progress, the same for all threads."""
        from chautari.report.progress import Progress

        with self._lock:
            if self._progress is None:
                self._progress = self.enter_context(Progress())
            return self._progress

    def say(self, text: str) -> None:
        """Print a line that is about no node."""
        self.progress.say(text)


def _at_work(holder: dict[str, Any]) -> str:
    """Return who is at work on a node, since when and from where, and how far they are."""
    from chautari.deploy.converge import busy_refusal
    from chautari.report.text import one_line

    role = f", at {holder['role']}" if holder.get("role") else ""
    return one_line(f"{busy_refusal(holder).reason}{role}")


def _listener(screen: _Screen) -> Listener:
    def tell(node: str, event: dict[str, Any]) -> None:
        kind = event["event"]
        if kind == "waiting":
            screen.progress.phase(node, f"{_at_work(event['holder'])}; waiting for its end")
        elif kind == "busy" and "holder" in event:
            screen.progress.finish(node, _at_work(event["holder"]))
        elif kind in _PHASES:
            screen.progress.phase(node, _PHASES[kind])
        elif kind in _ENDINGS:
            screen.progress.finish(node, kind)
        else:
            screen.progress.handle(node, event)

    return tell

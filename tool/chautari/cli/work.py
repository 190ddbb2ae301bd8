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
_PHASES = ("pinned", "preparing", "prepared", "reconnecting", "joined", "handed_over", "settled")
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
        from chautari.report import messages

        click.echo(f"{node}  {messages.progress(event['event'], {})}", err=True)


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


def _listener(screen: _Screen) -> Listener:
    from chautari.report import messages
    from chautari.report.text import one_line

    def tell(node: str, event: dict[str, Any]) -> None:
        kind = event["event"]
        if kind != "waiting" and kind not in _PHASES + _ENDINGS:
            screen.progress.handle(node, event)
            return
        show = screen.progress.finish if kind in _ENDINGS else screen.progress.phase
        show(node, one_line(messages.progress(kind, event.get("holder", {}))))

    return tell

"""`deploy logs NAME SERVICE`: what a service logged on its nodes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from chautari.cli.json_output import print_json
from chautari.cli.options import identity_option, json_option, node_option, region_argument
from chautari.cli.output import echo
from chautari.deploy import logs_and_commands
from chautari.deploy.request import Request
from chautari.language import _
from chautari.node.events import LogLine
from chautari.parallel import map_parallel
from chautari.paths import regions_root
from chautari.region.load import load_region
from chautari.region.locate import find_region_file
from chautari.report.text_format import to_one_line
from chautari.services.logs_and_commands import LogsAndCommands
from chautari.ssh.target import SSHTarget


class Duration(click.ParamType[int]):
    """A length of time, such as 90s, 15m, 1h or 2d, in seconds."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the time in seconds."""
        try:
            return value if isinstance(value, int) else logs_and_commands.parse_duration(value)
        except ValueError:
            self.fail(_("{value!r} is not a duration. Fix: write 90s, 15m, 1h or 2d.", value=value))


class _LogPrinter:
    """Prints lines of logs, with a heading where the node or the source changes."""

    def __init__(self, with_node: bool) -> None:
        self._with_node = with_node
        self._last = ("", "")

    def print_line(self, node: str, line: LogLine) -> None:
        """Print one line; what a node sends is cleaned, and stays on one line."""
        if (node, line["source"]) != self._last:
            blank = "\n" if self._last[0] else ""
            self._last = (node, line["source"])
            where = f"{node}: " if self._with_node else ""
            echo(f"{blank}==> {where}{to_one_line(line['source'])} <==")
        echo(line["text"].replace("\n", " "))


@click.command("logs")
@region_argument
@click.argument("service", metavar="SERVICE")
@node_option
@identity_option
@click.option(
    "--since", type=Duration(), default="1h", show_default=True, metavar="TIME",
    help="Print only lines that are not older than this, such as 90s, 15m, 1h or 2d.",
)  # fmt: skip
@click.option(
    "--lines", type=click.IntRange(1, logs_and_commands.MAX_LOG_LINES), default=200,
    show_default=True, help="Print at most this many lines of each log.",
)  # fmt: skip
@click.option("--follow", is_flag=True, help="Print new lines until you press Ctrl-C.")
@json_option
def command(
    name: str,
    service: str,
    nodes: tuple[str, ...],
    identities: tuple[Path, ...],
    since: int,
    lines: int,
    follow: bool,
    as_json: bool,
) -> int:
    """Print what a service logged on its nodes: the journal of its units, and its log files.

    \b
    deploy logs NAME SERVICE --since 15m
    deploy logs NAME SERVICE --node NODE --follow

    In place of a service, `audit` prints the audit log: who deployed, changed or restored what.

    Without --node, the command prints the logs of all nodes that run the service. The access logs
    of the web server are not included.
    """
    if follow and as_json:
        raise click.UsageError(_("--follow never ends, so it cannot print one JSON object."))
    loaded_region = load_region(find_region_file(name, regions_root()))
    request = Request(loaded_region, "deploy logs", nodes=nodes, identities=identities)
    region = loaded_region.region
    targets, logs, title = _targets_logs_and_title(request, service)

    def read(target: SSHTarget) -> Iterator[LogLine]:
        return logs_and_commands.read_logs(region.region, target, logs, since, lines, follow=follow)

    if as_json:
        read_all = map_parallel(lambda target: (target.name, list(read(target))), targets)
        shown = logs_and_commands.log_lines_as_objects(dict(read_all))
        print_json({"region": region.region, "service": service, "lines": shown})
        return 0
    printer = _LogPrinter(with_node=len(targets) > 1)
    count = map_parallel(
        lambda target: _print_and_count_lines_of_node(printer, target, read(target)),
        targets,
        16 if follow else 1,
    )
    if not any(count):
        echo(
            _("{title} logged nothing in this period. To see more: --since 7d", title=title),
            err=True,
        )
    return 0


def _targets_logs_and_title(
    request: Request, service: str
) -> tuple[list[SSHTarget], LogsAndCommands, str]:
    """Return the nodes, the logs to read there, and what logged them."""
    if service == logs_and_commands.AUDIT:
        targets = logs_and_commands.targets_of_nodes(request, request.node_names())
        return targets, logs_and_commands.AUDIT_LOG, _("The audit log")
    found = logs_and_commands.service_of_region(request.loaded_region.region, service)
    targets = logs_and_commands.targets_of_service(request, found)
    return targets, found.logs_and_commands, found.title


def _print_and_count_lines_of_node(
    printer: _LogPrinter, target: SSHTarget, lines: Iterator[LogLine]
) -> int:
    """Print the lines of one node, and return how many there were."""
    count = 0
    for line in lines:
        printer.print_line(target.name, line)
        count += 1
    return count

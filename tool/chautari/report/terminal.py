"""The report for a terminal: tables, failures with their journal, next steps."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.cells import cell_len
from rich.console import Console, JustifyMethod
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from chautari.language import _
from chautari.report import summary, terminal_ending
from chautari.report.model import (
    BackupStatus,
    CheckResult,
    NodeReport,
    PeerStatus,
    RegionReport,
    ServiceAccess,
)
from chautari.report.text_format import duration_text, escape_unsafe_characters, to_one_line

_STYLES = {"good": "bold green", "bad": "bold red", "wait": "bold yellow"}
_JOURNAL_LINES = 12
_NARROW = 60  # columns; below that, texts stand under their labels
_COLUMN_GAP = 3
_PEER_LABEL = 20

Row = tuple[Text, ...]


def print_report(
    report: RegionReport, console: Console | None = None, *, complete: bool = False
) -> None:
    """Print a report, `complete` with all notices; texts from a node are data, never markup."""
    console = console or _console_without_markup()
    details = (
        _print_doubles,
        _print_nodes,
        _print_roles,
        _print_check_counts,
        _print_run_failures,
        _print_failed_checks,
        _print_skipped_checks,
        _print_peers,
        _print_backups,
    )
    for part in (
        *details,
        _print_notices if complete else _print_folded_notices,
        _print_services,
        _print_hosts_block,
        _print_next_steps,
        _print_counts,
        _print_verdict,
    ):
        part(report, console)


def _print_doubles(report: RegionReport, console: Console) -> None:
    if not report.doubles:
        return
    _print_heading(console, _("Doubles (small replacements for the real software)"), "bold yellow")
    for double in report.doubles:
        label = _("double of {name} {version}", name=double.name, version=double.version).rstrip()
        _print_field(console, _("DOUBLE"), f"{label}: {double.reason}", "yellow")


def _print_nodes(report: RegionReport, console: Console) -> None:
    if not report.nodes or (len(report.nodes) == 1 and terminal_ending.did_nothing(report)):
        return  # a single node is described below, with the reason
    _print_heading(console, _("Nodes"))
    rows = []
    for node in report.nodes:
        words = summary.describe_node_state(node)
        rows.append((
            _clean_text(node.name, "bold"),
            _clean_text(node.os or node.address, "dim"),
            _clean_text(words.word, _STYLES[words.tone]),
            _make_count_cell(node.changed, "yellow"),
            _make_count_cell(node.failed, "bold red"),
            _clean_text(duration_text(node.seconds)),
        ))  # fmt: skip
    _print_table(
        console, (_("Node"), _("System"), _("State")), (_("Changed"), _("Failed"), _("Time")), rows
    )


def _print_roles(report: RegionReport, console: Console) -> None:
    """Print which roles ran or would run, and why; nodes where none did are left out."""
    changed = [node for node in report.nodes if any(not role.up_to_date for role in node.roles)]
    if not any(role.why for node in changed for role in node.roles):
        return
    planned = any(node.state == "planned" for node in report.nodes)
    _print_heading(console, _("What would run, and why") if planned else _("What ran, and why"))
    for node in changed:
        ran = [role for role in node.roles if role.why]
        up_to_date = sum(role.up_to_date for role in node.roles)
        rest = _("; {up_to_date} already up to date", up_to_date=up_to_date) if up_to_date else ""
        _print_item(
            console,
            _(
                "{name}: {count} of {count2} roles{rest}",
                name=node.name,
                count=len(ran),
                count2=len(ran) + up_to_date,
                rest=rest,
            ),
            "bold",
        )
        for role in ran:
            _print_labelled(
                console,
                role.name,
                _clean_text(summary.first_reasons_text(role)),
                width=13,
                indent=4,
            )
            for difference in role.differences:
                _print_labelled(
                    console,
                    "",
                    _clean_text(summary.difference_text(difference), "dim"),
                    width=13,
                    indent=4,
                )
        if node.download_bytes is not None:
            least = _("at least ") if node.download_at_least else ""
            _print_field(
                console,
                _("Download"),
                _(
                    "{least}{download_bytes:.1f} MB",
                    least=least,
                    download_bytes=node.download_bytes / 1e6,
                ),
            )


def _print_check_counts(report: RegionReport, console: Console) -> None:
    groups = [group for group in summary.list_service_checks(report) if group.checks]
    if not groups:
        return
    _print_heading(console, _("Checks"))
    rows = [
        (
            _clean_text(
                _("{service} (double)", service=group.service) if group.double else group.service,
                "bold",
            ),
            _make_count_cell(group.count_checks("passed"), "green"),
            _make_count_cell(group.count_checks("failed"), "bold red"),
            _make_count_cell(group.count_checks("skipped"), "yellow"),
        )
        for group in groups
    ]
    _print_table(console, (_("Service"),), (_("Passed"), _("Failed"), _("Skipped")), rows)


def _print_run_failures(report: RegionReport, console: Console) -> None:
    stopped = [n for n in report.nodes if n.failure or n.refusals or not n.ok]
    if stopped:
        _print_heading(console, _("Nodes that need attention"), "bold red")
    for node in stopped:
        _print_node_needing_attention(
            node, console, with_steps=not terminal_ending.repeats_refusals(report)
        )


def _print_node_needing_attention(node: NodeReport, console: Console, *, with_steps: bool) -> None:
    words = summary.describe_node_state(node)
    _print_item(console, f"{node.name}: {words.word}. {words.meaning}", _STYLES[words.tone])
    for refusal in node.refusals:
        _print_field(console, _("Why"), refusal.reason)
        if with_steps:
            _print_field(console, _("Next"), refusal.fix, "cyan")
    if node.failure:
        _print_field(
            console,
            _("Where"),
            _("role {role}, task “{task}”", role=node.failure.role, task=node.failure.task_text),
        )
        _print_field(console, _("Why"), node.failure.message_text)
        _print_journal(console, node.failure.journal)


def _print_failed_checks(report: RegionReport, console: Console) -> None:
    checks = summary.failed_checks(report)
    if checks:
        _print_heading(console, _("Failed checks"), "bold red")
    for check in checks:
        _print_item(console, _label_of_check(check), "bold red")
        _print_field(console, _("Why"), check.message_text)
        _print_field(console, _("Next"), check.advice_text, "cyan")
        _print_journal(console, check.journal)


def _print_skipped_checks(report: RegionReport, console: Console) -> None:
    checks = summary.skipped_checks(report)
    if checks:
        _print_heading(console, _("Skipped checks"), "bold yellow")
    for check in checks:
        _print_item(console, _label_of_check(check), "yellow")
        _print_field(console, _("Why"), check.message_text)


def _print_notices(report: RegionReport, console: Console) -> None:
    notices = [(node.name, notice.text) for node in report.nodes for notice in node.notices]
    if notices:
        _print_heading(console, _("Notices"))
    for name, notice in notices:
        _print_item(console, f"{name}: {notice}")


def _print_folded_notices(report: RegionReport, console: Console) -> None:
    """Print each notice on one line, as far as it fits, and the command that prints them whole."""
    notices = terminal_ending.first_notices_as_lines(report)
    if not notices:
        return
    _print_heading(console, _("Notices"))
    for notice in notices:
        console.print(Text(f"  {_shorten_text_to_width(notice, console.width - 2)}"))
    _print_copyable(console, _("In full"), f"deploy report {to_one_line(report.region)}")


def _shorten_text_to_width(text: str, width: int) -> str:
    """Return the first words of a text that fit, with a mark if some are left out."""
    if cell_len(text) <= width:
        return text
    words = text.split(" ")
    while words and cell_len(" ".join(words)) > width - 2:
        words.pop()
    return " ".join([*words, "…"])


def _print_services(report: RegionReport, console: Console) -> None:
    services = terminal_ending.services_to_open(report)
    if services:
        _print_heading(console, _("Services"))
    doubled = {double.name for double in report.doubles}
    for service in services:
        _print_item(console, _label_of_service(service, service.service in doubled), "bold")
        _print_copyable(console, _("Open"), service.url)
        for label, value in terminal_ending.login_lines(service):
            _print_copyable(console, label, value)
        _print_field(console, _("Language"), service.languages_text)


def _print_copyable(console: Console, label: str, value: str) -> None:
    """Print a value that people copy: no line is broken within one that has no blanks."""
    text = to_one_line(value)
    if terminal_ending.is_copyable(text):
        space = "\n    " if cell_len(f"    {label}: {text}") > console.width else " "
        line = Text(f"    {label}:{space}", style="dim").append_text(_clean_text(text, "cyan"))
        console.print(line, soft_wrap=True)
    else:
        _print_field(console, label, text)


def _print_hosts_block(report: RegionReport, console: Console) -> None:
    """Print hosts entries of a sandbox as commands for a shell: at the margin, and unbroken."""
    block = terminal_ending.hosts_entries_command(report)
    if block:
        _print_heading(console, _("To open them in a browser on this machine, paste this block:"))
    for line in block:
        console.print(Text(line), soft_wrap=True)


def _print_peers(report: RegionReport, console: Console) -> None:
    if report.peers:
        _print_heading(console, _("Peers"))
        print_peers(report.peers, console)


def print_peers(peers: Sequence[PeerStatus], console: Console | None = None) -> None:
    """Print the state of each peer; each state is a word, not only a colour."""
    console = console or _console_without_markup()
    for peer in peers:
        style = _STYLES[summary.PEER_TONES[peer.state]]
        domain = f" ({peer.domain})" if peer.domain else ""
        _print_item(console, f"{to_one_line(peer.name)}: {_(peer.state)}{domain}", style)
        for link in peer.links:
            style = _STYLES[summary.PEER_TONES[link.state]]
            cause = ", ".join(filter(None, (to_one_line(link.cause), link.since_text)))
            body = (
                _clean_text(_(link.state), style)
                .append_text(Text(": "))
                .append_text(_clean_text(cause))
            )
            _print_labelled(console, to_one_line(link.label), body, width=_PEER_LABEL, indent=4)
            if link.next_step:
                step = _clean_text(to_one_line(link.next_step), "cyan")
                _print_labelled(console, _("Next"), step, width=_PEER_LABEL, indent=4)


def _print_backups(report: RegionReport, console: Console) -> None:
    if report.backups:
        print_backups(report.backups, console)


def print_backups(backups: Sequence[BackupStatus], console: Console | None = None) -> None:
    """Print how the backups stand; each state is a word, not only a colour."""
    console = console or _console_without_markup()
    _print_heading(console, _("Backups"))
    for item in backups:
        style = _STYLES[summary.PEER_TONES[item.state]]
        body = _clean_text(_(item.state), style).append_text(Text(": "))
        body.append_text(_clean_text(to_one_line(item.cause)))
        _print_labelled(console, to_one_line(item.label), body, width=_PEER_LABEL, indent=2)
        if item.next_step:
            step = _clean_text(to_one_line(item.next_step), "cyan")
            _print_labelled(console, _("Next"), step, width=_PEER_LABEL, indent=4)


def _print_next_steps(report: RegionReport, console: Console) -> None:
    steps = terminal_ending.first_next_steps(report)
    if steps:
        _print_heading(console, _("Next steps"))
    for number, step in enumerate(steps, start=1):
        text, command = terminal_ending.split_command(step)
        _print_labelled(console, f"{number}.", _clean_text(text), width=3, indent=2)
        if command:
            console.print(Text(f"      {command}", style="cyan"), soft_wrap=True)


def _print_counts(report: RegionReport, console: Console) -> None:
    lines = list(terminal_ending.node_and_check_counts(report))
    if lines:
        _print_heading(console, _("Counts"))
    for line in lines:
        _print_item(console, line)


def _console_without_markup() -> Console:
    return Console(markup=False, emoji=False, highlight=False)


def _print_verdict(report: RegionReport, console: Console) -> None:
    console.print()
    console.print(
        _clean_text(summary.verdict_sentence(report), _STYLES[summary.report_tone(report)])
    )


def _label_of_check(check: CheckResult) -> str:
    where = _("seen from outside") if check.side == "outside" else _("on the node")
    return _(
        "{service} on {node}: {title} ({where})",
        service=check.service,
        node=check.node,
        title=check.title_text,
        where=where,
    )


def _label_of_service(service: ServiceAccess, double: bool) -> str:
    label = " ".join(part for part in (service.service, service.version) if part)
    place = _("{label} on {node}", label=label, node=service.node)
    return place + _(" (DOUBLE)") if double else place


def _print_journal(console: Console, lines: list[str]) -> None:
    if not lines:
        return
    shown = lines[-_JOURNAL_LINES:]
    left_off = len(lines) - len(shown)
    _print_field(
        console,
        _("Journal"),
        _("({left_off} earlier lines are in the report)", left_off=left_off) if left_off else "",
    )
    body = "\n".join(to_one_line(line) for line in shown)
    console.print(Padding(_clean_text(body, "dim"), (0, 0, 0, 4), expand=False))


def _print_heading(console: Console, title: str, style: str = "bold") -> None:
    console.print()
    console.print(Text(title, style=style))


def _print_item(console: Console, label: str, style: str = "") -> None:
    console.print(Padding(_clean_text(label, style), (0, 0, 0, 2), expand=False))


def _print_field(console: Console, name: str, value: str, style: str = "") -> None:
    if value or name == _("Journal"):
        _print_labelled(console, name, _clean_text(value, style), width=8, indent=4)


def _print_labelled(console: Console, label: str, body: Text, *, width: int, indent: int) -> None:
    """Print a text beside its label; a narrow terminal has no room for a column of labels."""
    if console.width < _NARROW:
        mark = "" if not label or label.endswith(".") else ":"
        line = Text(f"{label}{mark} ".lstrip(), style="dim").append_text(body)
        console.print(Padding(line, (0, 0, 0, indent), expand=False))
        return
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=max(width, cell_len(label)), no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(Text(label, style="dim"), body)
    console.print(Padding(grid, (0, 0, 0, indent), expand=False))


def _print_table(
    console: Console, texts: Sequence[str], numbers: Sequence[str], rows: Sequence[Row]
) -> None:
    """Print a table that breaks no word; where that needs too much room, a list."""
    headings = (*texts, *numbers)
    columns = [[Text(heading), *cells] for heading, *cells in zip(headings, *rows, strict=True)]
    room = console.width - _COLUMN_GAP * (len(columns) - 1)
    widths = _column_widths(columns[: len(texts)], columns[len(texts) :], room)
    if not widths:
        for row in rows:
            _print_row_as_list(console, headings, row)
        return
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for number, (heading, width) in enumerate(zip(headings, widths, strict=True)):
        justify: JustifyMethod = "left" if number < len(texts) else "right"
        table.add_column(heading, width=width, justify=justify, overflow="fold")
    for row in rows:
        table.add_row(*row)
    console.print(table)


def _column_widths(
    texts: Sequence[Sequence[Text]], numbers: Sequence[Sequence[Text]], room: int
) -> list[int]:
    """Return widths that fit and break no word, numbers on one line; empty if there are none."""
    widths = [max(cell.cell_len for cell in column) for column in (*texts, *numbers)]
    least = [max(map(_longest_word_width, column)) for column in texts] + widths[len(texts) :]
    while sum(widths) > room:
        spare = [width - word for width, word in zip(widths, least, strict=True)]
        if not any(spare):
            return []
        widths[spare.index(max(spare))] -= 1
    return widths


def _longest_word_width(cell: Text) -> int:
    return max(map(cell_len, cell.plain.split()), default=0)


def _print_row_as_list(console: Console, headings: Sequence[str], row: Row) -> None:
    """Print one row of a table as a heading with its values below it."""
    first, *values = row
    console.print(Padding(first, (0, 0, 0, 2), expand=False))
    pairs = zip(headings[1:], values, strict=True)
    parts = [Text(f"{heading} ", style="dim").append_text(value) for heading, value in pairs]
    console.print(Padding(Text(", ").join(parts), (0, 0, 0, 4), expand=False))


def _make_count_cell(value: int, style: str) -> Text:
    return Text(str(value), style=style if value else "dim")


def _clean_text(value: str, style: str = "") -> Text:
    return Text(escape_unsafe_characters(value).strip(), style=style, overflow="fold")

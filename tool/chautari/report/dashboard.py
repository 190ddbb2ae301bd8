"""`deploy status` on one screen: a row for each node, a line for each topic, then the problems.

Where a terminal is narrow, a node is a list in place of a row, and problems are wrapped. Each state
is a word; colours repeat it.
"""

from __future__ import annotations

import textwrap
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from chautari.language import N_, Texts, _
from chautari.report.text_format import count_with_noun, to_one_line

Level = Literal["broken", "warning", "ok", "unknown"]
HEADINGS = (
    N_("Node"), N_("State"), N_("Disk free"), N_("Full in"), N_("Cert."), N_("Updates"),
    N_("Restart"), N_("Meetings"),
)  # fmt: skip
# The headings of a list, where there is more room for a word.
_LONG_HEADINGS: Texts = {"Cert.": "Certificate"}
_LEVEL_WORDS: Texts = {"broken": "broken", "warning": "warning", "ok": "ok", "unknown": "unknown"}
SCREEN_LINES = 23  # of 24: the shell's prompt needs one
LEAST_PROBLEMS = 3
NARROW_PROBLEMS = 6
_NARROW = 60  # columns
_LABEL = 10  # columns of a topic's label, at least
_STYLES: dict[Level, str] = {
    "broken": "bold red", "warning": "bold yellow", "ok": "green", "unknown": "dim",
}  # fmt: skip
_LEAST_NAME = 6


@dataclass(frozen=True)
class Cell:
    """A value of a node, and whether it is a problem."""

    text: str
    level: Level = "ok"


@dataclass(frozen=True)
class NodeRow:
    """What is known of a node, in the order of `HEADINGS` after its name."""

    name: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Topic:
    """One line about the whole region."""

    label: str
    text: str
    level: Level = "ok"


@dataclass(frozen=True)
class Finding:
    """A problem, and what to do; `subject` is the node, peer or service with the problem."""

    level: Literal["broken", "warning"]
    subject: str
    code: str
    text: str
    next_step: str = ""


@dataclass(frozen=True)
class Dashboard:
    """All that `deploy status` shows of a region."""

    region: str
    time: float
    nodes: Sequence[NodeRow]
    topics: Sequence[Topic]
    findings: Sequence[Finding]

    def count(self, level: Level) -> int:
        """Return how many problems have a level."""
        return sum(item.level == level for item in self.findings)


def print_dashboard(
    dashboard: Dashboard, console: Console | None = None, *, complete: bool = False
) -> None:
    """Print the dashboard; `complete` with every problem, its whole text and what to do."""
    console = console or Console(markup=False, emoji=False, highlight=False)
    for line in dashboard_lines(dashboard, console.width, complete=complete):
        console.print(line, soft_wrap=True)


def dashboard_lines(dashboard: Dashboard, width: int, *, complete: bool = False) -> list[Text]:
    """Return the lines, none of which is wider than `width`."""
    lines = [_title_line(dashboard, width), Text()]
    lines += _node_lines(dashboard.nodes, width)
    lines.append(Text())
    label_width = max((cell_len(topic.label) for topic in dashboard.topics), default=0)
    for topic in dashboard.topics:
        lines += _topic_lines(topic, width, max(label_width, _LABEL))
    if dashboard.findings:
        lines.append(Text())
        left = SCREEN_LINES - len(lines)
        lines += _finding_lines(dashboard, width, None if complete else left)
    return lines


def _title_line(dashboard: Dashboard, width: int) -> Text:
    broken, warnings = dashboard.count("broken"), dashboard.count("warning")
    parts = [_("{broken} broken", broken=broken)] if broken else []
    parts += [count_with_noun(warnings, "warning")] if warnings else []
    level: Level = "broken" if broken else "warning" if warnings else "ok"
    words = ", ".join(parts) or _("no problem found")
    line = Text(f"{to_one_line(dashboard.region)}: {words}", style=_STYLES[level])
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(dashboard.time))
    gap = width - line.cell_len - len(when)
    if gap >= 2:
        line.append(" " * gap + when, style="dim")
    return _cut_to_width(line, width)


def _node_lines(nodes: Sequence[NodeRow], width: int) -> list[Text]:
    rows = [[to_one_line(node.name), *(to_one_line(cell.text) for cell in node.cells)]
            for node in nodes]  # fmt: skip
    widths = [max(map(cell_len, column)) for column in zip(map(_, HEADINGS), *rows, strict=True)]
    for gap in (2, 1):
        room = width - sum(widths[1:]) - gap * (len(widths) - 1)
        if room >= min(widths[0], _LEAST_NAME) and width >= _NARROW:
            widths[0] = min(widths[0], room)
            return _table_lines(nodes, widths, gap)
    return [line for node in nodes for line in _list_of_node(node, width)]


def _table_lines(nodes: Sequence[NodeRow], widths: Sequence[int], gap: int) -> list[Text]:
    heading = [Text(_(text), style="bold") for text in HEADINGS]
    lines = [_join_cells(heading, widths, gap)]
    for node in nodes:
        cells = [Text(to_one_line(node.name), style="bold")]
        cells += [Text(to_one_line(cell.text), style=_STYLES[cell.level]) for cell in node.cells]
        lines.append(_join_cells(cells, widths, gap))
    return lines


def _join_cells(cells: Sequence[Text], widths: Sequence[int], gap: int) -> Text:
    line = Text()
    for cell, width in zip(cells, widths, strict=True):
        cut = _cut_to_width(cell, width)
        line.append_text(cut).append(" " * (width - cut.cell_len + gap))
    line.rstrip()
    return line


def _list_of_node(node: NodeRow, width: int) -> list[Text]:
    state, *values = node.cells
    first = Text(f"{to_one_line(node.name)}: ", style="bold")
    lines = [
        _cut_to_width(first.append(to_one_line(state.text), style=_STYLES[state.level]), width)
    ]
    for heading, cell in zip(HEADINGS[2:], values, strict=True):
        if cell.level != "unknown":
            label = _(_LONG_HEADINGS.get(heading, heading))
            line = Text(f"  {label}: ", style="dim")
            lines.append(
                _cut_to_width(line.append(to_one_line(cell.text), style=_STYLES[cell.level]), width)
            )
    return lines


def _topic_lines(topic: Topic, width: int, label_width: int) -> list[Text]:
    mark = "" if topic.level in ("ok", "unknown") else f"{_(_LEVEL_WORDS[topic.level])}: "
    text = mark + to_one_line(topic.text)
    if width >= _NARROW:
        padding = " " * (label_width - cell_len(topic.label) + 1)
        line = Text(topic.label + padding, style="bold")
        return [_cut_to_width(line.append(text, style=_STYLES[topic.level]), width)]
    wrapped = _wrap_text(f"{topic.label}: {text}", width, "  ")
    return [Text(part, style=_STYLES[topic.level]) for part in wrapped]


def _finding_lines(dashboard: Dashboard, width: int, room: int | None) -> list[Text]:
    """Return a line for each problem that there is room for; without `room`, the whole texts."""
    found = sorted(dashboard.findings, key=lambda item: item.level != "broken")
    if room is None:
        return [line for item in found for line in _complete_finding_lines(item, width)]
    # The next step needs a line. A narrow terminal is scrolled anyway.
    room = max(LEAST_PROBLEMS, room - 1) if width >= _NARROW else NARROW_PROBLEMS
    shown = found if len(found) <= room else found[: room - 1]
    lines: list[Text] = []
    for item in shown:
        if width < _NARROW:
            lines += _complete_finding_lines(item, width, step=False)
        else:
            lines.append(_cut_to_width(_finding_text(item), width))
    more = len(found) - len(shown)
    details = f"deploy status {to_one_line(dashboard.region)} --details"
    if more:
        lines += [
            Text(part)
            for part in _wrap_text(
                _("and {more} more: {details}", more=more, details=details), width, "  "
            )
        ]
    step = _next_step_text(found[0])
    # One line has no room for half a command.
    fits = bool(step) and (width < _NARROW or cell_len(step) <= width)
    text = step if fits else _("Next: {details}", details=details)
    return [*lines, *(Text(part, style="cyan") for part in _wrap_text(text, width, "  "))]


def _next_step_text(item: Finding) -> str:
    step = to_one_line(item.next_step).removeprefix("run: ")
    return _("Next: {step}", step=step) if step else ""


def _finding_text(item: Finding) -> Text:
    line = Text(f"{_(_LEVEL_WORDS[item.level]):<7} ", style=_STYLES[item.level])
    return line.append(f"{to_one_line(item.subject)}: {to_one_line(item.text)}", style="default")


def _complete_finding_lines(item: Finding, width: int, *, step: bool = True) -> list[Text]:
    level = _(_LEVEL_WORDS[item.level])
    text = f"{level}: {to_one_line(item.subject)}: {to_one_line(item.text)}"
    lines = [Text(part, style=_STYLES[item.level]) for part in _wrap_text(text, width, "  ")]
    if step and (next_step := _next_step_text(item)):
        lines += [Text(part, style="cyan") for part in _wrap_text(f"  {next_step}", width, "    ")]
    return lines


def _wrap_text(text: str, width: int, indent: str) -> list[str]:
    return textwrap.wrap(text, max(width, 20), subsequent_indent=indent, break_on_hyphens=False)


def _cut_to_width(line: Text, width: int) -> Text:
    """Return a line that is no wider than `width`, with a mark where it was cut."""
    cut = line.copy()
    cut.truncate(width, overflow="ellipsis")
    return cut

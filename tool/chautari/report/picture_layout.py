"""Where everything stands in the region's picture: plain numbers for the SVG template."""

from __future__ import annotations

from typing import NamedTuple

from rich.cells import cell_len, set_cell_size

from chautari.language import _
from chautari.report import summary
from chautari.report.model import NodeReport, RegionReport
from chautari.report.summary import ServiceChecks, Tone
from chautari.report.text_format import to_one_line

BOX_WIDTH = 300
_GAP = 28
_MARGIN = 16
_TOP = 176  # height of the tree and its seat, before the first row of nodes
_HEAD = 74
_SIDE = 14  # free at each side of a box
_SERVICE = 40
_DOUBLE_NOTE = 16  # more for the line that names a double
_GROUND = 24
_FOOT = 12
# How wide a character is, in parts of the font's size: that of the widest usual font, DejaVu Sans.
BOLD, REGULAR = 0.70, 0.62
BETWEEN = 10  # free between two texts on one line


class ServiceBadge(NamedTuple):
    """A service or a role in a node's box, with its corner relative to the box."""

    x: int
    y: int
    label: str
    detail: str
    tone: Tone
    double: bool = False
    height: int = _GROUND


class NodeBox(NamedTuple):
    """One node: its position, its texts and its services."""

    x: int
    y: int
    height: int
    name: str
    detail: str
    state: str
    tone: Tone
    services: tuple[ServiceBadge, ...]
    ground: tuple[ServiceBadge, ...]
    root: str


class PictureLayout(NamedTuple):
    """The whole picture for one number of columns."""

    width: int
    height: int
    middle: int
    boxes: tuple[NodeBox, ...]


def layout_picture(report: RegionReport, columns: int) -> PictureLayout:
    """Place every node in rows of at most `columns`, below the region's tree."""
    columns = max(1, min(columns, len(report.nodes)))
    if (columns, len(report.nodes)) == (3, 4):
        columns = 2
    width = 2 * _MARGIN + columns * BOX_WIDTH + (columns - 1) * _GAP
    boxes: list[NodeBox] = []
    top = _TOP
    for place, node in enumerate(report.nodes):
        if place and place % columns == 0:
            top = _lowest_edge(boxes) + _GAP
        x = _MARGIN + place % columns * (BOX_WIDTH + _GAP)
        above = boxes[-columns] if place >= columns else None
        boxes.append(
            _layout_node_box(report, node, (x, top), _line_to_box(x, top, width // 2, above))
        )
    return PictureLayout(width, _lowest_edge(boxes) + _MARGIN, width // 2, tuple(boxes))


def _lowest_edge(boxes: list[NodeBox]) -> int:
    return max((box.y + box.height for box in boxes), default=_TOP)


def _layout_node_box(
    report: RegionReport, node: NodeReport, corner: tuple[int, int], root: str
) -> NodeBox:
    groups = summary.list_service_checks_of_node(report, node)
    services = _service_badges([group for group in groups if group.info])
    below = _HEAD + sum(badge.height for badge in services)
    ground = _role_badges([group for group in groups if not group.info], below, node)
    words = summary.describe_node_state(node)
    state_width = text_width(words.word, 14, BOLD)
    return NodeBox(
        *corner,
        max((badge.y + badge.height for badge in ground), default=below) + _FOOT,
        shorten_to_width(node.name, BOX_WIDTH - 46 - _SIDE - BETWEEN - state_width, 18, BOLD),
        shorten_to_width(
            " · ".join(part for part in (node.address, node.os) if part),
            BOX_WIDTH - 2 * _SIDE, 12.5, REGULAR,
        ),
        words.word,
        words.tone,
        services,
        ground,
        root,
    )  # fmt: skip


def _service_badges(groups: list[ServiceChecks]) -> tuple[ServiceBadge, ...]:
    badges: list[ServiceBadge] = []
    y = _HEAD
    for group in groups:
        detail = _passed_checks_text(group)
        room = BOX_WIDTH - 40 - 34 - BETWEEN - text_width(detail, 13, REGULAR)
        label, height = shorten_to_width(group.service, room, 15, BOLD), _SERVICE
        height += _DOUBLE_NOTE if group.double else 0
        badges.append(ServiceBadge(_SIDE, y, label, detail, group.tone, group.double, height))
        y += height
    return tuple(badges)


def _role_badges(
    groups: list[ServiceChecks], top: int, node: NodeReport
) -> tuple[ServiceBadge, ...]:
    """Place the roles in two columns; one with a long name has a row of its own."""
    badges: list[ServiceBadge] = []
    half = (BOX_WIDTH - 2 * _SIDE) // 2
    row = column = 0
    for group in groups:
        broken = any(role.name == group.service and role.failed for role in node.roles)
        detail = _passed_checks_text(group)
        other = 23 + text_width(f" {detail}", 13, REGULAR)
        whole = other + text_width(group.service, 13, REGULAR) > half
        if whole and column:
            row, column = row + 1, 0
        label = shorten_to_width(group.service, half * (1 + whole) - other, 13, REGULAR)
        x, y = _SIDE + column * half, top + row * _GROUND
        badges.append(ServiceBadge(x, y, label, detail, "bad" if broken else group.tone))
        row, column = (row, 1) if not whole and column == 0 else (row + 1, 0)
    return tuple(badges)


def _passed_checks_text(group: ServiceChecks) -> str:
    """Return how many of the checks that ran passed; skipped ones are no failures."""
    passed, failed = group.count_checks("passed"), group.count_checks("failed")
    if passed or failed:
        return f"{passed}/{passed + failed}"
    return _("skipped") if group.checks else ""


def text_width(text: str, size: float, character: float) -> float:
    """Return how wide a text may be, for a font's size and the width of its characters."""
    return cell_len(text) * size * character


def shorten_to_width(text: object, width: float, size: float, character: float) -> str:
    """Return a text on one line that is at most `width` wide, with an ellipsis when cut."""
    line, cells = to_one_line(text), int(width / size / character)
    return line if cell_len(line) <= cells else set_cell_size(line, max(0, cells - 1)) + "…"


def _line_to_box(x: int, y: int, middle: int, above: NodeBox | None) -> str:
    """Return the root that reaches a box: from the seat, or from the box above it."""
    x += BOX_WIDTH // 2
    if above:
        return f"M{x} {above.y + above.height} V{y}"
    start = _TOP - 34
    bend = (start + y) // 2
    return f"M{middle} {start} C{middle} {bend} {x} {bend} {x} {y}"

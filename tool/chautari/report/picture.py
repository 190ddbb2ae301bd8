"""Where everything stands in the region's picture: plain numbers for the SVG template."""

from __future__ import annotations

from dataclasses import dataclass

from chautari.report import summary
from chautari.report.model import NodeReport, RegionReport
from chautari.report.summary import ServiceChecks, Tone
from chautari.report.text import shorten

BOX_WIDTH = 300
_GAP = 28
_MARGIN = 16
_TOP = 176  # height of the tree and its seat, before the first row of nodes
_HEAD = 74
_NAME_AND_STATE = 214  # shared by a node's name, about 11 a letter, and its state, about 8
_SERVICE = 40
_GROUND = 24
_FOOT = 12


@dataclass(frozen=True)
class Badge:
    """A service or a role in a node's box, with its corner relative to the box."""

    x: int
    y: int
    label: str
    detail: str
    tone: Tone


@dataclass(frozen=True)
class Box:
    """One node: its place, its words and what stands on it."""

    x: int
    y: int
    height: int
    name: str
    detail: str
    state: str
    tone: Tone
    services: tuple[Badge, ...]
    ground: tuple[Badge, ...]
    root: str


@dataclass(frozen=True)
class Picture:
    """The whole picture for one number of columns."""

    width: int
    height: int
    middle: int
    boxes: tuple[Box, ...]


def draw(report: RegionReport, columns: int) -> Picture:
    """Place every node in rows of at most `columns`, below the region's tree."""
    columns = max(1, min(columns, len(report.nodes)))
    if (columns, len(report.nodes)) == (3, 4):
        columns = 2
    width = 2 * _MARGIN + columns * BOX_WIDTH + (columns - 1) * _GAP
    boxes: list[Box] = []
    top = _TOP
    for place, node in enumerate(report.nodes):
        if place and place % columns == 0:
            top = _lowest_edge(boxes) + _GAP
        x = _MARGIN + place % columns * (BOX_WIDTH + _GAP)
        above = boxes[-columns] if place >= columns else None
        boxes.append(
            _layout_node_box(report, node, (x, top), _connector(x, top, width // 2, above))
        )
    return Picture(width, _lowest_edge(boxes) + _MARGIN, width // 2, tuple(boxes))


def _lowest_edge(boxes: list[Box]) -> int:
    return max((box.y + box.height for box in boxes), default=_TOP)


def _layout_node_box(
    report: RegionReport, node: NodeReport, corner: tuple[int, int], root: str
) -> Box:
    groups = summary.groups_on_node(report, node)
    services = tuple(_service_badge(i, g) for i, g in enumerate(g for g in groups if g.info))
    below = _HEAD + len(services) * _SERVICE
    ground = tuple(
        _role_badge(i, g, below, node) for i, g in enumerate(g for g in groups if not g.info)
    )
    words = summary.state_words(node)
    return Box(
        *corner,
        below + (len(ground) + 1) // 2 * _GROUND + _FOOT,
        shorten(node.name, (_NAME_AND_STATE - 8 * len(words.word)) // 11),
        shorten(" · ".join(part for part in (node.address, node.os) if part), 40),
        words.word,
        words.tone,
        services,
        ground,
        root,
    )


def _service_badge(place: int, group: ServiceChecks) -> Badge:
    label = f"{shorten(group.service, 16)} (double)" if group.double else group.service
    return Badge(
        14, _HEAD + place * _SERVICE, shorten(label, 25), _passed_of_total(group), group.tone
    )


def _role_badge(place: int, group: ServiceChecks, top: int, node: NodeReport) -> Badge:
    row, column = divmod(place, 2)
    broken = any(role.name == group.service and role.failed for role in node.roles)
    tone: Tone = "bad" if broken else group.tone
    x = 14 + column * (BOX_WIDTH - 28) // 2
    return Badge(x, top + row * _GROUND, shorten(group.service, 15), _passed_of_total(group), tone)


def _passed_of_total(group: ServiceChecks) -> str:
    return f"{group.count('passed')}/{len(group.checks)}" if group.checks else ""


def _connector(x: int, y: int, middle: int, above: Box | None) -> str:
    """Return the root that reaches a box: from the seat, or from the box above it."""
    x += BOX_WIDTH // 2
    if above:
        return f"M{x} {above.y + above.height} V{y}"
    start = _TOP - 34
    bend = (start + y) // 2
    return f"M{middle} {start} C{middle} {bend} {x} {bend} {x} {y}"

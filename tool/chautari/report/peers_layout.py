"""Where everything stands in the picture of the peers: plain numbers for the SVG template.

The own region is first; a line leads to each peer. Its colour, its pattern, its mark and a word say
the state of the pair.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from chautari.language import _
from chautari.report import summary
from chautari.report.model import PeerLink, PeerStatus, RegionReport
from chautari.report.picture_layout import (
    BETWEEN,
    BOLD,
    REGULAR,
    shorten_to_width,
    text_width,
)
from chautari.report.summary import Tone

OWN_HEIGHT = 74
_MARGIN = 16
_GAP = 20
_HEAD = 70
_ROW = 24
_FOOT = 10
_SIDE = 14  # free at each side of a box
_LINE = 31  # below the top of a box, at the height of its name


class PictureWidths(NamedTuple):
    """Widths of the picture for one kind of screen; `below` puts the peers below the own region."""

    own_width: int
    peer_x: int
    peer_width: int
    below: bool


WIDE = PictureWidths(own_width=240, peer_x=416, peer_width=360, below=False)
NARROW = PictureWidths(own_width=300, peer_x=108, peer_width=208, below=True)


class PeerServiceRow(NamedTuple):
    """One service in a peer's box, with its height above the box's bottom."""

    y: int
    label: str
    state: str
    tone: Tone


class PeerBox(NamedTuple):
    """One peer: its position, its texts, its services, and the line that leads to it."""

    x: int
    y: int
    width: int
    height: int
    name: str
    domain: str
    state: str
    tone: Tone
    rows: tuple[PeerServiceRow, ...]
    line: str
    label_x: int
    line_y: int


class OwnBox(NamedTuple):
    """The own region: its position and its texts."""

    x: int
    y: int
    width: int
    name: str
    domain: str


class PeersLayout(NamedTuple):
    """The whole picture; `trunk` is the part that all lines share, if there is one."""

    width: int
    height: int
    own: OwnBox
    boxes: tuple[PeerBox, ...]
    trunk: str


def layout_peers_picture(report: RegionReport, columns: PictureWidths) -> PeersLayout:
    """Place the own region and all peers in one column, the first at the top."""
    heights = [_HEAD + _ROW * len(peer.links) + _FOOT for peer in report.peers]
    top = _MARGIN + (OWN_HEIGHT + _GAP if columns.below else 0)
    tops = [top + sum(heights[:place]) + _GAP * place for place in range(len(heights))]
    bottom = max((y + height for y, height in zip(tops, heights, strict=True)), default=top)
    height = max(bottom, _MARGIN + OWN_HEIGHT) + _MARGIN
    own_y = _MARGIN if columns.below else (height - OWN_HEIGHT) // 2
    room = columns.own_width - 2 * _SIDE
    own = OwnBox(
        _MARGIN,
        own_y,
        columns.own_width,
        shorten_to_width(report.region, room, 18, BOLD),
        shorten_to_width(report.domain, room, 12.5, REGULAR),
    )
    boxes = [
        _layout_peer_box(peer, y, height, own, columns)
        for peer, y, height in zip(report.peers, tops, heights, strict=True)
    ]
    trunk = ""
    if columns.below and boxes:
        trunk = f"M{_x_of_vertical_line(own)} {own.y + OWN_HEIGHT} V{boxes[-1].line_y}"
    width = columns.peer_x + columns.peer_width + _MARGIN
    return PeersLayout(width, height, own, tuple(boxes), trunk)


def _layout_peer_box(
    peer: PeerStatus, y: int, height: int, own: OwnBox, columns: PictureWidths
) -> PeerBox:
    tone, line_y = summary.PEER_TONES[peer.state], y + _LINE
    # The word is in the picture once: on the line, where its colour alone would say nothing.
    start = _x_of_vertical_line(own) if columns.below else columns.peer_x - 96
    line = f"M{start} {line_y} H{columns.peer_x}"
    if not columns.below:
        right, middle = own.x + own.width, own.y + OWN_HEIGHT // 2
        bend = (right + start) // 2
        line = (
            f"M{right} {middle} C{bend} {middle} {bend} {line_y} {start} {line_y} H{columns.peer_x}"
        )
    room = columns.peer_width - 2 * _SIDE
    return PeerBox(
        columns.peer_x,
        y,
        columns.peer_width,
        height,
        shorten_to_width(peer.name, room - 32, 18, BOLD),
        shorten_to_width(peer.domain, room, 12.5, REGULAR),
        _(peer.state),
        tone,
        _layout_service_rows(peer.links, room),
        line,
        (start + columns.peer_x) // 2,
        line_y,
    )


def _layout_service_rows(links: Sequence[PeerLink], room: float) -> tuple[PeerServiceRow, ...]:
    rows = []
    for place, link in enumerate(links):
        state = _(link.state)
        free = room - 23 - BETWEEN - text_width(state, 13, BOLD)
        label = shorten_to_width(_(link.title) or link.label, free, 13, REGULAR)
        rows.append(
            PeerServiceRow(_HEAD + place * _ROW, label, state, summary.PEER_TONES[link.state])
        )
    return tuple(rows)


def _x_of_vertical_line(own: OwnBox) -> int:
    return own.x + 16

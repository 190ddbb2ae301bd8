"""The picture of a region: texts stay inside their boxes and do not run into each other."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import combinations
from xml.etree.ElementTree import Element, fromstring

import pytest
from report_samples import bad_report, good_report, hostile_report, peer_samples

from chautari.paths import content_root
from chautari.report import peers_layout, picture_layout
from chautari.report.html import render_html
from chautari.report.model import (
    CheckResult,
    Double,
    NodeReport,
    RegionReport,
    RoleReport,
    ServiceAccess,
)

# Advance widths of DejaVu Sans and its bold face, in thousandths of the font's size: the widest
# of the fonts that the page names.
REGULAR = dict(zip(
    " /().-_:·…0123456789abcdefghijklmnopqrstuvwxyz",
    (317, 336, 390, 390, 317, 360, 500, 336, 317, 1000, *[636] * 10, 612, 634, 549, 634, 615, 352,
     634, 633, 277, 277, 579, 277, 974, 633, 611, 634, 634, 411, 520, 392, 633, 591, 817, 591, 591,
     524),
    strict=True,
))  # fmt: skip
BOLD = dict(zip(
    REGULAR,
    (348, 365, 457, 457, 379, 415, 500, 399, 379, 1000, *[695] * 10, 674, 715, 592, 715, 678, 435,
     715, 711, 342, 342, 665, 342, 1041, 711, 687, 715, 715, 493, 595, 478, 711, 651, 923, 645, 651,
     582),
    strict=True,
))  # fmt: skip


@dataclass(frozen=True)
class Line:
    """A text of the picture, from its left to its right end."""

    words: str
    left: float
    right: float
    baseline: float


def width_of(words: str, size: float, bold: bool) -> float:
    advances = BOLD if bold else REGULAR
    return sum(advances.get(letter, 700) for letter in words) * size / 1000


def lines_of(element: Element, x: float = 0, y: float = 0) -> list[Line]:
    """Return the texts below an element, with the positions that its groups give them."""
    moved = re.match(r"translate\(([-\d.]+) ([-\d.]+)\)", element.get("transform", ""))
    x, y = (x + float(moved[1]), y + float(moved[2])) if moved else (x, y)
    if element.tag != "text":
        return [line for child in element for line in lines_of(child, x, y)]
    words = "".join(element.itertext())
    size, bold = float(element.get("font-size", "0")), "font-weight" in element.attrib
    width, start = width_of(words, size, bold), x + float(element.get("x", "0"))
    left = start - width * {"end": 1, "middle": 0.5}.get(element.get("text-anchor", ""), 0)
    return [Line(words, left, left + width, y + float(element.get("y", "0")))]


def scenes(report: RegionReport, kind: str) -> list[Element]:
    """Return the picture of the region, and that of its peers if it has any."""
    html = render_html(report)
    return list(
        map(fromstring, re.findall(rf'<svg class="scene {kind}".*?</svg>', html, re.DOTALL))
    )


def scene_lines(report: RegionReport, kind: str) -> list[Line]:
    return lines_of(scenes(report, kind)[0])


def report_of_every_role() -> RegionReport:
    """A node with every role of the toolkit, and double services with long counts."""
    report = good_report()
    roles = sorted(folder.name for folder in (content_root() / "roles").iterdir())
    node = NodeReport("bridge-of-the-north-east-1", "2001:db8:1234:5678:9abc:def0:1234:5678",
                      "unreachable", "ubuntu-22.04")  # fmt: skip
    node.roles = [RoleReport(role, ok=1) for role in roles]
    report.nodes.append(node)
    services = [
        role for role in roles if (content_root() / "docs/services" / f"{role}.md").exists()
    ]
    for role in roles:
        count = 120 if role in services else 13
        report.checks += [CheckResult(node.name, role, "test_x", "passed")] * count
    report.services = [ServiceAccess(name, "https://x/", node.name) for name in services]
    report.doubles = [Double(name, "1", "") for name in services]
    assert len(services) > 4
    return report


@pytest.mark.parametrize("kind", ["wide", "narrow"])
@pytest.mark.parametrize("make", [good_report, bad_report, hostile_report, report_of_every_role])
def test_texts_of_the_picture_do_not_overlap(make: type[RegionReport], kind: str) -> None:
    report = make()
    lines = scene_lines(report, kind)
    boxes = picture_layout.layout_picture(report, {"wide": 3, "narrow": 1}[kind]).boxes
    assert len(lines) >= 3 * len(boxes)
    for line in lines:
        inside = [box for box in boxes if box.x <= line.left and box.y <= line.baseline]
        assert any(line.right <= box.x + picture_layout.BOX_WIDTH for box in inside), line
    for one, other in combinations(lines, 2):
        apart = one.right < other.left or other.right < one.left
        assert apart or abs(one.baseline - other.baseline) > 10, (one, other)


def test_labels_of_known_roles_are_not_cut() -> None:
    words = [line.words for line in scene_lines(report_of_every_role(), "narrow")]
    assert "bigbluebutton" in words and "120/120" in words
    assert "release_archive 13/13" in words
    assert not [label for label in words if "…" in label and "/" in label]


def test_skipped_checks_do_not_count_as_failures() -> None:
    report = good_report()
    report.checks[1].outcome = "skipped"
    report.checks.append(CheckResult("med1", "base", "test_a", "passed"))
    report.checks.append(CheckResult("med1", "base", "test_b", "skipped"))
    boxes = {box.name: box for box in picture_layout.layout_picture(report, 3).boxes}
    shown = {badge.label: (badge.detail, badge.tone) for badge in boxes["med1"].ground}
    assert shown == {"nginx": ("skipped", "wait"), "base": ("1/1", "good")}


def test_role_without_checks_is_shown_only_where_nothing_was_checked() -> None:
    report = good_report()
    report.nodes[1].roles.append(RoleReport("setup", ok=1))
    assert "setup" not in [
        badge.label for badge in picture_layout.layout_picture(report, 3).boxes[1].ground
    ]
    report.nodes[1].roles[-1].failed = 1
    failed = {
        badge.label: badge.tone
        for badge in picture_layout.layout_picture(report, 3).boxes[1].ground
    }
    assert failed["setup"] == "bad"
    report.nodes[1].roles[-1].failed, report.checks = 0, []
    assert "setup" in [
        badge.label for badge in picture_layout.layout_picture(report, 3).boxes[1].ground
    ]


def report_of_peers(count: int) -> RegionReport:
    report = good_report()
    report.region, report.domain = (
        "a-region-of-thirty-one-letters-x",
        "cooperative-of-the-eastern-highlands-and-lakes.example.org",
    )
    report.peers = [
        replace(peer, name=f"{peer.name}{n}") for n in range(count) for peer in peer_samples()
    ]
    return report


@pytest.mark.parametrize("kind", ["wide", "narrow"])
@pytest.mark.parametrize(
    "report", [bad_report(), hostile_report(), report_of_peers(1), report_of_peers(7)],
    ids=["bad", "hostile", "three", "many"],
)  # fmt: skip
def test_texts_of_the_peers_do_not_overlap(report: RegionReport, kind: str) -> None:
    columns = {"wide": peers_layout.WIDE, "narrow": peers_layout.NARROW}[kind]
    drawn = peers_layout.layout_peers_picture(report, columns)
    [_, scene] = scenes(report, kind)
    lines = lines_of(scene)
    assert len(lines) == 2 + sum(3 + 2 * len(box.rows) for box in drawn.boxes)
    own = drawn.own
    places = [(own.x, own.y, own.width, peers_layout.OWN_HEIGHT)]
    places += [(box.x, box.y, box.width, box.height) for box in drawn.boxes]
    for line in lines:
        inside = [
            x <= line.left and line.right <= x + width and y <= line.baseline <= y + height
            for x, y, width, height in places
        ]
        on_a_line = line.words in ("green", "pending", "broken") and not any(
            line.left < x + width and line.right > x and y < line.baseline < y + height
            for x, y, width, height in places
        )
        assert any(inside) or on_a_line, line
        assert line.left >= 0 and line.right <= drawn.width and line.baseline < drawn.height
    for one, other in combinations(lines, 2):
        apart = one.right < other.left or other.right < one.left
        assert apart or abs(one.baseline - other.baseline) > 10, (one, other)


def test_each_line_to_a_peer_has_a_word_a_mark_and_a_pattern() -> None:
    report = bad_report()
    for kind in ("wide", "narrow"):
        [_, scene] = scenes(report, kind)
        ties = [path.get("class") for path in scene if path.get("class", "").startswith("tie")]
        assert ties == ["tie tone-good", "tie tone-wait", "tie tone-bad"]
        peers = [group for group in scene if group.get("class", "").startswith("tone-")]
        assert [group[0].text for group in peers] == ["green", "pending", "broken"]
        assert all(group[1].get("class") == "mark on-tie" for group in peers)
    css = render_html(report)
    assert ".scene .tie.tone-wait { stroke-dasharray" in css
    assert ".scene .tie.tone-bad { stroke-dasharray" in css


def test_region_without_peers_has_no_picture_of_them() -> None:
    assert len(scenes(good_report(), "wide")) == 1
    assert "Peers" not in render_html(good_report())

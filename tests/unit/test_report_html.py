"""The HTML page is complete, escapes everything, and loads nothing from outside."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser

import pytest
from report_samples import bad_report, good_report, hostile_report

from chautari.report import picture_layout
from chautari.report.html import render_html, safe_url
from chautari.report.model import NodeReport, RegionReport

VOID = {"meta", "br", "link", "img", "hr", "input"}


class Page(HTMLParser):
    """Collect elements and text, and complain about tags that do not match."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).split())

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.mark.parametrize("make", [good_report, bad_report, hostile_report])
def test_page_is_well_formed_and_loads_nothing(make: Callable[[], RegionReport]) -> None:
    page = Page(render_html(make()))
    loaders = {
        "script",
        "link",
        "img",
        "iframe",
        "object",
        "embed",
        "base",
        "form",
        "audio",
        "video",
    }
    assert not loaders & {tag for tag, _ in page.elements}
    for tag, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on") or name == "src"]
        if tag != "a":
            assert "href" not in attributes
    assert page.named("html") == [{"lang": "en"}]
    assert len(page.named("h1")) == 1


def test_page_links_only_to_services() -> None:
    html = render_html(bad_report())
    links = [a["href"] for a in Page(html).named("a")]
    assert links == ["#main", "https://cloud.andes.example.org/"]
    style = html[html.index("<style>") : html.index("</style>")]
    assert "url(" not in style and "@import" not in style
    assert set(re.findall(r"https?://[^\s\"<]+", html)) == {"https://cloud.andes.example.org/"}


def test_hostile_text_is_escaped_and_cleaned() -> None:
    html = render_html(hostile_report())
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt; [red]x[/red] \\x1b[31mred" in html
    assert r"\x1b[0m\x00\x08 &amp; &#34;q&#34;" in html
    assert "{{ 7*7 }}" in html and "49" not in re.findall(r"\b49\b", html)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe]", html)


def test_only_web_addresses_become_links() -> None:
    assert safe_url("https://cloud.example.org/") == "https://cloud.example.org/"
    for bad in (
        "javascript:alert(1)",
        "https://[broken",
        "data:text/html,x",
        "cloud.example.org",
        "",
    ):
        assert safe_url(bad) == ""
    assert [a["href"] for a in Page(render_html(hostile_report())).named("a")] == ["#main"]


def test_page_of_a_good_run_shows_no_failures() -> None:
    words = Page(render_html(good_report())).words
    assert "Region andes is healthy: 2 nodes OK (8 changes), 3 of 3 checks passed" in words
    assert "23 November 2026, 17:06 UTC" in words
    assert "Failures" not in words
    assert "Doubles:" not in words


def test_page_of_a_failed_run_shows_cause_advice_journal_and_double() -> None:
    words = Page(render_html(bad_report())).words
    assert "Failures" in words
    for expected in (
        "Role nginx, task “Reload nginx” port 443 is taken",
        "bog1 nginx[7]: bind() failed",
        "Only 0.9 GB are free. What to do: Make room.",
        "answered 502 Bad Gateway What to do: Look whether PHP runs.",
        "med1 php[0]: gone",
        "There is nothing to ask.",
        "The calendar app could not be fetched.",
        "nextcloud 34.0.4 is a double: no release was at hand",
        "double, not the real software",
    ):
        assert expected in words


def test_picture_names_states_in_words() -> None:
    titles = re.findall(r"<title id=[^>]*>(.*)</title>", render_html(bad_report()))
    states = "bog1: failed; med1: up to date; cal1: refused; pas1: unreachable"
    peers = "himalaya: green; karakoram: pending; a-region-with-a-long-name-31-xx: broken"
    assert titles == [f"Region andes: {states}"] * 2 + [f"Region andes and its peers: {peers}"] * 2


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 7])
@pytest.mark.parametrize("columns", [1, 3])
def test_boxes_of_the_picture_do_not_overlap(count: int, columns: int) -> None:
    report = good_report()
    report.nodes = [NodeReport(f"n{n}", "192.0.2.1", "converged") for n in range(count)]
    report.nodes[:2] = good_report().nodes[: min(2, count)]
    drawn = picture_layout.layout_picture(report, columns)
    places = [
        (box.x, box.y, box.x + picture_layout.BOX_WIDTH, box.y + box.height) for box in drawn.boxes
    ]
    assert len(places) == count
    for number, (left, top, right, bottom) in enumerate(places):
        assert left >= 0 and right <= drawn.width and bottom <= drawn.height
        for other in places[:number]:
            assert left >= other[2] or other[0] >= right or top >= other[3]


def rules(css: str, selector: str) -> list[str]:
    """Return the declarations of each rule for exactly this selector."""
    return re.findall(rf"^\s*{re.escape(selector)} {{([^}}]*)}}", css, re.MULTILINE)


def test_tables_break_no_word_and_scroll_where_they_are_too_wide() -> None:
    html = render_html(good_report())
    css = html[html.index("<style>") : html.index("</style>")]
    assert "overflow-wrap: break-word" in " ".join(rules(css, "th, td"))
    for selector in (".wide-table", "details"):
        assert "overflow-x: auto" in " ".join(rules(css, selector))
    tables = html.count("<table>")
    assert tables == html.count('class="wide-table"') + len(re.findall(r"<details[ >]", html))


def test_narrow_page_leaves_out_columns_of_lesser_use() -> None:
    html = render_html(good_report())
    for heading in ("Unchanged", "Skipped"):
        assert f'<th scope="col" class="num optional">{heading}</th>' in html
    narrow = html[html.index("@media (max-width: 40rem)") :]
    assert ".optional { display: none; }" in narrow


def test_empty_report_has_a_page() -> None:
    page = Page(render_html(RegionReport("andes", "andes.example.org", "", "deploy region")))
    assert "Nothing was done in region andes." in page.words

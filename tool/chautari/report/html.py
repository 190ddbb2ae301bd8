"""The report as one self-contained HTML page, without scripts and without assets from outside."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from jinja2 import (
    Environment,
    FileSystemBytecodeCache,
    FileSystemLoader,
    StrictUndefined,
    Template,
)

from chautari.language import _, current
from chautari.paths import state_dir
from chautari.report import peers_layout, picture_layout, summary
from chautari.report.model import RegionReport
from chautari.report.text_format import (
    count_with_noun,
    duration_text,
    escape_unsafe_characters,
    readable_time,
    to_one_line,
)

_TEMPLATES = Path(__file__).parent / "templates"
_WIDE, _NARROW = 3, 1


def render_html(report: RegionReport) -> str:
    """Return the page; every value is cleaned and escaped."""
    return compiled_page_template().render(
        report=report,
        summary=summary,
        pictures={
            "wide": picture_layout.layout_picture(report, _WIDE),
            "narrow": picture_layout.layout_picture(report, _NARROW),
        },
        box_width=picture_layout.BOX_WIDTH,
        peer_pictures={
            "wide": peers_layout.layout_peers_picture(report, peers_layout.WIDE),
            "narrow": peers_layout.layout_peers_picture(report, peers_layout.NARROW),
        },
        own_height=peers_layout.OWN_HEIGHT,
        language=current().replace("_", "-"),
    )


def _bytecode_cache() -> FileSystemBytecodeCache | None:
    """Keep compiled templates between commands; without a place for them they are made anew."""
    folder = state_dir() / "templates"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError:
        return None
    return FileSystemBytecodeCache(str(folder))


@cache
def compiled_page_template() -> Template:
    """Return the page's template, compiled."""
    return _jinja_environment().get_template("report.html.j2")


def _jinja_environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        bytecode_cache=_bytecode_cache(),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_clean_value,
    )
    environment.filters |= {
        "count_with_noun": count_with_noun,
        "duration": duration_text,
        "readable_time": readable_time,
        "one_line": to_one_line,
        "safe_url": safe_url,
    }
    environment.globals["_"] = _
    return environment


def _clean_value(value: object) -> object:
    """Clean every text on its way into the page; what Jinja made itself stays as it is."""
    if isinstance(value, str) and not hasattr(value, "__html__"):
        return escape_unsafe_characters(value)
    return value


def safe_url(url: str) -> str:
    """Return `url` when it is safe as a link, that is http or https, otherwise an empty text."""
    url = to_one_line(url)
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return url if parts.scheme in ("http", "https") and parts.hostname else ""

"""The messages that the page for troubleshooting quotes are messages that people can see."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator

import pytest
from region_samples import ROOT

PAGE = ROOT / "docs/troubleshooting.md"
GAP = "…"
# Texts of people, not of the command.
SPOKEN = "## People report a problem"


@functools.cache
def texts_of_the_command() -> tuple[str, ...]:
    """Return every text in the code, with a gap for each value that it takes."""
    files = [
        *(ROOT / "tool/chautari").rglob("*.py"),
        *(ROOT / "roles").glob("*/checks/test_*.py"),
    ]
    found = (text for file in files for text in _texts(ast.parse(file.read_text())))
    return tuple(re.sub(r"{[^{}]*}|`[^`]*`", GAP, text) for text in found)


def _texts(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        if isinstance(node, ast.JoinedStr):
            yield "".join(
                part.value if isinstance(part, ast.Constant) and isinstance(part.value, str)
                else GAP
                for part in node.values
            )  # fmt: skip


def is_message(quote: str) -> bool:
    """Return whether the command can print a quoted text: whole, or as a part of a longer one."""
    pattern = re.compile(".*".join(map(re.escape, quote.split(GAP))), re.DOTALL)
    # A gap of the quote is a gap of the message too: a quote with too few words matches anything.
    return any(
        pattern.search(text) and text.count(GAP) >= quote.count(GAP)
        for text in texts_of_the_command()
    )


def quotes() -> list[str]:
    page = PAGE.read_text()
    before, _, after = page.partition(SPOKEN)
    after = after.partition("\n## ")[2]
    return re.findall(r"^\| \*(.+?)\* \|", before + after, re.MULTILINE)


def test_page_has_many_quotes() -> None:
    assert len(quotes()) > 30


@pytest.mark.parametrize("quote", quotes())
def test_quoted_message_exists(quote: str) -> None:
    assert len(quote.replace(GAP, "").split()) >= 3
    assert is_message(quote)


@pytest.mark.parametrize(
    "quote",
    ["The node runs …, and … is wrong.", "… does not respond over … SSH", "no such message"],
)
def test_invented_message_is_found_out(quote: str) -> None:
    assert not is_message(quote)

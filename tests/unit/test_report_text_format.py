"""Text from nodes is cleaned, and amounts are readable."""

from __future__ import annotations

import pytest

from chautari.report.text_format import (
    count_with_noun,
    duration_text,
    escape_unsafe_characters,
    readable_time,
    to_one_line,
)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("\x1b[1;31mred\x1b[0m", r"\x1b[1;31mred\x1b[0m"),
        ("\x1b]0;title\x07shown", r"\x1b]0;title\x07shown"),
        ("\x1b]8;;https://example.org\x1b\\link", r"\x1b]8;;https://example.org\x1b\link"),
        ("\x9b31mred\x9d", r"\x9b31mred\x9d"),
        ("a\x00b\x07c\x7fd\x85e", "a\\x00b\\x07c\\x7fd\ne"),
        ("one\r\ntwo\rthree\u2028four", "one\ntwo\nthree\nfour"),
        ("a\tb", "a\tb"),
        ("abc\u202edef\u2066", r"abc\u202edef\u2066"),
        ("half \ud800 and \ufffe", r"half \ud800 and \ufffe"),
        ("क्‍ष Bogotá 漢", "क्‍ष Bogotá 漢"),
        (None, "None"),
    ],
)
def test_clean_escapes_control_characters(given: object, expected: str) -> None:
    assert escape_unsafe_characters(given) == expected


def test_one_line_joins_lines() -> None:
    assert to_one_line(" a\n\tb  c ") == "a b c"


def test_amount_knows_the_plural() -> None:
    assert [count_with_noun(number, "node") for number in (0, 1, 2)] == [
        "0 nodes",
        "1 node",
        "2 nodes",
    ]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (4.14, "4.1 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 0 s"),
        (372.4, "6 min 12 s"),
        (3899, "1 h 4 min"),
        (float("nan"), "?"),
        (float("inf"), "?"),
    ],
)
def test_duration_is_written_in_words(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


def test_moment_returns_other_text_unchanged() -> None:
    assert readable_time("2026-11-03T07:06:34+00:00") == "3 November 2026, 07:06 UTC"
    assert readable_time("yesterday\x1b[2J") == r"yesterday\x1b[2J"

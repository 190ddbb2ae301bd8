"""Read JSON that a stranger wrote: limits and characters are checked before anything uses it.

Needs only Python's standard library: nodes use it too.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from typing import Any, NoReturn

from chautari.language import _

MAX_BYTES = 64 << 10
MAX_DEPTH = 6
MAX_DIGITS = 16
# The peer may be down, or the link: no sign that its descriptor is forged.
UNREACHABLE = frozenset({"name_unresolved", "no_answer", "too_slow", "http_status"})
# Ansible would run code in them (SAFETY: a template in a value runs on the operator's machine).
_TEMPLATE = re.compile(r"\{\{|\}\}|\{%|%\}|\{#|#\}")
# Other, control, format, surrogate, private and unassigned; separators of lines and paragraphs.
_REFUSED_CATEGORIES = ("C", "Zl", "Zp")


class AnswerRefused(Exception):
    """An answer of a peer that is not used: a code with data."""

    def __init__(self, code: str, **data: object) -> None:
        """Store why."""
        super().__init__(code)
        self.code, self.data = code, data


def read_untrusted_json(raw: bytes) -> dict[str, Any]:
    """Return the JSON object in `raw`.

    Raises:
        AnswerRefused: for anything else, and for characters that hide or change what people read.
    """
    if len(raw) > MAX_BYTES:
        raise AnswerRefused("too_large", limit=MAX_BYTES >> 10)
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise AnswerRefused("not_utf8", position=error.start) from None
    data = _parse_strictly(text)
    if not isinstance(data, dict):
        raise AnswerRefused("not_json", detail=_("not an object"))
    for path, value in _texts_with_paths(data, ""):
        _refuse_unsafe_characters(path, value)
    return data


def _parse_strictly(text: str) -> Any:
    try:
        return json.loads(
            text,
            object_pairs_hook=_object_with_unique_keys,
            parse_int=_parse_short_integer,
            parse_float=_refuse_non_integer,
            parse_constant=_refuse_non_integer,
        )
    except RecursionError:
        raise AnswerRefused("nested_too_deep", limit=MAX_DEPTH) from None
    except json.JSONDecodeError as error:
        raise AnswerRefused(
            "not_json", detail=_("{msg}, line {lineno}", msg=error.msg, lineno=error.lineno)
        ) from None


def _object_with_unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise AnswerRefused("duplicate_key", key=key[:60])
        found[key] = value
    return found


def _parse_short_integer(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise AnswerRefused("number_out_of_range", number=text[:20])
    return int(text)


def _refuse_non_integer(text: str) -> NoReturn:
    raise AnswerRefused("number_out_of_range", number=text[:20])


def _texts_with_paths(value: Any, path: str, depth: int = 1) -> Iterator[tuple[str, str]]:
    """Yield each text with its place, keys included."""
    if depth > MAX_DEPTH:
        raise AnswerRefused("nested_too_deep", limit=MAX_DEPTH)
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield path or _("a key"), key
            yield from _texts_with_paths(item, f"{path}.{key}".lstrip("."), depth + 1)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _texts_with_paths(item, f"{path}.{number}", depth + 1)


def _refuse_unsafe_characters(path: str, text: str) -> None:
    for character in text:
        if unicodedata.category(character).startswith(_REFUSED_CATEGORIES):
            shown = f"U+{ord(character):04X}"
            raise AnswerRefused("hidden_character", path=path[:80], character=shown)
    if _TEMPLATE.search(text):
        raise AnswerRefused("template_mark", path=path[:80])

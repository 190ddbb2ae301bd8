"""Translate what tasks and checks of roles say: these texts come from a node with their values."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from string import Formatter

from chautari import language
from chautari.language import _

_MAX_DEPTH = 3  # of texts in texts: an outcome with its problem
_Source = Callable[[str], Mapping[str, str]]
# The class of an error before its text, which pytest adds. One of Python says what happened, so it
# stays before a text that is not ours.
_PYTHON_ERROR = re.compile(r"\w+Error: ")
_ERROR_CLASS = re.compile(r"(?:AssertionError|Failed|Skipped|chautari(?:\.\w+)+): ")
_EXPLANATION = "\nassert "  # pytest shows the values of the expression after it


def translate_role_message(text: str) -> str:
    """Return a task's text in the language of the command; an unknown text stays as it is."""
    return _translate(text, language.templates_of_roles)


def translate_node_detail(text: str) -> str:
    """Return a detail of an error of a backup or a restore, in the language of the command."""
    return _translate(text, language.templates_of_node_details)


def translate_check_message(message: str) -> str:
    """Return why a check failed, in the language of the command.

    What pytest adds stays in English: the compared values, and errors of other programs.
    """
    message = _ERROR_CLASS.sub("", message, count=1) if _ERROR_CLASS.match(message) else message
    text, mark, explanation = message.partition(_EXPLANATION)
    found = _PYTHON_ERROR.match(text)
    own = text[found.end() :] if found else text
    translated = _translate(own, language.templates_of_checks)
    return (translated if translated != own else text) + mark + explanation


def _translate(text: str, source: _Source, depth: int = 0) -> str:
    for template in _templates(source, language.current()):
        values = _values_in(template, text)
        if values is not None and depth < _MAX_DEPTH:
            known = {name: _translate(value, source, depth + 1) for name, value in values.items()}
            return _(template, **known)
    return text


@cache
def _templates(source: _Source, name: str) -> list[str]:
    """Return the templates in a language, those with the longest fixed text first."""
    return sorted(source(name), key=_length_of_fixed_text, reverse=True)


def _length_of_fixed_text(template: str) -> int:
    return sum(len(piece) for piece, _name in _pieces_of(template))


def _values_in(template: str, text: str) -> dict[str, str] | None:
    """Return the values that fill `template` to become `text`; None if it never does."""
    pieces = _pieces_of(template)
    first, name = pieces[0]
    if not text.startswith(first):
        return None
    values: dict[str, str] = {}
    place = len(first)
    for number, (piece, next_name) in enumerate(pieces[1:], 2):
        # The last piece is at the end; the others are where they first occur.
        found = text.find(piece, place)
        if number == len(pieces) and found >= 0:
            found = max(place, len(text) - len(piece))
            found = found if text.endswith(piece) else -1
        if found < 0:
            return None
        values.setdefault(name, text[place:found])
        place, name = found + len(piece), next_name
    return values if place == len(text) else None


@cache
def _pieces_of(template: str) -> list[tuple[str, str]]:
    """Return the fixed pieces of a template, each with the name of the placeholder after it."""
    pieces = [(text, name or "") for text, name, _form, _kind in Formatter().parse(template)]
    return [*pieces, ("", "")] if pieces[-1][1] else pieces

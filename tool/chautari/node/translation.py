"""Translate the texts that a node mails or prints, from a table that the deploy writes.

The table has the English texts and those in the region's first language. The control side reads
the texts as well: it sets its own functions, which know the language of the command.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

FILE = Path("/etc/chautari/translations.json")
Translate = Callable[[str], str]
ChooseForm = Callable[[str, str, int], str]


class _Choice:
    """How texts are translated."""

    table: Mapping[str, str] = {}
    translate: Translate | None = None
    translate_detail: Translate | None = None
    choose_form: ChooseForm | None = None


def use_functions(
    translate: Translate, choose_form: ChooseForm, translate_detail: Translate
) -> None:
    """Translate with these functions instead of the node's table.

    Args:
        translate: returns a text in another language.
        choose_form: returns the form of a text that fits a number.
        translate_detail: returns a detail of an error, with its values, in another language.
    """
    _Choice.translate, _Choice.choose_form = translate, choose_form
    _Choice.translate_detail = translate_detail


def load_translations(file: Path = FILE) -> None:
    """Use the node's table; without a readable one, texts stay English."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        found = {}
    is_table = isinstance(found, dict) and all(isinstance(text, str) for text in found.values())
    _Choice.table = found if is_table else {}


def N_(text: str) -> str:
    """Mark a text in a constant: it is collected, and translated where it is shown."""
    return text


def translate(text: str) -> str:
    """Return a text in the language of its reader, its placeholders not yet filled in."""
    if _Choice.translate is not None:
        return _Choice.translate(text)
    return _Choice.table.get(text, text)


def translate_detail(text: str) -> str:
    """Return a detail of an error; words of other programs stay as they are."""
    return (_Choice.translate_detail or translate)(text)


def _(text: str, /, **values: object) -> str:
    """Return a text in the language of its reader, with its placeholders filled in."""
    return fill(text, values)


def ngettext(singular: str, plural: str, number: int, /, **values: object) -> str:
    """Return the form of a text that fits `number`, which is its placeholder `{count}`."""
    values["count"] = number
    english_text = singular if number == 1 else plural
    if _Choice.choose_form is not None:
        return _fill(_Choice.choose_form(singular, plural, number), english_text, values)
    return fill(english_text, values)


def fill(text: str, values: Mapping[str, Any]) -> str:
    """Translate a text, and fill its placeholders in."""
    return _fill(translate(text), text, values)


def _fill(text: str, english_text: str, values: Mapping[str, Any]) -> str:
    """Fill in the placeholders; a translation with other ones is not used."""
    try:
        return text.format_map(values)
    except (AttributeError, LookupError, TypeError, ValueError):
        return english_text.format_map(values)

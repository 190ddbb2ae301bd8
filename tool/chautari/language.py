"""The language of human-readable texts: English, or a translation from `translations/`.

`_("… {node} …", node=node)` translates a text, then fills its placeholders. Texts in tables are
translated by the code that shows them. No file is read as long as the language is English.
"""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from pathlib import Path

from chautari.po_file import PoTranslations, texts_of_files

ENGLISH = "en"
FOLDER = Path(__file__).parent / "translations"
# These types mark a constant: its texts are collected for translators, and translated where it is
# shown.
Text = str
TextTemplate = str  # with placeholders
Texts = Mapping[str, str]
# Programs of nodes print and mail the texts of these files. `restore` is read on the control side.
_NODE_FILES = re.compile(r"tool/chautari/node/(?!restore/)|roles/[a-z0-9_]+/meta/receipt")
_ROLE_FILES = re.compile(r"roles/[a-z0-9_]+/(tasks/|handlers/|files/upgrade/)")
_CHECK_FILES = re.compile(
    r"roles/[a-z0-9_]+/checks/|tool/chautari/(checks/|services/[a-z]+/(xmpp|api_client)\.py)"
)
_DETAIL_FILES = re.compile(r"tool/chautari/node/(backup|restore)/(?!\w*texts\.py)")
_KEEP_LINES = "\b\n"  # click's mark of a paragraph whose lines stay


class _Choice:
    """What the command line says about the language; the environment decides the rest."""

    requested = ""
    english_only = False
    language: str | None = None


def N_(message: Text) -> Text:
    """Mark a text in a constant: it is collected, and translated where it is shown."""
    return message


def select(language: str) -> None:
    """Use `language`, such as `es` or `pt_BR`; an empty text means that of the environment."""
    _Choice.requested, _Choice.language = language, None


def use_english_only(value: bool) -> None:
    """Use English instead of the selected language, because programs read the output."""
    _Choice.english_only = value


@contextmanager
def _choice_for_a_while(**changes: object) -> Iterator[None]:
    before = {name: getattr(_Choice, name) for name in changes}
    try:
        for name, value in changes.items():
            setattr(_Choice, name, value)
        yield
    finally:
        for name, value in before.items():
            setattr(_Choice, name, value)


def english() -> AbstractContextManager[None]:
    """Use English for a while."""
    return _choice_for_a_while(english_only=True)


def for_people() -> AbstractContextManager[None]:
    """Use the selected language for a while, for files that people read."""
    return _choice_for_a_while(english_only=False)


def in_language_of(languages: Sequence[str]) -> AbstractContextManager[None]:
    """Use the first of these languages that has a translation, for a text that a region keeps."""
    return _choice_for_a_while(english_only=False, language=best_language(languages))


def current() -> str:
    """Return the language of texts."""
    if _Choice.english_only:
        return ENGLISH
    if _Choice.language is None:
        wanted = [_Choice.requested] if _Choice.requested else languages_of(os.environ)
        _Choice.language = best_language(wanted)
    return _Choice.language


def languages_of(environment: Mapping[str, str]) -> list[str]:
    """Return what LANGUAGE, LC_ALL, LC_MESSAGES and LANG ask for, in the order of GNU gettext."""
    names = (environment.get(name, "") for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    locale = next(filter(None, names), "")
    if locale.partition(".")[0] in ("", "C", "POSIX"):
        return []
    return [*filter(None, environment.get("LANGUAGE", "").split(":")), locale]


def best_language(wanted: Sequence[str]) -> str:
    """Return the first language with a translation, also one of another country: pt → pt_BR."""
    for item in wanted:
        name = item.partition(".")[0].partition("@")[0].replace("-", "_")
        base = name.partition("_")[0]
        if base == ENGLISH:
            return ENGLISH
        near = (known for known in translations() if known.partition("_")[0] == base)
        if found := name if name in translations() else next(near, ""):
            return found
    return ENGLISH


@cache
def translations() -> tuple[str, ...]:
    """Return the languages that have a translation."""
    return tuple(sorted(file.stem for file in FOLDER.glob("*.po")))


@cache
def _load_translation(language: str) -> PoTranslations:
    with (FOLDER / f"{language}.po").open("rb") as file:
        return PoTranslations(file)


@cache
def templates_of_roles(language: str) -> Mapping[str, str]:
    """Return what tasks of roles report, each with its translation; none for English."""
    return _texts_of_files(language, _ROLE_FILES)


@cache
def templates_of_checks(language: str) -> Mapping[str, str]:
    """Return what checks say when they fail, each with its translation; none for English."""
    return _texts_of_files(language, _CHECK_FILES)


@cache
def templates_of_node_details(language: str) -> Mapping[str, str]:
    """Return the details of errors of backups and restores, each with its translation."""
    return _texts_of_files(language, _DETAIL_FILES)


@cache
def texts_of_node_mails(language: str) -> Mapping[str, str]:
    """Return the texts that nodes mail, each with its translation; none for English.

    Both forms of a text with a count are keys; a node chooses between one and several.
    """
    return _texts_of_files(language, _NODE_FILES)


def _texts_of_files(language: str, files: re.Pattern[str]) -> Mapping[str, str]:
    if language == ENGLISH:
        return {}
    with (FOLDER / f"{language}.po").open("rb") as file:
        return texts_of_files(file.read().decode(), files)


def translate(message: str) -> str:
    """Return a text in the language of the command, its placeholders not yet filled in."""
    return _(message)


def _(message: str, /, **values: object) -> str:
    """Return a text in the language of the command, with its placeholders filled in."""
    language = current()
    if language == ENGLISH:
        return message.format_map(values) if values else message
    return _fill(_load_translation(language).gettext(message), message, values)


def ngettext(singular: str, plural: str, number: int, /, **values: object) -> str:
    """Return the form of a text that fits `number`, which is its placeholder `{count}`."""
    found = plural_form(singular, plural, number)
    return _fill(found, singular if number == 1 else plural, values | {"count": number})


def plural_form(singular: str, plural: str, number: int) -> str:
    """Return the form of a text that fits `number`, its placeholders not yet filled in."""
    language = current()
    if language == ENGLISH:
        return singular if number == 1 else plural
    return _load_translation(language).ngettext(singular, plural, number)


def _fill(text: str, english_text: str, values: Mapping[str, object]) -> str:
    """Fill in the placeholders; a translation with other ones is not used."""
    if not values:
        return text
    try:
        return text.format_map(values)
    except (AttributeError, LookupError, TypeError, ValueError):
        return english_text.format_map(values)


def translate_help(text: str) -> str:
    """Return a help text by paragraph; lines of a paragraph may be broken anywhere."""
    if current() == ENGLISH:
        return text
    return "\n\n".join(map(_translate_paragraph, inspect.cleandoc(text).split("\n\n")))


def help_message(paragraph: str) -> str:
    """Return the paragraph of a help text as translators see it; some keep their lines."""
    has_form = paragraph.startswith(_KEEP_LINES)
    return paragraph.removeprefix(_KEEP_LINES) if has_form else " ".join(paragraph.split())


def _translate_paragraph(paragraph: str) -> str:
    form = _KEEP_LINES if paragraph.startswith(_KEEP_LINES) else ""
    return form + _(help_message(paragraph)) if paragraph.strip() else paragraph

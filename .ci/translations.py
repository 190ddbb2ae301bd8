"""Write the files of translators: the template of all texts, and the texts of each language.

make translations                     updates both
python .ci/translations.py --check   says whether the template is out of date
"""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Set
from copy import deepcopy
from datetime import UTC, datetime
from difflib import SequenceMatcher
from pathlib import Path
from string import Formatter

from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po, write_po

from chautari.files import write_atomically
from chautari.language import FOLDER
from chautari.paths import content_root
from chautari.reference.translatable_texts import texts_of_repository

TEMPLATE = FOLDER / "chautari.pot"
BRACE_FORMAT = "python-brace-format"
_WIDTH = 100
_NEAR = 0.8  # of two texts that mean nearly the same; Babel's own limit is 0.6
_COMMENT = """\
# Translations template for Chautari.
# This file is made by `make translations`; docs/translations.md says how to translate.
#"""
_STARTED = datetime(2026, 11, 30, tzinfo=UTC)  # a date that changes would change each file


def template_catalog(root: Path) -> Catalog:
    """Return all texts of the code, each with the files that show it."""
    catalog = Catalog(
        project="Chautari", version="main", header_comment=_COMMENT,
        copyright_holder="Chautari contributors", msgid_bugs_address="docs/translations.md",
        creation_date=_STARTED, revision_date=_STARTED, fuzzy=False,
    )  # fmt: skip
    formats = set()
    for file, text in texts_of_repository(root):
        message = (text.message, text.plural) if text.plural else text.message
        formats |= {text.message} if text.is_format else set()
        catalog.add(message, locations=[(file, 1)])
    _set_flags(catalog, formats)
    return catalog


def _set_flags(catalog: Catalog, formats: Set[str]) -> None:
    """Mark which texts have placeholders: Babel guesses it from braces and percent signs."""
    for message in catalog:
        message.flags -= {"python-format", BRACE_FORMAT}
        if _id_of(message) in formats:
            message.flags.add(BRACE_FORMAT)


def _id_of(message: Message) -> str:
    return str(message.id if isinstance(message.id, str) else message.id[0])


def formats_of(catalog: Catalog) -> set[str]:
    """Return the texts of a template that have placeholders."""
    return {_id_of(message) for message in catalog if BRACE_FORMAT in message.flags}


def placeholders(text: str) -> list[tuple[str, str, str]]:
    """Return the placeholders of a text: name, format and conversion, in the order of names.

    Words after `or` in a format are a text too, so they may differ.
    """
    try:
        parts = list(Formatter().parse(text))
    except ValueError:
        return []
    return sorted(
        (name, re.sub(r"^or .*", "or", form or "", flags=re.DOTALL), conversion or "")
        for _, name, form, conversion in parts
        if name
    )


def catalog_text(catalog: Catalog) -> str:
    """Return a catalog as the text of a file."""
    file = io.BytesIO()
    write_po(file, catalog, width=_WIDTH, include_lineno=False, ignore_obsolete=True)
    return file.getvalue().decode()


def read_catalog(file: Path) -> Catalog:
    """Return the catalog of a language, from its file."""
    with file.open("rb") as content:
        return read_po(content, locale=file.stem, abort_invalid=True)


def updated_text(template: Catalog, file: Path) -> str:
    """Return a language's file with the texts of today; near translations are marked as fuzzy."""
    catalog = read_catalog(file)
    catalog.update(template, update_creation_date=False)
    for message in catalog:
        _drop_distant_guess(message)
        _mark_wrong_plural(message)
    _set_flags(catalog, formats_of(template))
    return catalog_text(catalog)


def _drop_distant_guess(message: Message) -> None:
    """Empty a translation that Babel took from a text of another meaning."""
    if message.fuzzy and message.previous_id:
        before, now = str(message.previous_id[0]), _id_of(message)
        if SequenceMatcher(None, before, now).ratio() < _NEAR:
            message.flags.discard("fuzzy")
            message.previous_id = []
            message.string = ("", "") if isinstance(message.id, tuple) else ""


def _mark_wrong_plural(message: Message) -> None:
    """Empty a translation with as many forms as its text no longer has."""
    if isinstance(message.id, tuple) != isinstance(message.string, tuple):
        message.string = ("", "") if isinstance(message.id, tuple) else ""


def main(arguments: list[str]) -> int:
    """Write the template and the languages' files, or only compare the template."""
    template = template_catalog(content_root())
    text = catalog_text(template)
    if "--check" in arguments:
        if TEMPLATE.is_file() and TEMPLATE.read_text() == text:
            return 0
        print(f"{TEMPLATE.name} is out of date. Fix: make translations", file=sys.stderr)
        return 1
    write_atomically(TEMPLATE, text)
    for file in sorted(FOLDER.glob("*.po")):
        # Babel shares messages without a translation between catalogs.
        write_atomically(file, updated_text(deepcopy(template), file))
        print(f"{file.stem}: {_progress_text(read_catalog(file))}")
    return 0


def _progress_text(catalog: Catalog) -> str:
    """Return how many texts are translated."""
    messages = [message for message in catalog if message.id]
    fuzzy = sum(message.fuzzy for message in messages)
    empty = sum(not all(_forms_of(message)) for message in messages)
    done = len(messages) - fuzzy - empty
    return f"{done} of {len(messages)} texts ({fuzzy} to check, {empty} missing)"


def _forms_of(message: Message) -> tuple[str, ...]:
    return (message.string,) if isinstance(message.string, str) else tuple(message.string or ())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

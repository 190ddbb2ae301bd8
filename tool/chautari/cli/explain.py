"""`deploy explain KEY`: the page of a key of `region.yml`."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any

import click

from chautari.cli.json_output import print_json
from chautari.cli.options import json_option
from chautari.cli.output import echo
from chautari.errors import BadInput
from chautari.language import _
from chautari.reference.key_pages import (
    ANY,
    KeyPage,
    all_key_pages,
    find_pages,
    known_words,
)
from chautari.region.error_messages import as_flow_yaml
from chautari.region.renamed_keys import find_renamed_key
from chautari.report import key_page_texts
from chautari.report.plain_table import table_lines, terminal_width
from chautari.report.text_format import first_sentence
from chautari.services.registry import SERVICES
from chautari.suggestions import nearest_word

MAX_WIDTH = 96


@click.command("explain")
@click.argument("key", required=False)
@json_option
def command(key: str | None, as_json: bool) -> int:
    """Explain a key of region.yml: its meaning, type, default and an example.

    Without a key, the command lists all keys. KEY is the path of a key, or the last part of the
    path.

    \b
    deploy explain languages
    deploy explain nodes.bog1.host_key
    deploy explain quota
    """
    pages = all_key_pages()
    found = list(pages) if key is None else find_pages(pages, key)
    if key is not None and not found:
        raise _unknown_key_error(key, pages)
    if as_json:
        print_json({"keys": [_key_page_object(page) for page in found]})
    elif key is None or len(found) > 1:
        if key is not None:
            echo(_("Several keys are called {key}:\n", key=key))
        rows = [(page.dotted, first_sentence(_description_text(page))) for page in found]
        for line in table_lines((_("Key"), _("Meaning")), rows):
            echo(line)
    else:
        echo("\n".join(_key_page_lines(found[0], pages)))
    return 0


def _unknown_key_error(key: str, pages: tuple[KeyPage, ...]) -> BadInput:
    if renamed := find_renamed_key(tuple(key.split("."))):
        new = ".".join((*renamed.old[:-1], renamed.new))
        return BadInput(
            _("{key} was renamed to {new}", key=key, new=renamed.new), fix=f"deploy explain {new}"
        )
    close = nearest_word(key, known_words(pages))
    fix = (
        _("did you mean: deploy explain {close}", close=close)
        if close
        else _("list all keys: deploy explain")
    )
    return BadInput(_("region.yml has no key {key!r}", key=key), fix=fix)


def _key_page_object(page: KeyPage) -> dict[str, Any]:
    return {
        "key": page.dotted,
        "description": page.description,
        "type": key_page_texts.allowed_values_text(page.schema),
        "required": page.required,
        "default": page.default,
        "example": page.example,
        "children": list(page.children),
    }


def _key_page_lines(page: KeyPage, pages: tuple[KeyPage, ...]) -> Iterator[str]:
    width = min(terminal_width(), MAX_WIDTH)
    yield page.dotted
    indent = "  "
    text = _description_text(page)
    yield from textwrap.wrap(text, width, initial_indent=indent, subsequent_indent=indent)
    yield ""
    yield _(
        "  Type: {allowed_values}", allowed_values=key_page_texts.allowed_values_text(page.schema)
    )
    if page.path[-1] != ANY:
        yield _("  Default: {default_value}", default_value=_default_value_text(page))
    if page.example is not None:
        yield _("  Example:")
        yield from (f"    {line}" for line in _example_lines(page, pages))
    if page.children:
        yield ""
        yield _("  Keys in this mapping:")
        parent = (*page.path, ANY) if page.children == (ANY,) else page.path
        inside = [item for item in pages if item.path[:-1] == parent]
        rows = [(item.dotted, first_sentence(_description_text(item))) for item in inside]
        yield from (f"  {line}" for line in table_lines((_("Key"), _("Meaning")), rows, width - 2))


def _description_text(page: KeyPage) -> str:
    """Return what a key means; that of a service is its name, and what it is for."""
    for service in SERVICES.values():
        if page.description == f"{service.title}: {service.summary}.":
            return f"{_(service.title)}: {_(service.summary)}."
    return _(page.description)


def _default_value_text(page: KeyPage) -> str:
    if page.required:
        return _(key_page_texts.REQUIRED)
    empty = page.default in (None, [], {}, "")
    return _(key_page_texts.NO_DEFAULT) if empty else as_flow_yaml(page.default)


def _example_lines(page: KeyPage, pages: tuple[KeyPage, ...]) -> Iterator[str]:
    """Yield the example under its parents, so that it can be pasted into the file."""
    names = [
        _last_key_or_example_name(page.path[:depth], pages)
        for depth in range(1, len(page.path) + 1)
    ]
    for depth, name in enumerate(names[:-1]):
        yield f"{'  ' * depth}{name}:"
    yield f"{'  ' * (len(names) - 1)}{names[-1]}: {as_flow_yaml(page.example)}"


def _last_key_or_example_name(path: tuple[str, ...], pages: tuple[KeyPage, ...]) -> str:
    """Return the last key of `path`; for a name that the region chooses, the example's."""
    if path[-1] != ANY:
        return path[-1]
    example = next((page.example for page in pages if page.path == path[:-1]), None)
    return next(iter(example)) if isinstance(example, dict) and example else "name"

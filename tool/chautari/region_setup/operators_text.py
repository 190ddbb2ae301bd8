"""Add and remove an operator in the text of a `region.yml`; comments and layout are kept."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from chautari.errors import BadInput, InvalidRegion
from chautari.files import read_regular_file
from chautari.language import _
from chautari.migration.region_key_renaming import Rewrite, write_region_text
from chautari.region.load import check_region_text
from chautari.region.yaml_reader import BYTE_ORDER_MARK, MAX_BYTES, Document, parse_yaml

KEY = "operators"
# A key without quotes: its type, its letters and a plain comment.
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9+/=@._ -]*[A-Za-z0-9+/=]")


def add_operator(file: Path, name: str, keys: Sequence[str]) -> Rewrite:
    """Return the text of `file` with the operator called `name`.

    Raises:
        BadInput: when the text cannot be changed, or would not be valid.
    """
    text, document = _read_region_text(file)
    wanted = _operators_of(document) | {name: keys[0] if len(keys) == 1 else list(keys)}
    return _checked_rewrite(
        file, text, document, _text_with_operator(text, document, name, keys), wanted
    )


def remove_operator(file: Path, name: str) -> Rewrite:
    """Return the text of `file` without the operator called `name`.

    Raises:
        BadInput: when the text cannot be changed, or would not be valid.
    """
    text, document = _read_region_text(file)
    wanted = {key: value for key, value in _operators_of(document).items() if key != name}
    return _checked_rewrite(
        file, text, document, _text_without_operator(text, document, name), wanted
    )


def undo_rewrite(file: Path, rewrite: Rewrite) -> None:
    """Write the old text again, if the file still has the new one.

    Raises:
        BadInput: when it changed in the meantime.
    """
    write_region_text(file, rewrite._replace(old=rewrite.new, new=rewrite.old))


def _read_region_text(file: Path) -> tuple[str, Document]:
    text = read_regular_file(file, MAX_BYTES).decode("utf-8", "replace")
    text = text.removeprefix(BYTE_ORDER_MARK)
    document = parse_yaml(text, file)
    if document.problems:
        raise InvalidRegion(document.problems)
    return text, document


def _operators_of(document: Document) -> dict[str, Any]:
    found = document.data.get(KEY) if isinstance(document.data, dict) else None
    return dict(found) if isinstance(found, dict) else {}


def _checked_rewrite(
    file: Path, old: str, document: Document, new: str | None, wanted: Mapping[str, Any]
) -> Rewrite:
    """Return the change, if the new text says what is wanted, and nothing else."""
    data = None
    if new is not None:
        try:
            data = parse_yaml(new, file).data
        except InvalidRegion:
            data = None
    if new is None or data != {**document.data, KEY: dict(wanted)}:
        raise BadInput(
            _("{file} is written in a form that this command cannot change", file=file),
            fix=_("change {key} in this file by hand, and run: deploy validate", key=KEY),
        )
    __, problems = check_region_text(file, new)
    if problems:
        raise InvalidRegion(problems)
    return Rewrite(old, new, (), None, document)


def _text_with_operator(
    text: str, document: Document, name: str, keys: Sequence[str]
) -> str | None:
    if (KEY,) not in document.key_spans:
        end = "" if text.endswith("\n") else "\n"
        return f"{text}{end}{KEY}:\n{_block_entry('  ', name, keys)}"
    after = text.index(":", document.key_spans[KEY,][1]) + 1
    brace = re.compile(r"\s*\{").match(text, after)
    if brace:
        more = ", " if _operators_of(document) else ""
        values = ", ".join(_quoted_yaml_scalar(key) for key in keys)
        value = values if len(keys) == 1 else f"[{values}]"
        return f"{text[: brace.end()]}{name}: {value}{more}{text[brace.end() :]}"
    entries = list(_operator_names_in_order(document))
    if not entries:
        line_end = text.find("\n", after)
        place = len(text) if line_end < 0 else line_end + 1
        return f"{text[:place]}{_block_entry('  ', name, keys)}{text[place:]}"
    start = document.key_spans[KEY, entries[-1]][0]
    indent = text[text.rfind("\n", 0, start) + 1 : start]
    place = _end_of_block_entry(text, start, len(indent))
    end = "" if text[:place].endswith("\n") else "\n"
    return f"{text[:place]}{end}{_block_entry(indent, name, keys)}{text[place:]}"


def _text_without_operator(text: str, document: Document, name: str) -> str | None:
    entries = list(_operator_names_in_order(document))
    start = document.key_spans[KEY, name][0]
    line = text.rfind("\n", 0, start) + 1
    indent = text[line:start]
    if indent and not indent.strip():
        return text[:line] + text[_end_of_block_entry(text, start, len(indent)) :]
    # Between braces: up to the next entry, or from the end of the one before.
    position = entries.index(name)
    if position + 1 < len(entries):
        return text[:start] + text[document.key_spans[KEY, entries[position + 1]][0] :]
    value = document.scalar_spans.get((KEY, name))
    comma = text.rfind(",", 0, start)
    if value is None or comma < 0:
        return None
    return text[:comma] + text[value[1] :]


def _operator_names_in_order(document: Document) -> list[str]:
    """Return the operators in the order of the text."""
    found = [path for path in document.key_spans if len(path) == 2 and path[0] == KEY]
    return [str(path[1]) for path in sorted(found, key=lambda path: document.key_spans[path])]


def _end_of_block_entry(text: str, start: int, indent: int) -> int:
    """Return where the line after an entry begins: its value may have more lines."""
    end = _start_of_next_line(text, start)
    place = end
    while place < len(text):
        line = text[place : _start_of_next_line(text, place)]
        blank = not line.strip() or line.strip().startswith("#")
        depth = len(line) - len(line.lstrip(" "))
        # A list may stand at the indentation of its key.
        is_item = depth == indent and line[depth:].startswith("- ")
        if not blank and depth <= indent and not is_item:
            break
        place = _start_of_next_line(text, place)
        end = end if blank else place
    return end


def _start_of_next_line(text: str, place: int) -> int:
    found = text.find("\n", place)
    return len(text) if found < 0 else found + 1


def _block_entry(indent: str, name: str, keys: Sequence[str]) -> str:
    if len(keys) == 1:
        return f"{indent}{name}: {_yaml_scalar(keys[0])}\n"
    return f"{indent}{name}:\n" + "".join(f"{indent}  - {_yaml_scalar(key)}\n" for key in keys)


def _yaml_scalar(key: str) -> str:
    return key if _PLAIN.fullmatch(key) else _quoted_yaml_scalar(key)


def _quoted_yaml_scalar(key: str) -> str:
    return "'" + key.replace("'", "''") + "'"

"""Turns pydantic's errors into sentences that say what to write instead."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container, Iterator, Sequence
from functools import cache
from typing import Annotated, Any, Never, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from chautari.errors import ProblemInFile
from chautari.language import Texts, _
from chautari.region.locate import argument_for_region
from chautari.region.model import Region
from chautari.region.renamed_keys import find_renamed_key
from chautari.region.yaml_reader import NO_BREAK_SPACES, Document, Path_, parse_scalar
from chautari.suggestions import nearest_word

_KINDS: Texts = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "dict_type": "a mapping (lines such as key: value)",
    "model_type": "a mapping (lines such as key: value)",
    "model_attributes_type": "a mapping (lines such as key: value)",
    "tuple_type": "a list such as [a, b]",
    "list_type": "a list such as [a, b]",
}
_CODES = {
    "missing": "missing_key",
    "key_type": "wrong_type",
    "literal_error": "unknown_value",
    "greater_than_equal": "out_of_range",
    "less_than_equal": "out_of_range",
    "too_short": "empty",
}
# Words of YAML 1.1 included, which people still write.
_TRUTH = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
# Scripts with letters, and ranges with digits, that look like those of ASCII.
_LOOK_ALIKES = ("CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "COPTIC", "FULLWIDTH", "MATHEMATICAL")
_NEEDS_QUOTES = re.compile(r"^$|^[-?:!&*|>'\"%@`#\s]|[\[\]{},\n\t]|: | #|[:\s]$")


def to_file_problems(document: Document, error: ValidationError) -> list[ProblemInFile]:
    """Return one `ProblemInFile` for every error of `error`, placed in `document`."""
    found = [item for item in error.errors() if not _is_caused_by_wrong_items(item)]
    missing = [str(item["loc"][-1]) for item in found if _is_missing_at_top(item)]
    return [
        document.problem_at(
            error_path(item),
            _with_character_hint(_error_message(document, item, missing), item),
            _error_code(item),
        )
        for item in found
    ]


def _error_code(item: ErrorDetails) -> str:
    """Return the kind of error, for programs."""
    kind = item["type"]
    if kind == "extra_forbidden":
        return "renamed_key" if find_renamed_key(item["loc"]) else "unknown_key"
    return "wrong_type" if kind in _KINDS else _CODES.get(kind, "invalid_value")


def _is_caused_by_wrong_items(item: ErrorDetails) -> bool:
    """Return whether a list counts as too short only because its items are wrong."""
    return item["type"] == "too_short" and bool(item["input"])


def _is_missing_at_top(item: ErrorDetails) -> bool:
    return item["type"] == "missing" and len(item["loc"]) == 1


def error_path(item: ErrorDetails) -> Path_:
    """Return where the error stands; pydantic names a bad mapping key as (..., key, "[key]")."""
    return tuple(part for part in item["loc"] if part != "[key]")


def _error_message(document: Document, item: ErrorDetails, missing: Sequence[str]) -> str:
    kind, value, location = item["type"], item.get("input"), item["loc"]
    context = item.get("ctx", {})
    shown = _value_as_written(document, item)
    if kind == "extra_forbidden":
        return _unknown_key_message_at(document, item, missing)
    if kind == "missing":
        return _("is missing; ") + _example_hint(location)
    if kind == "value_error":
        return str(context["error"]).replace(repr(value), shown)
    if kind == "literal_error":
        return _(
            "{shown} is not a valid value; {choice_hint}",
            shown=shown,
            choice_hint=_choice_hint(document, item),
        )
    if kind == "key_type":
        return _(
            "{shown} is not an SSH public key or a list of them; paste the line from "
            "~/.ssh/id_ed25519.pub, for example {location}: {example}",
            shown=shown,
            location=location[-1],
            example=_example_text(location),
        )
    if kind in _KINDS:
        return _(
            "{shown} is not {kinds}; {wrong_type_hint}",
            shown=shown,
            kinds=_(_KINDS[kind]),
            wrong_type_hint=_wrong_type_hint(document, item),
        )
    if kind in ("greater_than_equal", "less_than_equal"):
        return _(
            "{shown} is out of range; {range_hint}", shown=shown, range_hint=_range_hint(location)
        )
    if kind == "string_pattern_mismatch":
        return _(
            "{shown} has the wrong format; {example_hint}",
            shown=shown,
            example_hint=_example_hint(location),
        )
    if kind == "too_short":
        return _("is empty; ") + _example_hint(location)
    return f"{item['msg']}; {_example_hint(location)}"


def _with_character_hint(message: str, item: ErrorDetails) -> str:
    """Return `message` with what looks like another character in the text that it refuses.

    A no-break space looks like a plain one, and Cyrillic letters look like Latin ones.
    """
    is_key = item["type"] == "extra_forbidden"
    value = item["loc"][-1] if is_key else item.get("input")
    if not isinstance(value, str):
        return message
    start = " It" if message.endswith("?") else _("; it")
    for space in NO_BREAK_SPACES:
        if space in value:
            return _(
                "{message}{start} contains a no-break space (U+{code:04X}); type a normal space",
                message=message,
                start=start,
                code=ord(space),
            )
    # Messages about free text do not show it: there, every letter is right.
    if "ASCII" in message or not (is_key or repr(value) in message):
        return message
    for letter in value:
        name = unicodedata.name(letter, "")
        if name.startswith(_LOOK_ALIKES):
            return _(
                "{message}{start} contains {letter} (U+{code:04X}, {name}), which only "
                "looks like an ASCII character; type the word again",
                message=message,
                start=start,
                letter=letter,
                code=ord(letter),
                name=name.lower(),
            )
    return message


def _value_as_written(document: Document, item: ErrorDetails) -> str:
    """Return the refused value as the file has it, shortened."""
    value = item.get("input")
    written = document.plain.get(item["loc"])
    if value is None:
        return written or _("an empty value")
    text = repr(value) if isinstance(value, str) else written or as_flow_yaml(value)
    return text if len(text) <= 60 else text[:57] + "…"


def _wrong_type_hint(document: Document, item: ErrorDetails) -> str:
    """Return how to write a value of the right type: only advice that `validate` accepts."""
    value, location = item.get("input"), item["loc"]
    written = document.plain.get(location)
    for other in _likely_intended_values(value, written):
        if not _accepts_value(location, other):
            continue
        text = as_flow_yaml(other)
        if isinstance(other, str) and not isinstance(value, list):
            return _("put it in quotes: {text}", text=text)
        if isinstance(value, str) and written is None and not isinstance(other, list):
            return _("write {text} without quotes", text=text)
        return _("write {as_line_of_file}", as_line_of_file=_as_line_of_file(location, text))
    return _example_hint(location) + (
        _(", or delete this key") if _is_null_for_optional_field(item) else ""
    )


def _likely_intended_values(value: Any, written: str | None) -> Iterator[Any]:
    """Yield what a person may have meant by a value of the wrong type."""
    if isinstance(value, bool | int | float):
        yield written or as_flow_yaml(value)
    elif isinstance(value, str):
        if value.lower() in _TRUTH:
            yield _TRUTH[value.lower()]
        # Longer numbers Python does not convert, and no field takes them.
        if len(value) < 20 and value.isascii() and value.isdecimal():
            yield int(value)
        yield [value]
    elif isinstance(value, list) and len(value) == 1:
        yield value[0]


def _is_null_for_optional_field(item: ErrorDetails) -> bool:
    field = _field_at(item["loc"])
    return item.get("input") is None and field is not None and not field.is_required()


def _accepts_value(location: Sequence[str | int], value: object) -> bool:
    """Return whether a region may have `value` at `location`."""
    try:
        _validator_at(tuple(location)).validate_python(value)
    except ValidationError:
        return False
    return True


@cache
def _validator_at(location: Path_) -> TypeAdapter[Any]:
    """Return what checks a value at `location`; it takes long to build."""
    annotation: Any = _type_at(location) or Never
    return TypeAdapter(annotation)


def _range_hint(location: Sequence[str | int]) -> str:
    """Return the limits of the number at `location`."""
    field = _field_at(location)
    limits = {
        name: getattr(part, name)
        for part in (field.metadata if field else ())
        for name in ("ge", "le")
        if hasattr(part, name)
    }
    if limits.keys() != {"ge", "le"}:
        return _example_hint(location)
    return _("write a number from {ge} to {le}", ge=limits["ge"], le=limits["le"])


def _choice_hint(document: Document, item: ErrorDetails) -> str:
    """Return which of the fixed values was probably meant; never the one that stands there."""
    choices = re.findall("'([^']*)'", item.get("ctx", {})["expected"])
    value = item.get("input")
    written = document.plain.get(item["loc"])
    if not isinstance(value, str):
        if written in choices:
            return _("put it in quotes: {written}", written=as_flow_yaml(written))
    elif close := nearest_word(value, choices):
        return _("did you mean {close}?", close=as_flow_yaml(close))
    return _("choose one of: {choices}", choices=", ".join(map(as_flow_yaml, choices)))


def unknown_key_message(key: str, names: Sequence[str], present: Container[str] = ()) -> str:
    """Return what to tell about a key that is not one of `names`.

    A name in `present` is never proposed: it would appear twice.
    """
    if close := nearest_word(key, [name for name in names if name not in present]):
        return _("unknown key; did you mean {close}?", close=close)
    if close := nearest_word(key, names):
        return _("unknown key; delete it, because {close} is already set", close=close)
    return _("unknown key; valid keys here: {names}", names=", ".join(names))


def _unknown_key_message_at(document: Document, item: ErrorDetails, missing: Sequence[str]) -> str:
    """Return which key was meant: one of the missing ones, if only such a one takes the value."""
    location = item["loc"]
    if renamed := find_renamed_key(location):
        return _(
            "Chautari {release} renamed this key to {new}; write {new} instead, or run: "
            "deploy migrate {argument_for_region}",
            release=renamed.release,
            new=renamed.new,
            argument_for_region=argument_for_region(document.file),
        )
    *parents, key = location
    model = _model_at(parents)
    names = [field.alias or name for name, field in model.model_fields.items()] if model else []
    present = [name for name in names if (*parents, name) in document.marks]
    close = nearest_word(str(key), [name for name in names if name not in present])
    fits = [name for name in missing if not parents and _accepts_value((name,), item["input"])]
    if fits and (close is None or close not in missing):
        return _("unknown key; did you mean {fits}?", fits=fits[0])
    return unknown_key_message(str(key), names, present)


def _example_hint(location: Sequence[str | int]) -> str:
    text = _example_text(location)
    return (
        _("write, for example, {as_line_of_file}", as_line_of_file=_as_line_of_file(location, text))
        if text
        else _("see docs/reference/region.md")
    )


def _as_line_of_file(location: Sequence[str | int], text: str) -> str:
    """Return a value as it stands in the file, after its key or as an item of a list."""
    key = location[-1] if location else 0
    return text if isinstance(key, int) else f"{key}: {text}"


def _example_text(location: Sequence[str | int]) -> str:
    """Return an example of the value at `location`, out of the example of the nearest field."""
    for length in range(len(location), 0, -1):
        field = _field_at(location[:length])
        if field is None or not field.examples:
            continue
        example = field.examples[0]
        for part in location[length:]:
            if isinstance(example, dict) and example:
                example = example.get(part, next(iter(example.values())))
            elif isinstance(example, list) and example:
                example = example[0]
        return as_flow_yaml(example)
    return ""


def _field_at(location: Sequence[str | int]) -> FieldInfo | None:
    """Return the field of the model that `location` names; None for an item of a list."""
    if not location:
        return None
    *parents, key = location
    model = _model_at(parents)
    fields = model.model_fields.items() if model else ()
    return next((field for name, field in fields if key == (field.alias or name)), None)


def as_flow_yaml(value: Any) -> str:
    """Return `value` as one line of YAML that Chautari reads as the same value."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {as_flow_yaml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(as_flow_yaml, value)) + "]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = str(value)
    if isinstance(value, str) and (parse_scalar(text) != text or _NEEDS_QUOTES.search(text)):
        return "'" + text.replace("'", "''") + "'"
    return text


def _model_at(location: Sequence[str | int]) -> type[BaseModel] | None:
    """Return the model that describes the mapping at `location`."""
    model = _without_annotated_and_none(_type_at(location))
    return model if isinstance(model, type) and issubclass(model, BaseModel) else None


def _type_at(location: Sequence[str | int]) -> Any:
    """Return the type of the value at `location`, walking from `Region`; None if unknown."""
    found: Any = Region
    for part in location:
        plain = _without_annotated_and_none(found)
        if isinstance(plain, type) and issubclass(plain, BaseModel):
            fields = {field.alias or name: field for name, field in plain.model_fields.items()}
            found = fields[str(part)].rebuild_annotation() if str(part) in fields else None
        elif get_origin(plain) is dict:
            found = get_args(plain)[1]
        elif get_origin(plain) in (tuple, list):
            found = get_args(plain)[0]
        else:
            return None
    return found


def _without_annotated_and_none(annotation: Any) -> Any:
    """Return the type inside of `Annotated` and of `… | None`."""
    while get_origin(annotation) is Annotated or _is_optional(annotation):
        annotation = next(part for part in get_args(annotation) if part is not type(None))
    return annotation


def _is_optional(annotation: Any) -> bool:
    return type(None) in get_args(annotation)

"""Turns pydantic's errors into sentences that say what to write instead."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, get_args

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from chautari.errors import FileProblem
from chautari.region.model import Region
from chautari.region.renamed_keys import find_renamed_key
from chautari.region.yaml_reader import NO_BREAK_SPACES, Document, Path_

_KINDS = {
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


def to_file_problems(document: Document, error: ValidationError) -> list[FileProblem]:
    """Return one `FileProblem` for every error of `error`, placed in `document`."""
    found = [item for item in error.errors() if not _is_follow_up_error(item)]
    return [
        document.problem_at(error_path(item), _error_message(item) + _hidden_space_hint(item))
        for item in found
    ]


def nearest_word(word: str, known: Sequence[str]) -> str | None:
    """Return the one of `known` that `word` was probably meant to be."""
    import difflib  # only a mistake needs it

    return next(iter(difflib.get_close_matches(word, known, n=1)), None)


def _is_follow_up_error(item: ErrorDetails) -> bool:
    """Return whether a list counts as too short only because its items are wrong."""
    return item["type"] == "too_short" and bool(item["input"])


def error_path(item: ErrorDetails) -> Path_:
    """Return where the error stands; pydantic names a bad mapping key as (..., key, "[key]")."""
    return tuple(part for part in item["loc"] if part != "[key]")


def _error_message(item: ErrorDetails) -> str:
    kind, value, context = item["type"], item.get("input"), item.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown_key_message(item["loc"])
    if kind == "missing":
        return "is missing; " + _example_hint(item["loc"])
    if kind == "value_error":
        return str(context["error"]).replace(repr(value), _shown_value(value))
    if kind == "literal_error":
        return _unknown_value_message(value, context["expected"])
    if kind in _KINDS:
        return f"{_shown_value(value)} is not {_KINDS[kind]}{_type_hint(kind, value, item['loc'])}"
    if kind in ("greater_than_equal", "less_than_equal"):
        return f"{_shown_value(value)} is out of range; {_example_hint(item['loc'])}"
    if kind == "string_pattern_mismatch":
        return f"{_shown_value(value)} has the wrong format; {_example_hint(item['loc'])}"
    if kind == "too_short":
        return "is empty; " + _example_hint(item["loc"])
    return f"{item['msg']}; {_example_hint(item['loc'])}"


def _hidden_space_hint(item: ErrorDetails) -> str:
    """Return a sentence about a no-break space in a refused value: it looks like a plain one."""
    value = item.get("input")
    for space in NO_BREAK_SPACES if isinstance(value, str) else "":
        if space in value:
            return f"; it contains a no-break space (U+{ord(space):04X}); type a normal space"
    return ""


def _shown_value(value: Any) -> str:
    if value is None:
        return "an empty value"
    if isinstance(value, bool):
        return str(value).lower()
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"


def _type_hint(kind: str, value: Any, location: Sequence[str | int]) -> str:
    """Return how to write a value of the right type: only advice that `validate` accepts."""
    if kind == "string_type" and isinstance(value, bool | int | float):
        quoted = _shown_value(value)
        accepted = _field_accepts_value(location, quoted)
        return f"; put it in quotes: '{quoted}'" if accepted else f"; {_example_hint(location)}"
    # Longer ones Python does not convert, and no field takes them.
    digits = isinstance(value, str) and len(value) < 20 and value.isascii() and value.isdecimal()
    if kind not in ("int_type", "int_parsing"):
        return ""
    if digits and _field_accepts_value(location, int(value)):
        return f"; write {int(value)} without quotes"
    return f"; {_example_hint(location)}"


def _field_accepts_value(location: Sequence[str | int], value: object) -> bool:
    """Return whether the field at `location` takes `value`."""
    field = _field_at(location)
    if field is None:
        return False
    try:
        TypeAdapter(field.rebuild_annotation()).validate_python(value)
    except ValidationError:
        return False
    return True


def _unknown_value_message(value: Any, expected: str) -> str:
    choices = expected.replace("'", "").replace(" or ", ", ")
    close = nearest_word(str(value), choices.split(", "))
    hint = f"did you mean {close}?" if close else f"choose one of: {choices}"
    return f"{_shown_value(value)} is not a valid value; {hint}"


def _unknown_key_message(location: Sequence[str | int]) -> str:
    if renamed := find_renamed_key(location):
        return (
            f"Chautari {renamed.release} renamed this key to {renamed.new}; write {renamed.new} "
            "instead"
        )
    *parents, key = location
    model = _model_at(parents)
    names = [field.alias or name for name, field in model.model_fields.items()] if model else []
    close = nearest_word(str(key), names)
    if close:
        return f"unknown key; did you mean {close}?"
    return f"unknown key; valid keys here: {', '.join(names)}"


def _example_hint(location: Iterable[str | int]) -> str:
    field = _field_at(location)
    if field is not None and field.examples:
        *_, key = location
        return f"write, for example, {key}: {_as_flow_yaml(field.examples[0])}"
    return "see docs/reference/region.md"


def _field_at(location: Iterable[str | int]) -> FieldInfo | None:
    """Return the field of the model that `location` names; None for an item of a list."""
    *parents, key = location
    model = _model_at(parents)
    fields = model.model_fields.items() if model else ()
    return next((field for name, field in fields if key in (name, field.alias)), None)


def _as_flow_yaml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_as_flow_yaml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_as_flow_yaml, value)) + "]"
    return str(value)


def _model_at(location: Iterable[str | int]) -> type[BaseModel] | None:
    """Return the model that describes the mapping at `location`, walking from `Region`."""
    model: Any = Region
    for part in location:
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            model = _inner_type(model)  # one key of a dict[Name, Model]
            continue
        fields = {field.alias or name: field for name, field in model.model_fields.items()}
        model = fields[str(part)].annotation if str(part) in fields else None
        if model is not None and _is_optional(model):
            model = _inner_type(model)
    return model if isinstance(model, type) and issubclass(model, BaseModel) else None


def _is_optional(annotation: Any) -> bool:
    return type(None) in get_args(annotation)


def _inner_type(annotation: Any) -> Any:
    inner = [part for part in get_args(annotation) if part is not type(None)]
    return inner[-1] if inner else None

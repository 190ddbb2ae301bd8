"""The texts of reasons, notices and refusals: the only module that makes sentences from codes.

A text follows from a code and its data; no other code compares or stores it. A template is a
format string whose fields are keys of the data, or a function of the data where a part may be left
out. Lists are joined with commas; `{key:or words}` shows the words where the value is empty.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from string import Formatter

Scalar = str | int | float | bool | None
Data = Mapping[str, Scalar | Sequence[str]]
Template = str | Callable[[Data], str]

REASONS: dict[str, Template] = {
    "text": "{text}",
}

NOTICES: dict[str, Template] = {
    "role_message": "{text}",
    "text": "{text}",
}

# What happened, and what to do about it.
REFUSALS: dict[str, tuple[Template, Template]] = {
    "text": ("{reason}", "{fix}"),
}


class _Formatter(Formatter):
    """Fill a template; a value that is missing becomes a question mark."""

    def get_value(self, key: int | str, args: object, kwargs: Data) -> object:
        """Return the value of `key`."""
        return kwargs.get(str(key), "?")

    def format_field(self, value: object, format_spec: str) -> str:
        """Join lists, and show the words after `or` in place of an empty value."""
        text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else value
        if format_spec.startswith("or "):
            return str(text or format_spec.removeprefix("or "))
        return format(text, format_spec)


def render(template: Template | None, code: str, data: Data) -> str:
    """Return the text of a code; without a fitting template, the code with its data."""
    try:
        if callable(template):
            return template(data)
        if template is not None:
            return _Formatter().vformat(template, (), data)
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
        pass  # a newer or faulty node sent data of another shape: show what came
    return f"{code} ({', '.join(f'{key}={value}' for key, value in data.items())})"


def reason(code: str, data: Data) -> str:
    """Return why a role runs, in one or several lines."""
    return render(REASONS.get(code), code, data)


def notice(code: str, data: Data) -> str:
    """Return the sentence of a notice."""
    return render(NOTICES.get(code), code, data)


def refusal(code: str, data: Data) -> tuple[str, str]:
    """Return why a node was left as it is, and what to do about it."""
    happened, fix = REFUSALS.get(code, (None, ""))
    return render(happened, code, data), render(fix, code, data)

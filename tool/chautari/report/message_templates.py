"""Make texts from templates and the data of a code, which may come from a faulty node.

A template is a format string whose fields are keys of the data, or a function of the data where a
part may be left out. Lists are joined with commas; `{key:or words}` shows the words where the value
is empty, and `{key:time}` shows a time as a readable date.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from string import Formatter
from typing import Any

from chautari.language import _
from chautari.report.text_format import readable_time

Data = Mapping[str, Any]
Template = str | Callable[[Data], str]


class _TemplateFormatter(Formatter):
    """Fill a template; a value that is missing becomes a question mark."""

    def get_value(self, key: int | str, args: object, kwargs: Data) -> object:
        """Return the value of `key`."""
        return kwargs.get(str(key), "?")

    def format_field(self, value: object, format_spec: str) -> str:
        """Join lists, show times as dates, and words after `or` in place of an empty value."""
        if format_spec == "time":
            return time_text(value)
        text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else value
        if format_spec.startswith("or "):
            return str(text or format_spec.removeprefix("or "))
        return format(text, format_spec)


def time_text(value: object) -> str:
    """Return an ISO time, or seconds since 1970, as a readable date.

    Raises:
        TypeError, ValueError, OverflowError, OSError: when a number is no such time.
    """
    if isinstance(value, str):
        return readable_time(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(value)
    return readable_time(datetime.fromtimestamp(value, UTC).isoformat())


def fill_template(template: Template | None, code: str, data: Data) -> str:
    """Return the text of a code; without a fitting template, the code with its data."""
    try:
        if callable(template):
            return template(data)
        if template is not None:
            return _TemplateFormatter().vformat(_(template), (), data)
    except (AttributeError, LookupError, OSError, OverflowError, TypeError, ValueError):
        pass  # a newer or faulty node sent data of another shape: show the data
    return f"{code} ({', '.join(f'{key}={value}' for key, value in data.items())})"

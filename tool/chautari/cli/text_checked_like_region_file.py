"""Options and answers that are checked like the same values in `region.yml`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click


class CheckedText(click.ParamType[Any]):
    """A text that a validator turns into a value, or refuses with what to write instead."""

    def __init__(self, name: str, validator: Callable[[str], Any]) -> None:
        """Use `validator`, which raises ValueError; `name` is shown in the help."""
        self.name = name
        self._validate = validator

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str | None:
        """Return the form of the text; click would write it in capitals."""
        return self.name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the checked value."""
        if not isinstance(value, str):
            return value
        try:
            return self._validate(value.strip())
        except ValueError as error:
            self.fail(str(error), param, ctx)

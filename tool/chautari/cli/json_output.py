"""Results and errors as JSON: with `--json`, a command prints exactly one object here."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from typing import Any

import click

from chautari.errors import ChautariError
from chautari.language import use_english_only

# What `--json` says on the command line that runs now; None until click has read it.
_requested: ContextVar[bool | None] = ContextVar("json_requested", default=None)


def forget_json_request() -> None:
    """Begin a command line of which nothing is known yet."""
    _requested.set(None)


def remember_json_request(_: click.Context, __: click.Parameter, value: bool) -> bool:
    """Store whether `--json` was given: the callback of this option."""
    _requested.set(value)
    use_english_only(value)  # programs that read JSON compare with English texts
    return value


def is_json_requested(arguments: Sequence[str]) -> bool:
    """Return whether the result must be JSON, also where click could not read `arguments`.

    In `deploy run andes occ status --json`, the option belongs to the command on the node.
    """
    known = _requested.get()
    if known is not None:
        return known
    own = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return "--json" in own


def print_json(data: Mapping[str, Any], *, ok: bool = True) -> None:
    """Print one JSON object to standard output. Its first key is `ok`, here or in `data`."""
    click.echo(json.dumps({"ok": ok, **data}, indent=2))


def print_error(error: ChautariError) -> None:
    """Print the object of a command that failed: the whole error, and each mistake by itself."""
    print_json({"error": error.as_object(), "errors": error.items()}, ok=False)

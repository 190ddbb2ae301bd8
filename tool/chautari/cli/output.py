"""Print to the terminal: text is cleaned first, since names and messages may come from anyone."""

from __future__ import annotations

import click

from chautari.report.text_format import escape_unsafe_characters


def echo(text: str = "", *, err: bool = False, nl: bool = True) -> None:
    """Print text in which control characters and direction overrides are escaped."""
    click.echo(escape_unsafe_characters(text), err=err, nl=nl)

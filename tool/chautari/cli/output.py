"""Print to the terminal: text is cleaned first, since names and messages may come from anyone."""

from __future__ import annotations

import os
from typing import TextIO

import click

from chautari.report.text_format import escape_unsafe_characters


def echo(text: str = "", *, err: bool = False, nl: bool = True) -> None:
    """Print text in which control characters and direction overrides are escaped."""
    click.echo(escape_unsafe_characters(text), err=err, nl=nl)


def discard_output(stream: TextIO) -> None:
    """Send what was not written to `stream`, and all that follows, to nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    stream.flush()

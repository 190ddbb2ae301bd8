"""Show click's own texts, and the help of commands, in the language of the command."""

from __future__ import annotations

from collections.abc import Sequence

import click
from click import core, decorators, exceptions, formatting, parser, termui, types

from chautari.language import _, plural_form, translate_help

_CLICK = (core, decorators, exceptions, formatting, parser, termui, types)


def translate_click() -> None:
    """Let click take its texts from our translations: it would look for compiled files."""
    for module in _CLICK:
        for name, function in (("_", _), ("ngettext", plural_form)):
            if hasattr(module, name):
                setattr(module, name, function)


def translate_command(command: click.Command) -> click.Command:
    """Translate the help of a command, of its options and of the commands below it."""
    command.help = _translated_help(command)
    translate_options(command.params)
    vars(command)["_help_option"] = None  # click keeps it in the language of its first use
    if isinstance(command, click.Group):
        for name in command.commands:
            translate_command(command.commands[name])
    return command


def translate_options(params: Sequence[click.Parameter]) -> list[click.Parameter]:
    """Translate the help of options."""
    for param in params:
        if isinstance(param, click.Option):
            param.help = _translated_help(param)
    return list(params)


def _translated_help(item: click.Command | click.Option) -> str | None:
    """Return the help of a command or an option; its English text stays known."""
    text: str | None = vars(item).setdefault("english_help", item.help)
    return translate_help(text) if text else text

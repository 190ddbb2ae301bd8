"""Mistakes in the command line, with the corrected command where one word is wrong."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

import click

from chautari.errors import BadInput
from chautari.suggestions import nearest_word

_NOT_A_CHOICE = re.compile(r"'(.*)' is not one of ")


class UsageMistake(BadInput):
    """A mistake in the command line.

    Attributes:
        is_corrected: whether `fix` is the command line with the word that was meant.
    """

    error_code = "usage"
    is_corrected = False


def to_usage_mistake(error: click.ClickException, arguments: Sequence[str]) -> UsageMistake:
    """Return the error with what to do: the corrected command, or the command's help."""
    word, meant = _unknown_and_intended_word(error)
    if meant:
        message = error.format_message().partition(" Did you mean")[0]
        mistake = UsageMistake(
            message, fix=f"did you mean: {corrected_command(arguments, word, meant)}"
        )
        mistake.is_corrected = True
        return mistake
    message, _, fix = error.format_message().partition(" Fix: ")
    context: click.Context | None = getattr(error, "ctx", None)
    help_command = f"{context.command_path if context else 'deploy'} --help"
    return UsageMistake(message, fix=fix or f"see the options and arguments: {help_command}")


def corrected_command(arguments: Sequence[str], word: str, meant: str) -> str:
    """Return the command line with `meant` in place of `word`."""
    fixed = list(arguments)
    for index, argument in enumerate(arguments):
        option, equals, value = argument.partition("=")
        if argument == word or (equals and option == word):
            fixed[index] = meant + argument.removeprefix(word)
            break
        if equals and value == word:
            fixed[index] = f"{option}={meant}"
            break
    return shlex.join(("deploy", *fixed))


def _unknown_and_intended_word(error: click.ClickException) -> tuple[str, str]:
    """Return the word that is not known and the one that was meant; empty if none is near."""
    if isinstance(error, click.NoSuchOption):
        return error.option_name, next(iter(error.possibilities or ()), "")
    if isinstance(error, click.exceptions.NoSuchCommand):
        context = error.ctx
        group = context.command if context else None
        names = group.list_commands(context) if context and isinstance(group, click.Group) else ()
        return error.command_name, nearest_word(error.command_name, names) or ""
    param = getattr(error, "param", None)
    if isinstance(error, click.BadParameter) and param and isinstance(param.type, click.Choice):
        found = _NOT_A_CHOICE.match(error.message)
        word = found[1] if found else ""
        return word, nearest_word(word, list(map(str, param.type.choices))) or ""
    return "", ""

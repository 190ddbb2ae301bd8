"""Mistakes in the command line, with the corrected command where one word is wrong."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

import click

from chautari.errors import BadInput
from chautari.language import _
from chautari.suggestions import nearest_word


class UsageMistake(BadInput):
    """A mistake in the command line.

    Attributes:
        is_corrected: whether `fix` is the command line with the word that was meant.
    """

    error_code = "usage"
    is_corrected = False


def to_usage_mistake(error: click.ClickException, arguments: Sequence[str]) -> UsageMistake:
    """Return the error with what to do: the corrected command, or the command's help."""
    word, meant = _unknown_and_intended_word(error, arguments)
    if meant:
        # click's own proposal is left out of the message.
        known = isinstance(error, click.NoSuchOption | click.exceptions.NoSuchCommand)
        message = error.message if known else error.format_message()
        mistake = UsageMistake(
            message,
            fix=_(
                "did you mean: {corrected_command}",
                corrected_command=corrected_command(arguments, word, meant),
            ),
        )
        mistake.is_corrected = True
        return mistake
    message, __, fix = error.format_message().partition(" Fix: ")
    context: click.Context | None = getattr(error, "ctx", None)
    help_command = f"{context.command_path if context else 'deploy'} --help"
    return UsageMistake(
        message,
        fix=fix or _("see the options and arguments: {help_command}", help_command=help_command),
    )


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


def _refused_word(
    error: click.BadParameter, choice: click.Choice[Any], arguments: Sequence[str]
) -> str:
    """Return the word of the command line that the message of `error` is about."""
    words = [word for item in arguments for word in (item, item.partition("=")[2])]
    refused = (
        word
        for word in words
        if choice.get_invalid_choice_message(word, error.ctx) == error.message
    )
    return next(refused, "")


def _unknown_and_intended_word(
    error: click.ClickException, arguments: Sequence[str]
) -> tuple[str, str]:
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
        word = _refused_word(error, param.type, arguments)
        return word, nearest_word(word, list(map(str, param.type.choices))) or ""
    return "", ""

"""Parses a line of `deploy`, as pages and messages show it, with the parser of the real command."""

from __future__ import annotations

import re
import shlex

import click

from chautari.cli.default_command import GroupWithDefault
from chautari.cli.main import deploy

# What a reader replaces: NAME, NODE, `bog1:mbit=SPEED`, …
PLACEHOLDER = re.compile(r"(?:^|[=:@])[A-Z][A-Z0-9_-]*$|…")
SHELL_SIGNS = ("|", "&&", ";", ">", ">>", "<")


def problem_with_command(line: str, *, whole: bool = True) -> str | None:
    """Return why the command would refuse this line; None if it would run.

    If the line is not `whole`, it may lack arguments, such as the name of the region. The values of
    options that name a file are not looked at.
    """
    try:
        words = _words(line)
    except ValueError as error:
        return f"{line}: {error}"
    command: click.Command = deploy
    names = ["deploy"]
    while isinstance(command, click.Group):
        if not words or words[0].startswith("-") or (PLACEHOLDER.search(words[0]) and not whole):
            return None if not whole or words else f"{line}: a command is missing"
        if isinstance(command, GroupWithDefault) and words[0] not in command.commands:
            words.insert(0, command.default)
        names.append(words.pop(0))
        found = command.get_command(click.Context(command), names[-1])
        if found is None:
            return f"{line}: no command {' '.join(names)}"
        command = found
    problem = _problem_with_arguments(command, words, whole)
    return f"{line}: {problem}" if problem else None


def _words(line: str) -> list[str]:
    words = shlex.split(line, comments=True)
    # What follows `--` belongs to a command on a node.
    end = min((words.index(sign) for sign in SHELL_SIGNS if sign in words), default=len(words))
    return words[1:end]


def _problem_with_arguments(command: click.Command, words: list[str], whole: bool) -> str:
    if "--help" in words:
        return ""
    context = command.context_class(command, info_name=command.name, **command.context_settings)
    try:
        values, rest, _ = command.make_parser(context).parse_args(list(words))
        for param in command.params:
            given = values.get(param.name)
            if whole and param.required and not (isinstance(given, str | list | tuple) and given):
                return f"{param.human_readable_name} is missing"
            for value in given if isinstance(given, list | tuple) else [given]:
                _check_value(param, value, context)
    except click.BadOptionUsage as error:
        return str(error) if whole or isinstance(error, click.NoSuchOption) else ""
    except click.UsageError as error:
        return str(error)
    return f"too many arguments: {' '.join(rest)}" if rest and not context.allow_extra_args else ""


def _check_value(param: click.Parameter, value: object, context: click.Context) -> None:
    if not isinstance(value, str) or PLACEHOLDER.search(value):
        return
    if not isinstance(param.type, click.Path | click.File):
        param.type.convert(value, param, context)

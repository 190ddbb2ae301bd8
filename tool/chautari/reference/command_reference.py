"""The reference page of the command, from the commands' own help."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import click

from chautari.cli.main import COMMANDS, deploy

_HEAD = """\
# The deploy command

Generated from the command's help by `make generate`; do not edit.

[Results of the command](results.md) explains exit codes, states, files and JSON.
"""


def command_reference_text() -> str:
    """Return the reference page of the command: a table of all, then a section each."""
    lines = [_HEAD, "| command | use |", "|---|---|"]
    lines += [f"| [`deploy {name}`](#deploy-{name}) | {use} |" for name, use in COMMANDS.items()]
    context = click.Context(deploy, info_name="deploy")
    for name in COMMANDS:
        command = deploy.get_command(context, name)
        assert command is not None
        lines += ["", *_command_section(command, click.Context(command, context, info_name=name))]
    return "\n".join(lines) + "\n"


def _command_section(
    command: click.Command, context: click.Context, level: int = 2
) -> Iterator[str]:
    usage = context.command_path + " " + " ".join(command.collect_usage_pieces(context))
    yield from (f"{'#' * level} {context.command_path}", "", "```sh", usage, "```", "")
    yield from _help_paragraphs(command.help or "")
    yield from _options_table(command, context)
    if isinstance(command, click.Group):
        for name, part in command.commands.items():
            yield ""
            yield from _command_section(
                part, click.Context(part, context, info_name=name), level + 1
            )


def _help_paragraphs(help_text: str) -> Iterator[str]:
    """Yield the help's paragraphs; those that click leaves as they are become code."""
    for number, paragraph in enumerate(inspect.cleandoc(help_text).split("\n\n")):
        if number:
            yield ""
        lines = paragraph.splitlines()
        yield from ["```sh", *lines[1:], "```"] if lines[:1] == ["\b"] else lines


def _options_table(command: click.Command, context: click.Context) -> Iterator[str]:
    records = [
        record
        for option in command.get_params(context)
        if isinstance(option, click.Option) and option is not command.get_help_option(context)
        if (record := option.get_help_record(context))
    ]
    if records:
        yield from ("", "| option | meaning |", "|---|---|")
        for option, meaning in records:
            cells = (" ".join(cell.split()).replace("|", r"\|") for cell in (option, meaning))
            yield "| `{}` | {} |".format(*cells)

"""Shared by commands that run something on a node: what it printed, and how it ended."""

from __future__ import annotations

import sys

from chautari import process
from chautari.cli.json_output import print_json
from chautari.cli.output import echo
from chautari.deploy.logs_and_commands import CommandResult
from chautari.errors import BadInput
from chautari.language import _
from chautari.ssh.runner_client import SSH_FAILED
from chautari.ssh.target import SSHTarget, terminal_ssh_argv

MAX_STDIN = 16 << 20


def print_result(region: str, result: CommandResult, as_json: bool) -> int:
    """Print what a command on a node printed, cleaned, and return its exit code."""
    if as_json:
        print_json({"region": region, **result._asdict()}, ok=result.code == 0)
        return result.code
    if result.stdout:
        echo(result.stdout)
    if result.stderr:
        echo(result.stderr, err=True)
    return result.code


def require_terminal(command: str) -> None:
    """Make sure that a person sits at this terminal.

    Raises:
        BadInput: when the input or the output is something else.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise BadInput(
            _("this needs a terminal, but there is none"), fix=_("run: {command}", command=command)
        )


def run_in_terminal(target: SSHTarget, command: str = "") -> int:
    """Open a terminal on a node; return its exit code, or 1 if the node could not be reached."""
    code = process.run_in_terminal(terminal_ssh_argv(target, command))
    return 1 if code == SSH_FAILED else code


def read_stdin() -> bytes:
    """Return standard input, for a command on a node.

    Raises:
        BadInput: when it is too long.
    """
    content = sys.stdin.buffer.read(MAX_STDIN + 1)
    if len(content) > MAX_STDIN:
        raise BadInput(
            _("standard input is longer than {max_stdin} MB", max_stdin=MAX_STDIN >> 20),
            fix=_(
                "copy the file to the node with scp, then give its path on the node to the command"
            ),
        )
    return content

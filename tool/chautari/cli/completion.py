"""`deploy completion SHELL`: prints the script that a shell's start file reads."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the completion script for a shell. For bash, save it with this command:

    \b
    deploy completion bash > ~/.local/share/bash-completion/completions/deploy
    """
    from chautari.cli.main import deploy

    completion = get_completion_class(shell)
    assert completion is not None
    click.echo(completion(deploy, {}, "deploy", "_DEPLOY_COMPLETE").source())

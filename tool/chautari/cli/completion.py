"""`deploy completion SHELL`: prints the script that a shell's start file reads."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from chautari.cli.json_output import print_json
from chautari.cli.main import deploy
from chautari.cli.options import json_option


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@json_option
def command(shell: str, as_json: bool) -> None:
    """Print the completion script for a shell. For bash, save it with this command:

    \b
    deploy completion bash > ~/.local/share/bash-completion/completions/deploy
    """
    completion = get_completion_class(shell)
    assert completion is not None
    script = completion(deploy, {}, "deploy", "_DEPLOY_COMPLETE").source()
    if as_json:
        print_json({"shell": shell, "script": script})
        return
    click.echo(script)

"""`deploy ssh NAME NODE [-- COMMAND…]`: a login with the region's key and pinned host key."""

from __future__ import annotations

from pathlib import Path

import click

from chautari.cli.options import (
    CommandWithRemoteCommand,
    identity_option,
    json_option,
    region_argument,
)
from chautari.cli.remote_output import print_result, require_terminal, run_in_terminal
from chautari.deploy import logs_and_commands
from chautari.deploy.request import Request
from chautari.language import _
from chautari.paths import regions_root
from chautari.region.load import load_region
from chautari.region.locate import find_region_file
from chautari.ssh.account_fallback import account_that_logs_in


@click.command("ssh", cls=CommandWithRemoteCommand)
@region_argument
@click.argument("node", metavar="NODE")
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[-- COMMAND...]")
@identity_option
@json_option
def command(
    name: str, node: str, words: tuple[str, ...], identities: tuple[Path, ...], as_json: bool
) -> int:
    """Log in to a node with your own account and the pinned host key, or run a command there.

    \b
    deploy ssh andes bog1
    deploy ssh andes bog1 -- df -h
    deploy ssh andes bog1 -- 'sudo journalctl -p err | tail'

    A command runs under your account; to run it as root, write sudo before it. If you give a
    command, `deploy ssh` ends with the exit code of that command, and control characters in its
    output are shown as text. In a login session, the output of the node reaches your terminal
    unchanged.
    """
    loaded_region = load_region(find_region_file(name, regions_root()))
    region = loaded_region.region.region
    request = Request(loaded_region, "deploy ssh", nodes=(node,), identities=identities)
    [target] = logs_and_commands.targets_of_nodes(request, request.node_names())
    if words:
        line = logs_and_commands.shell_line_from_arguments(words)
        return print_result(region, logs_and_commands.run_on_node(target, line), as_json)
    if as_json:
        raise click.UsageError(_("--json needs a command: deploy ssh NAME NODE --json -- COMMAND"))
    require_terminal(f"deploy ssh {region} {node} -- COMMAND")
    return run_in_terminal(account_that_logs_in(target))

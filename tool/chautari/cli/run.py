"""`deploy run NAME COMMAND …`: a service's own command on its node."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from chautari.cli.json_output import print_json
from chautari.cli.options import (
    CommandWithRemoteArguments,
    identity_option,
    json_option,
    region_argument,
)
from chautari.cli.output import echo
from chautari.cli.remote_output import (
    print_result,
    read_stdin,
    require_terminal,
    run_in_terminal,
)
from chautari.deploy import logs_and_commands
from chautari.deploy.request import Request
from chautari.errors import BadInput
from chautari.language import _
from chautari.paths import regions_root
from chautari.region.load import load_region
from chautari.region.locate import find_region_file
from chautari.region.model import Region
from chautari.ssh.account_fallback import account_that_logs_in
from chautari.ssh.target import command_as_root


@click.command("run", cls=CommandWithRemoteArguments)
@region_argument
@click.argument("service_command", required=False, metavar="[COMMAND]")
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[ARGUMENTS]...")
@click.option(
    "--node", metavar="NODE", default="",
    help="Run the command on this node, if several nodes have the service.",
)  # fmt: skip
@click.option(
    "--terminal", is_flag=True,
    help="Let the command use your terminal, for example to ask for a password.",
)  # fmt: skip
@click.option("--stdin", is_flag=True, help="Send standard input to the command.")
@identity_option
@json_option
def command(
    name: str,
    service_command: str | None,
    words: tuple[str, ...],
    node: str,
    terminal: bool,
    stdin: bool,
    identities: tuple[Path, ...],
    as_json: bool,
) -> int:
    """Run a service's own command on its node, as root. Without a command, list the commands.

    \b
    deploy run andes
    deploy run andes occ status
    deploy run andes --terminal occ user:resetpassword ana

    Options of `deploy run` come before the command. `deploy run` ends with the exit code of the
    command on the node. Control characters in the output of the command are shown as text.
    """
    if terminal and as_json:
        raise click.UsageError(
            _(
                "--terminal prints to your terminal, so --json cannot print the output. Fix: "
                "remove --json or --terminal."
            )
        )
    loaded_region = load_region(find_region_file(name, regions_root()))
    region = loaded_region.region
    if service_command is None:
        return _print_commands(region, as_json)
    service, found = logs_and_commands.command_of_region(region, service_command)
    nodes = (node,) if node else ()
    request = Request(loaded_region, "deploy run", nodes=nodes, identities=identities)
    first, *others = logs_and_commands.targets_of_service(request, service)
    if others:
        names = ", ".join(target.name for target in (first, *others))
        raise BadInput(
            _("several nodes run {name}: {names}", name=service.name, names=names),
            fix=_(
                "choose one: deploy run {region} --node {name} {service_command}",
                region=region.region,
                name=first.name,
                service_command=service_command,
            ),
        )
    line = logs_and_commands.service_command_line(service_command, found, words)
    if terminal:
        require_terminal(shlex.join(("deploy", "run", region.region, service_command, *words)))
        login = account_that_logs_in(first)
        return run_in_terminal(login, command_as_root(login, line))
    content = read_stdin() if stdin else b""
    result = logs_and_commands.run_on_node(first, line, content, as_root=True)
    return print_result(region.region, result, as_json)


def _print_commands(region: Region, as_json: bool) -> int:
    """Print the commands of the region's services."""
    found = [
        {"command": name, "service": service.name, "purpose": item.purpose, "example": item.example}
        for service in logs_and_commands.deployed_services(region)
        for name, item in service.logs_and_commands.commands.items()
    ]
    if as_json:
        print_json({"region": region.region, "commands": found})
        return 0
    for item in found:
        echo(f"{item['command']} ({item['service']}): {_(item['purpose'])}")
        echo(f"  deploy run {region.region} {item['command']} {item['example']}".rstrip())
    if not found:
        echo(_("The services of {region} have no commands.", region=region.region), err=True)
    return 0

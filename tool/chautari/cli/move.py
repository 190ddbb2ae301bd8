"""`deploy move NAME SERVICE --to NODE`: the steps that move a service to another node."""

from __future__ import annotations

import click

from chautari.cli.json_output import print_json
from chautari.cli.options import json_option, region_argument
from chautari.cli.output import echo
from chautari.errors import BadInput
from chautari.paths import regions_root
from chautari.region.load import load_region
from chautari.region.locate import find_region_file
from chautari.services.registry import SERVICES
from chautari.suggestions import fix_for_unknown_word


@click.command("move")
@region_argument
@click.argument("service")
@click.option(
    "--to", required=True, metavar="NODE", help="Move the service to this node of the region."
)
@click.option(
    "--release", metavar="LINE",
    help="Install this release line on the new node. Default: the newest.",
)  # fmt: skip
@json_option
def command(name: str, service: str, to: str, release: str | None, as_json: bool) -> int:
    """Print the steps to move a service to another node. Nothing changes.

    For example, you need a new server if a service cannot be upgraded to a new release line. The
    steps copy the data of the service. Its public name stays the same, and existing links keep
    working.
    """
    moves = {name: item.move for name, item in SERVICES.items() if item.move}
    move = moves.get(service)
    if move is None:
        raise BadInput(
            f"there are no steps to move {service!r}",
            fix=fix_for_unknown_word(service, list(moves)),
        )
    release = release or move.releases[-1]
    if release not in move.releases:
        raise BadInput(
            f"{service} has no release line {release!r}",
            fix=fix_for_unknown_word(release, move.releases),
        )
    loaded_region = load_region(find_region_file(name, regions_root()))
    found = move.steps(loaded_region.region, to, release, loaded_region.known_hosts_file)
    if as_json:
        objects = [step.as_object() for step in found]
        print_json({"region": name, "service": service, "to": to, "steps": objects})
        return 0
    for number, step in enumerate(found, 1):
        echo(f"{number}. {step.title}\n   {step.why}")
        for line in step.commands:
            echo(f"     {line}")
        echo()
    return 0

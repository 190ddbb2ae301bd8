"""`deploy move NAME SERVICE --to NODE`: the way of a service to another machine, step by step."""

from __future__ import annotations

import click

from chautari.cli.migration_steps import steps
from chautari.cli.options import json_option, print_json, region_argument
from chautari.paths import inventories_root
from chautari.region.load import find, load


@click.command("move")
@region_argument
@click.argument("service", type=click.Choice(["bigbluebutton"]))
@click.option("--to", required=True, metavar="NODE", help="The new machine, a node of the region.")
@click.option(
    "--release", type=click.Choice(["3.0", "4.0"]), default="4.0", show_default=True,
    help="The release line for the new machine.",
)  # fmt: skip
@json_option
def command(name: str, service: str, to: str, release: str, as_json: bool) -> int:
    """Print the steps to move a service to another node. Nothing changes.

    A new release line of BigBlueButton needs a new server. The steps copy the recordings. Rooms
    and links keep working.
    """
    found = steps(load(find(name, inventories_root())).region, to, release)
    if as_json:
        steps_ = [step.plain() for step in found]
        print_json({"region": name, "service": service, "to": to, "steps": steps_})
        return 0
    for number, step in enumerate(found, 1):
        click.echo(f"{number}. {step.title}\n   {step.why}")
        for line in step.commands:
            click.echo(f"     {line}")
        click.echo()
    return 0

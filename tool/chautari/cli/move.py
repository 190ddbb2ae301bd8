"""`deploy move NAME SERVICE --to NODE`: the steps that move a service to another node."""

from __future__ import annotations

from pathlib import Path

import click

from chautari.backup.move import (
    move_steps,
    node_to_move_from,
    region_before_move,
    release_to_keep,
)
from chautari.backup.move_progress import MoveProgress
from chautari.cli.json_output import print_json
from chautari.cli.move_run import Move, print_step, run_steps
from chautari.cli.options import identity_option, json_option, region_argument
from chautari.errors import BadInput
from chautari.language import _
from chautari.paths import regions_root
from chautari.region.load import load_region
from chautari.region.locate import find_region_file
from chautari.render.provider import known_endpoints
from chautari.services.registry import SERVICES
from chautari.suggestions import fix_for_unknown_word


@click.command("move")
@region_argument
@click.argument("service")
@click.option(
    "--to", required=True, metavar="NODE", help="Move the service to this node of the region."
)
@click.option(
    "--old", default="", metavar="NODE",
    help="Node that ran the service before. Only needed if region.yml already lists the "
    "service on the new node.",
)  # fmt: skip
@click.option(
    "--release", metavar="LINE",
    help="Install this release line on the new node. Default: the newest. Only for services with "
    "release lines.",
)  # fmt: skip
@click.option("--run", "runs", is_flag=True, help="Run the steps, one after the other.")
@click.option(
    "--step", type=click.IntRange(1), metavar="NUMBER",
    help="Start with this step. You can repeat each step. With --run, the default is the "
    "step after the last step that was completed on this machine.",
)  # fmt: skip
@identity_option
@json_option
def command(
    name: str, service: str, to: str, old: str, release: str | None, runs: bool, step: int | None,
    identities: tuple[Path, ...], as_json: bool,
) -> int:  # fmt: skip
    """Print the steps to move a service to another node, or run them.

    The steps back up the old node, set the service up on the new one, restore the backup there and
    check it. The public name stays the same, and the data on the old node is kept. For example, use
    this to move a service to a node with a newer operating system.

    Without --run, nothing changes. With --run, the command asks before each step. If it is
    interrupted, the same command continues with the next step.
    """
    if runs and as_json:
        raise BadInput(
            _("--json prints the steps, but does not run them"), fix=_("leave out --run or --json")
        )
    move = _read_move(name, service, to, old, release)
    if as_json:
        objects = [item.as_object() for item in move.steps]
        print_json({"region": name, "service": service, "to": to, "steps": objects})
        return 0
    if not runs:
        for number, item in enumerate(move.steps, 1):
            if number >= (step or 1):
                print_step(number, item)
        return 0
    run_steps(move, step or move.next_step, identities)
    return 0


def _read_move(name: str, service: str, to: str, old: str, release: str | None) -> Move:
    """Return the move as region.yml and the record of an interrupted one describe it."""
    if service not in SERVICES:
        raise BadInput(
            _("there is no service called {service!r}", service=service),
            fix=fix_for_unknown_word(service, list(SERVICES)),
        )
    file = find_region_file(name, regions_root())
    loaded_region = load_region(file)
    region = loaded_region.region
    progress = MoveProgress.for_move(file, region.region, service, to)
    record = progress.read_record() if to in region.nodes else None
    if record and (old in ("", record.old)) and record.old in region.nodes:
        old, version = record.old, record.version
        release = release or record.release
        completed = record.completed
        loaded_region = loaded_region._replace(region=region_before_move(region, service, old, to))
    else:
        version = completed = ""
    own = SERVICES[service].move
    if own is None:
        if release:
            raise BadInput(
                _("{service} has no release lines", service=service), fix=_("leave --release out")
            )
        old = node_to_move_from(loaded_region.region, service, to, old)
        if not completed:
            endpoints = known_endpoints(loaded_region)
            version = release_to_keep(loaded_region, endpoints, service, old, to)
        steps = move_steps(loaded_region.region, service, to, old, version)
    else:
        release = release or own.releases[-1]
        if release not in own.releases:
            raise BadInput(
                _("{service} has no release line {release!r}", service=service, release=release),
                fix=fix_for_unknown_word(release, own.releases),
            )
        steps = own.steps(loaded_region.region, to, release, loaded_region.known_hosts_file)
        old = old or next(iter(loaded_region.region.nodes_running(service)))
    return Move(
        name, loaded_region, service, to, old, version, release or "", steps, progress, completed
    )

"""`deploy move NAME SERVICE --to NODE`: the steps that move a service to another node."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from chautari.backup.move import move_steps
from chautari.cli.json_output import print_json
from chautari.cli.options import identity_option, json_option, region_argument
from chautari.cli.output import echo
from chautari.errors import BadInput, RunFailed
from chautari.paths import regions_root
from chautari.process import ProcessError, run
from chautari.region.load import LoadedRegion, load_region
from chautari.region.locate import find_region_file
from chautari.render.provider import known_endpoints
from chautari.services.base import MoveStep
from chautari.services.registry import SERVICES
from chautari.ssh.target import command_as_root, ssh_argv, ssh_targets
from chautari.suggestions import fix_for_unknown_word

SSH_SECONDS = 120


@click.command("move")
@region_argument
@click.argument("service")
@click.option(
    "--to", required=True, metavar="NODE", help="Move the service to this node of the region."
)
@click.option(
    "--old", default="", metavar="NODE",
    help="Node that ran the service before. Only needed once region.yml names the new node.",
)  # fmt: skip
@click.option(
    "--release", metavar="LINE",
    help="Install this release line on the new node. Default: the newest. Only for services with "
    "release lines.",
)  # fmt: skip
@click.option("--run", "runs", is_flag=True, help="Run the steps, one after the other.")
@click.option(
    "--step", type=click.IntRange(1), default=1, metavar="NUMBER",
    help="Begin with this step. Each step can be repeated.",
)  # fmt: skip
@identity_option
@json_option
def command(
    name: str, service: str, to: str, old: str, release: str | None, runs: bool, step: int,
    identities: tuple[Path, ...], as_json: bool,
) -> int:  # fmt: skip
    """Print the steps to move a service to another node, or run them.

    The steps back up the old node, set the service up on the new one, restore the backup there
    and check it. The public name stays the same, and the data on the old node is kept. For
    example, this is how a node gets a new release of its operating system.

    Without --run, nothing changes. With --run, the command asks before each step.
    """
    loaded_region = load_region(find_region_file(name, regions_root()))
    steps = _steps_of_service(loaded_region, service, to, old, release)
    if as_json:
        objects = [item.as_object() for item in steps]
        print_json({"region": name, "service": service, "to": to, "steps": objects})
        return 0
    for number, item in enumerate(steps, 1):
        if number < step:
            continue
        _print_step(number, item)
        if runs:
            _run_step(loaded_region, item, identities, number)
    return 0


def _steps_of_service(
    loaded_region: LoadedRegion, service: str, to: str, old: str, release: str | None
) -> list[MoveStep]:
    if service not in SERVICES:
        raise BadInput(
            f"there is no service called {service!r}",
            fix=fix_for_unknown_word(service, list(SERVICES)),
        )
    own = SERVICES[service].move
    if own is None:
        if release:
            raise BadInput(f"{service} has no release lines", fix="leave --release out")
        return move_steps(loaded_region.region, service, to, old)
    release = release or own.releases[-1]
    if release not in own.releases:
        raise BadInput(
            f"{service} has no release line {release!r}",
            fix=fix_for_unknown_word(release, own.releases),
        )
    return own.steps(loaded_region.region, to, release, loaded_region.known_hosts_file)


def _print_step(number: int, step: MoveStep) -> None:
    echo(f"{number}. {step.title}\n   {step.why}")
    for line in step.commands:
        echo(f"     {line}")
    echo()


def _run_step(
    loaded_region: LoadedRegion, step: MoveStep, identities: tuple[Path, ...], number: int
) -> None:
    """Run a step, or wait until a person has done it.

    Raises:
        RunFailed: when one of its commands fails.
    """
    if step.by_person or not step.actions:
        click.confirm("Have you done this?", abort=True, err=True)
    else:
        click.confirm("Run this step?", abort=True, err=True)
    for action in step.actions:
        if action[0] == "ssh":
            _run_on_node(loaded_region, action[1], action[2], identities)
        elif _run_deploy([*action[1:], *_identity_options(action, identities)]):
            raise RunFailed(
                f"step {number} failed",
                fix=f"correct the cause, and repeat this step: add --run --step {number}",
            )


def _run_deploy(arguments: Sequence[str]) -> int:
    from chautari.cli import main

    return main.run(list(arguments))


def _identity_options(action: Sequence[str], identities: tuple[Path, ...]) -> list[str]:
    if action[1] in ("validate", "dns"):
        return []
    return [word for file in identities for word in ("--identity", str(file))]


def _run_on_node(
    loaded_region: LoadedRegion, node: str, remote: str, identities: tuple[Path, ...]
) -> None:
    endpoints = known_endpoints(loaded_region)
    [target] = ssh_targets(loaded_region, endpoints, (node,), identities)
    try:
        run(ssh_argv(target, command_as_root(target, remote)), timeout=SSH_SECONDS)
    except ProcessError as error:
        raise RunFailed(f"{node}: {error.message}", fix="correct the cause, and repeat") from None

"""`deploy sandbox up|down|status`: the small internet and the nodes of a region in containers."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from chautari.cli.options import json_option, mirror_option, print_json, region_argument
from chautari.paths import inventories_root
from chautari.region.load import Inventory, find, load


@click.group("sandbox")
def command() -> None:
    """Manage a region's containers on this machine: its nodes and its small internet."""


@command.command("up")
@region_argument
@mirror_option
@json_option
def up(name: str, mirror: Path | None, as_json: bool) -> None:
    """Start the containers. Containers that are running stay as they are."""
    from chautari_sandbox import api
    from chautari_sandbox.provider import sandbox_spec

    spec = sandbox_spec(_inventory(name), mirror)
    state = api.up(spec, lambda text: click.echo(text, err=True))
    if as_json:
        data = asdict(state)
        data["mail_relay"].pop("password")
        data |= {key: str(data[key]) for key in ("ca_file", "ssh_key")}
        print_json(data)
    else:
        click.echo(f"The sandbox {state.name} is running. Next: deploy region {name}", err=True)


@command.command("down")
@region_argument
@click.option("--purge", is_flag=True, help="Also delete its keys, mail and caches.")
def down(name: str, purge: bool) -> None:
    """Remove the containers and their network. Base images stay."""
    from chautari_sandbox import api
    from chautari_sandbox.provider import forget_mirror

    sandbox = _inventory(name).region.region
    api.down(sandbox, purge=purge)
    forget_mirror(sandbox)
    click.echo(f"The sandbox {name} was removed.", err=True)


@command.command("status")
@region_argument
@json_option
def status(name: str, as_json: bool) -> int:
    """Show which containers are running."""
    from chautari_sandbox import api

    found = api.status(_inventory(name).region.region)
    if as_json:
        print_json(asdict(found))
    elif not found.exists:
        click.echo(f"The sandbox does not exist. Fix: deploy sandbox up {name}")
    else:
        for item in found.containers:
            click.echo(
                f"{item.name:<16} {item.address:<16} {'running' if item.running else 'stopped'}"
            )
    return 0 if found.running else 1


def _inventory(name: str) -> Inventory:
    return load(find(name, inventories_root()))

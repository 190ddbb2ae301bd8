"""`deploy sandbox up|down|status`: a region's nodes and simulated internet in containers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import click

from chautari.cli.json_output import print_json
from chautari.cli.options import json_option, region_argument
from chautari.cli.output import echo
from chautari.language import _
from chautari.paths import regions_root
from chautari.region.load import LoadedRegion, load_region
from chautari.region.locate import find_region_file
from chautari_sandbox import api
from chautari_sandbox.mirror_folder import (
    forget_mirror_folder,
    spec_with_given_or_last_mirror_folder,
)
from chautari_sandbox.practice import exercise
from chautari_sandbox.practice.faults import FAULTS
from chautari_sandbox.spec_for_region import sandbox_spec

TakeMirror = Callable[[click.Context, click.Parameter, Path | None], object]


def mirror_option(callback: TakeMirror | None = None) -> click.Option:
    """Return the option `--mirror`; with `callback`, which takes it, its value is not passed on."""
    return click.Option(
        ["--mirror"], metavar="DIR",
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        help="Serve upstream's real release archives from this folder (only in a sandbox).",
        expose_value=callback is None, callback=callback,
    )  # fmt: skip


@click.group("sandbox")
def sandbox_group() -> None:
    """Manage a region's containers on this machine: its nodes and its simulated internet.

    The containers belong to root. From any other account, the command runs podman through sudo,
    which may ask for your password in the terminal. Keys, state and reports belong to the account
    that runs the command.
    """


@sandbox_group.command("up")
@region_argument
@json_option
def up(name: str, as_json: bool, mirror: Path | None) -> None:
    """Start the containers.

    A running container is replaced only if its image or its settings changed.
    """
    spec = spec_with_given_or_last_mirror_folder(sandbox_spec(_find_and_load_region(name)), mirror)
    state = api.start_sandbox(spec, lambda text: echo(text, err=True))
    if as_json:
        data = asdict(state)
        data["mail_relay"].pop("password")
        data |= {key: str(data[key]) for key in ("ca_file", "ssh_key")}
        print_json(data)
    else:
        echo(
            _(
                "The sandbox {sandbox} is running. Next: deploy region {region}",
                sandbox=state.name,
                region=name,
            ),
            err=True,
        )


up.params.append(mirror_option())


@sandbox_group.command("down")
@region_argument
@click.option("--purge", is_flag=True, help="Also delete the sandbox's keys, mail and caches.")
@json_option
def down(name: str, purge: bool, as_json: bool) -> None:
    """Remove the containers and their network. Base images are kept."""
    sandbox = _find_and_load_region(name).region.region
    api.remove_sandbox(sandbox, purge=purge)
    forget_mirror_folder(sandbox)
    if as_json:
        print_json({"name": sandbox, "purged": purge})
    else:
        echo(_("The sandbox {name} was removed.", name=name), err=True)


@sandbox_group.command("status")
@region_argument
@json_option
def status(name: str, as_json: bool) -> int:
    """Show which containers are running."""
    found = api.sandbox_status(_find_and_load_region(name).region.region)
    if as_json:
        print_json(asdict(found), ok=found.running)
    elif not found.exists:
        echo(_("The sandbox does not exist. Fix: deploy sandbox up {name}", name=name))
    else:
        for item in found.containers:
            word = "running" if item.running else "stopped"
            echo(f"{item.name:<16} {item.address:<16} {word}")
    return 0 if found.running else 1


@sandbox_group.command("break")
@region_argument
@click.argument("fault", required=False, metavar="[FAULT]", type=click.Choice(sorted(FAULTS)))
@click.option(
    "--hint", is_flag=True, help="Print a hint that shows where to look for the active fault."
)
@click.option("--solve", is_flag=True, help="Print the cause of the active fault, and repair it.")
@json_option
def break_(name: str, fault: str | None, hint: bool, solve: bool, as_json: bool) -> None:
    """Create a fault to practise with; then find it, and repair it.

    Without FAULT, the command chooses one and does not say which. The command works only in a
    sandbox.

    FAULT is one of: closed-port, database-down, expiring-certificate, full-disk, refused-mail,
    stopped-service, wrong-dns-record, wrong-permissions.
    """
    if sum((hint, solve, fault is not None)) > 1:
        raise click.UsageError(_("use only one of FAULT, --hint and --solve"))
    place = exercise.open_practice(_find_and_load_region(name))
    region = place.spec.name
    if hint:
        active = place.require_active()
        _print_exercise(active.text(FAULTS[active.fault].hint, region), active, as_json)
    elif solve:
        active = exercise.undo_active_fault(place)
        known = FAULTS[active.fault]
        repair = active.text(known.repair, region)
        answer = _(
            "{text}\nIn a real region: {repair}\nThe fault was undone. Check the "
            "region: deploy verify {region}",
            text=active.text(known.answer, region),
            repair=repair,
            region=region,
        )
        _print_exercise(answer, active, as_json)
    else:
        active = exercise.set_fault(place, fault)
        _print_exercise(
            _(
                "Something in {region} is broken now. Find it, and repair it:\n"
                "  deploy verify {region}\n"
                "A hint: deploy sandbox break {region} --hint\n"
                "The answer: deploy sandbox break {region} --solve",
                region=region,
            ),
            active if fault else None, as_json,
        )  # fmt: skip


def _print_exercise(text: str, active: exercise.ActiveFault | None, as_json: bool) -> None:
    if as_json:
        known = {"fault": active.fault, "node": active.node} if active else {}
        print_json({**known, "text": text})
    else:
        echo(text)


def _find_and_load_region(name: str) -> LoadedRegion:
    return load_region(find_region_file(name, regions_root()))

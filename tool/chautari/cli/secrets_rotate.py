"""`deploy secrets rotate`: new values for one secret, for some or for all."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from chautari.cli.json_output import print_json
from chautari.cli.options import identity_option, json_option, region_argument
from chautari.cli.output import echo
from chautari.errors import BadInput
from chautari.language import Text, _
from chautari.paths import regions_root
from chautari.region.load import load_region
from chautari.region.locate import find_region_file
from chautari.render.provider import known_endpoints
from chautari.report.text_format import count_with_noun
from chautari.secrets.completion import update_secrets
from chautari.secrets.private_keys import private_keys_to_try
from chautari.secrets.required_secrets import required_secrets
from chautari.secrets.rotation import Rotated, rotate_all_deployable, rotate_named
from chautari.secrets.store import SecretStore
from chautari.services.secret_spec import SecretSpec
from chautari.suggestions import fix_for_unknown_word

WHY: Text = "the secrets were replaced"


@click.command("rotate")
@region_argument
@click.argument("secrets", nargs=-1, metavar="[SECRET]...")
@click.option("--all", "everything", is_flag=True, help="Replace all secrets that can be replaced.")
@identity_option
@json_option
def command(
    name: str,
    secrets: tuple[str, ...],
    everything: bool,
    identities: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Generate new values for secrets. The next deploy applies them.

    The services keep their data. The command lists the secrets that you must change yourself, and
    the secrets whose change would make data unreadable.
    """
    loaded_region = load_region(find_region_file(name, regions_root()))
    region = loaded_region.region
    if bool(secrets) == everything:
        raise BadInput(
            _("name the secrets to replace, or replace all of them"),
            fix=_(
                "deploy secrets rotate {name} SECRET; or: deploy secrets rotate {name} "
                "--all; to see their names: deploy secrets list {name}",
                name=name,
            ),
        )
    known = [spec.name for spec in required_secrets(region)]
    for secret in secrets:
        if secret not in known:
            raise BadInput(
                _("the region does not need a secret called {secret!r}", secret=secret),
                fix=fix_for_unknown_word(secret, known),
            )
    endpoints = known_endpoints(loaded_region)
    extra = [key for keys in endpoints.operators.values() for key in keys]
    keys = private_keys_to_try(identities, endpoints.ssh_key)
    found: list[Rotated] = []

    def change(opened: SecretStore) -> SecretStore:
        if everything:
            found.append(rotate_all_deployable(region, opened, WHY))
        else:
            found.append(rotate_named(region, opened, secrets, WHY))
        return found[-1].secrets

    saved = update_secrets(loaded_region, keys, extra, change, says_removed=not everything)
    for notice in saved.notices:
        echo(notice, err=True)
    if as_json:
        print_json({"region": region.region} | rotation_object(found[-1]))
        return
    print_rotation(region.region, found[-1])


def rotation_object(rotated: Rotated) -> dict[str, Any]:
    """Return what a rotation did, without a value, for programs."""

    def notes(specs: Iterable[SecretSpec]) -> dict[str, str]:
        return {spec.name: spec.rotation_note for spec in specs}

    return {
        "changed": notes(rotated.changed),
        "due": notes(rotated.due),
        "kept": notes(rotated.kept),
        "dropped": list(rotated.dropped),
        "nodes": list(rotated.nodes),
    }


def print_rotation(region: str, rotated: Rotated) -> None:
    """Print what a rotation did, and what is left to do."""
    count = count_with_noun(len(rotated.changed), "secret")
    echo(_("New values: {count}", count=count))
    _print_specs(rotated.changed, only_with_note=True)
    if rotated.dropped:
        echo(
            _(
                "Deleted, because no service uses them: {dropped}",
                dropped=", ".join(rotated.dropped),
            )
        )
    if rotated.due:
        echo(_("Change these yourself. Until then, deploys of the region fail:"))
        _print_specs(rotated.due)
    if rotated.kept:
        echo(_("Kept:"))
        _print_specs(rotated.kept)
    if rotated.nodes:
        echo(
            _(
                "Deploy now ({nodes}):\n  deploy region {region}",
                nodes=", ".join(rotated.nodes),
                region=region,
            )
        )


def _print_specs(specs: Iterable[SecretSpec], *, only_with_note: bool = False) -> None:
    for spec in specs:
        if spec.rotation_note or not only_with_note:
            echo(f"  {spec.name}: {_(spec.rotation_note)}")

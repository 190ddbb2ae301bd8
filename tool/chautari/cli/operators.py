"""`deploy operators`: list, add and remove the people who deploy a region."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from chautari.cli.json_output import print_json
from chautari.cli.options import identity_option, json_option, region_argument
from chautari.cli.output import echo
from chautari.cli.secrets_rotate import print_rotation, rotation_object
from chautari.cli.text_checked_like_region_file import CheckedText
from chautari.errors import BadInput
from chautari.files import exists_or_is_dangling_link, read_regular_file
from chautari.language import _
from chautari.migration.region_key_renaming import Rewrite, write_region_text
from chautari.paths import regions_root
from chautari.region.load import LoadedRegion, load_region
from chautari.region.locate import find_region_file
from chautari.region.names import validate_name
from chautari.region.ssh_key_types import compute_key_fingerprint, key_without_comment
from chautari.region_setup import key_download, operators_text
from chautari.render.provider import known_endpoints
from chautari.secrets.completion import open_secrets, recipients_of, removed_keys, update_secrets
from chautari.secrets.private_keys import private_keys_to_try
from chautari.secrets.rotation import Rotated, rotate_all_deployable
from chautari.secrets.store import SecretStore
from chautari.suggestions import fix_for_unknown_word

Change = Callable[[SecretStore], SecretStore]


@click.group("operators")
def command() -> None:
    """List, add and remove the people who log in to a region's nodes and read its secrets."""


@command.command("list")
@region_argument
@identity_option
@json_option
def list_(name: str, identities: tuple[Path, ...], as_json: bool) -> None:
    """List the operators with the fingerprints of their keys.

    If one of your keys can decrypt secrets.age, the command also shows the keys to which this file
    is encrypted.
    """
    loaded_region = _load_region_alone(find_region_file(name, regions_root()))
    recipients = _recipients_if_readable(loaded_region, identities)
    operators = loaded_region.region.operators
    if as_json:
        found = {who: _key_objects(keys, recipients) for who, keys in operators.items()}
        recovery = dict(loaded_region.region.recovery)
        print_json(
            {"region": loaded_region.region.region, "operators": found, "recovery": recovery}
        )
        return
    for who, keys in operators.items():
        for item in _key_objects(keys, recipients):
            note = (
                ""
                if item["opens_secrets"] is not False
                else _(" (secrets.age is not encrypted to this key yet; deploy)")
            )
            echo(f"{who:<16} {item['type']:<12} {item['fingerprint']}{note}")
    for place, key in loaded_region.region.recovery.items():
        echo(f"{place:<16} {_('recovery key'):<12} {key}")


def _key_objects(
    keys: Sequence[str], recipients: set[str] | None
) -> list[dict[str, str | bool | None]]:
    return [
        {
            "type": key.split()[0],
            "fingerprint": compute_key_fingerprint(key.split()[1]),
            "opens_secrets": None if recipients is None else key_without_comment(key) in recipients,
        }
        for key in keys
    ]


def _recipients_if_readable(
    loaded_region: LoadedRegion, identities: tuple[Path, ...]
) -> set[str] | None:
    if not exists_or_is_dangling_link(loaded_region.secrets_file):
        return None
    try:
        keys = private_keys_to_try(identities, known_endpoints(loaded_region).ssh_key)
        opened = open_secrets(loaded_region, keys, check=False)
    except BadInput:
        return None
    return {key_without_comment(key) for key in opened.recipients}


@command.command("add")
@region_argument
@click.argument("operator", type=CheckedText("OPERATOR", validate_name))
@click.option(
    "--key", "source", required=True, metavar="FILE|URL",
    help="The person's public SSH key: a file, or an https:// address. At GitHub and Forgejo, "
    "this address ends with .keys.",
)  # fmt: skip
@click.option("--yes", is_flag=True, help="Do not ask whether the fingerprint is right.")
@identity_option
@json_option
def add(
    name: str,
    operator: str,
    source: str,
    yes: bool,
    identities: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Add an operator to region.yml, and encrypt secrets.age to this person's key too.

    To see the fingerprint, the person runs `ssh-keygen -lf ~/.ssh/id_ed25519.pub`. In a phone or
    video call, check that you both see the same fingerprint. The next deploy creates the person's
    account on each node.
    """
    file = find_region_file(name, regions_root())
    loaded_region = _load_region_alone(file)
    if operator in loaded_region.region.operators:
        raise BadInput(
            _("{operator} is already an operator", operator=operator),
            fix=_("to change the keys of an operator, edit operators in {file}", file=file),
        )
    keys = _read_keys(source)
    prints = [compute_key_fingerprint(key.split()[1]) for key in keys]
    _confirm_keys(operator, prints, yes)
    rewrite = operators_text.add_operator(file, operator, keys)
    _change_region(file, rewrite, identities, lambda opened: opened)
    if as_json:
        print_json(
            {"region": loaded_region.region.region, "operator": operator, "fingerprints": prints}
        )
        return
    echo(
        _(
            "{operator} is now in {file}. secrets.age is now encrypted to this person's key too.",
            operator=operator,
            file=file,
        )
    )
    echo(
        _(
            "Deploy, so that {operator} can log in, then commit both files:\n"
            "  deploy region {name}",
            operator=operator,
            name=name,
        )
    )


def _read_keys(source: str) -> list[str]:
    if "://" in source:
        return key_download.fetch_keys(source)
    content = read_regular_file(Path(source).expanduser(), key_download.MAX_BYTES)
    return key_download.usable_keys(source, content)


def _confirm_keys(operator: str, prints: Sequence[str], yes: bool) -> None:
    for fingerprint in prints:
        echo(
            _("Key of {operator}: {fingerprint}", operator=operator, fingerprint=fingerprint),
            err=True,
        )
    if yes:
        return
    if sys.stdin is None or not sys.stdin.isatty():
        raise BadInput(
            _("without a terminal, no one can confirm the fingerprint"),
            fix=_("in a call, check that the person sees the same fingerprint, then add: --yes"),
        )
    click.confirm(_("Did the person confirm this fingerprint?"), abort=True, err=True)


@command.command("remove")
@region_argument
@click.argument("operator")
@identity_option
@json_option
def remove(name: str, operator: str, identities: tuple[Path, ...], as_json: bool) -> None:
    """Remove an operator from region.yml, and replace all secrets that the person could read.

    The next deploy locks the person's account on each node, and gives the services their new
    secrets. The command lists the secrets that you must change yourself. Until these secrets are
    changed and all nodes are deployed, deploys of the region fail.
    """
    file = find_region_file(name, regions_root())
    before = _load_region_alone(file)
    _refuse_unknown_or_only_operator(before, operator)
    rewrite = operators_text.remove_operator(file, operator)
    rotated: list[Rotated] = []
    why = _("{operator} left on {date}", operator=operator, date=time.strftime("%Y-%m-%d"))

    def change(opened: SecretStore) -> SecretStore:
        recipients = recipients_of(_load_region_alone(file))
        own = {key_without_comment(key) for key in before.region.operators[operator]}
        if not removed_keys(opened, recipients) & own:
            return opened  # the person could never read them, or keeps the key under another name
        rotated.append(rotate_all_deployable(before.region, opened, why))
        return rotated[-1].secrets

    _change_region(file, rewrite, identities, change)
    if as_json:
        found = rotation_object(rotated[-1]) if rotated else {}
        print_json(
            {"region": before.region.region, "operator": operator, "read_secrets": bool(rotated)}
            | found
        )
        return
    echo(_("{operator} is no longer in {file}.", operator=operator, file=file))
    if rotated:
        print_rotation(name, rotated[-1])
    else:
        echo(
            _(
                "This person had no key of their own that could decrypt secrets.age, so no "
                "secret was replaced. To lock the account, deploy:\n  deploy region {name}",
                name=name,
            )
        )


def _refuse_unknown_or_only_operator(loaded_region: LoadedRegion, operator: str) -> None:
    known = list(loaded_region.region.operators)
    if operator not in known:
        raise BadInput(
            _("{operator} is not an operator of the region", operator=operator),
            fix=fix_for_unknown_word(operator, known),
        )
    if len(known) == 1:
        raise BadInput(
            _(
                "{operator} is the only operator; without this person, no key could decrypt "
                "the secrets",
                operator=operator,
            ),
            fix=_(
                "first add another one: deploy operators add {region} NAME --key FILE",
                region=loaded_region.region.region,
            ),
        )


def _change_region(
    file: Path, rewrite: Rewrite, identities: tuple[Path, ...], change: Change
) -> None:
    """Write the new `region.yml`, and the secrets for it; after an error, neither is changed."""
    write_region_text(file, rewrite)
    try:
        loaded_region = _load_region_alone(file)
        if exists_or_is_dangling_link(loaded_region.secrets_file):
            endpoints = known_endpoints(loaded_region)
            extra = [key for keys in endpoints.operators.values() for key in keys]
            saved = update_secrets(
                loaded_region, private_keys_to_try(identities, endpoints.ssh_key), extra, change,
                says_removed=False,
            )  # fmt: skip
            for notice in saved.notices:
                echo(notice, err=True)
    except BaseException:
        operators_text.undo_rewrite(file, rewrite)
        raise


def _load_region_alone(file: Path) -> LoadedRegion:
    return load_region(file, with_peers=False, with_pins=False)

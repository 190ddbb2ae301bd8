"""`deploy secrets`: set, show and list a region's secrets."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import click
import pyrage

from chautari.cli import secrets_merge, secrets_rotate
from chautari.cli.json_output import print_json
from chautari.cli.options import identity_option, json_option, region_argument
from chautari.cli.output import echo
from chautari.errors import BadInput
from chautari.files import exists_or_is_dangling_link
from chautari.language import _
from chautari.paths import regions_root
from chautari.region.load import LoadedRegion, load_region
from chautari.region.locate import find_region_file
from chautari.render.endpoints import Endpoints
from chautari.render.provider import known_endpoints
from chautari.report.text_format import count_with_noun
from chautari.secrets import required_secrets, store
from chautari.secrets.completion import (
    load_and_complete_secrets,
    open_secrets,
    refuse_lost_secrets,
    sign_secrets_of_any_author,
    update_secrets,
)
from chautari.secrets.private_keys import private_keys_to_try
from chautari.secrets.store import SecretStore
from chautari.services.secret_spec import SecretSpec
from chautari.suggestions import fix_for_unknown_word


@click.group("secrets")
def command() -> None:
    """Set, show and list a region's secrets, which are encrypted in secrets.age."""


command.add_command(secrets_rotate.command)
command.add_command(secrets_merge.merge)
command.add_command(secrets_merge.driver)
command.add_command(secrets_merge.install)


@command.command("list")
@region_argument
@json_option
def list_(name: str, as_json: bool) -> None:
    """List the secrets that a region needs, and the purpose of each."""
    known = required_secrets.required_secrets(_find_and_load_region(name).region)
    if as_json:
        print_json({"secrets": {spec.name: spec.meaning for spec in known}})
        return
    for spec in known:
        note = _(" (you must set it yourself)") if spec.user_supplied else ""
        echo(f"{spec.name:<32} {_(spec.meaning)}{note}")


@command.command("show")
@region_argument
@click.argument("secret")
@identity_option
@json_option
def show(name: str, secret: str, identities: tuple[Path, ...], as_json: bool) -> None:
    """Print one secret to standard output."""
    loaded_region = _find_and_load_region(name)
    opened = _open_secrets(loaded_region, known_endpoints(loaded_region), identities)
    if secret not in opened:
        raise _absent_secret_error(loaded_region, opened, secret)
    value = opened[secret]
    _print_notices(opened)
    if as_json:
        print_json({"region": loaded_region.region.region, "secret": secret, "value": value})
        return
    # As bytes: for text, click removes colours, and the locale may lack letters.
    click.echo(value.encode(), nl=not value.endswith("\n"))


def _absent_secret_error(loaded_region: LoadedRegion, opened: SecretStore, secret: str) -> BadInput:
    """Return what a person can do who asks for a secret that the store does not hold."""
    region = loaded_region.region.region
    known = {spec.name: spec for spec in required_secrets.required_secrets(loaded_region.region)}
    if secret in known:
        set_it = known[secret].user_supplied
        return BadInput(
            _("region {region} has no secret {secret} yet", region=region, secret=secret),
            fix=known[secret].set_command(region)
            if set_it
            else _("generate it: deploy region {region}", region=region),
        )
    names = opened.names or tuple(known)
    return BadInput(
        _("there is no secret called {secret!r}", secret=secret),
        fix=fix_for_unknown_word(secret, names),
    )


@command.command("init")
@region_argument
@identity_option
@json_option
def init(name: str, identities: tuple[Path, ...], as_json: bool) -> None:
    """Generate all secrets for a region that has none. The next deploy of the region uses them.

    A deploy does this automatically, with one exception: if the region's nodes are already in
    known_hosts but secrets.age is missing, the deploy stops. Passwords that other people gave
    you, such as the mail relay's, are not generated. Set them with deploy secrets set.
    """
    loaded_region = _find_and_load_region(name)
    region = loaded_region.region
    file = str(loaded_region.secrets_file)
    if exists_or_is_dangling_link(loaded_region.secrets_file):
        raise BadInput(
            _("{file} already exists", file=file),
            fix=_(
                "to generate missing secrets: deploy region {region}; to change one: deploy "
                "secrets set {region} SECRET; if no operator can decrypt the file, rename it "
                "({value}), then run this command again",
                region=region.region,
                value=shlex.join(("mv", file, f"{file}.old")),
            ),
        )
    endpoints = known_endpoints(loaded_region)
    extra = [key for keys in endpoints.operators.values() for key in keys]
    made = load_and_complete_secrets(
        loaded_region, private_keys_to_try(identities, endpoints.ssh_key), endpoints.secrets, extra,
        replace_lost=True,
    )  # fmt: skip
    missing = [
        spec
        for spec in required_secrets.required_secrets(region)
        if spec.user_supplied and spec.name not in made
    ]
    if as_json:
        unset = {spec.name: spec.set_command(region.region) for spec in missing}
        print_json(
            {"region": region.region, "file": file, "generated": list(made.names), "unset": unset}
        )
        return
    count = count_with_noun(len(made.names), "new secret")
    echo(_("{file} now contains {count}.", file=file, count=count), err=True)
    for spec in missing:
        echo(
            _(
                "{name} ({meaning}) is still missing. Set it with: {set_command}",
                name=spec.name,
                meaning=_(spec.meaning),
                set_command=spec.set_command(region.region),
            ),
            err=True,
        )


@command.command("set")
@region_argument
@click.argument("secret")
@identity_option
@json_option
def set_(name: str, secret: str, identities: tuple[Path, ...], as_json: bool) -> None:
    """Set one secret. The command reads the secret from standard input or from a prompt."""
    loaded_region = _find_and_load_region(name)
    known = {spec.name: spec for spec in required_secrets.required_secrets(loaded_region.region)}
    if secret not in known:
        raise BadInput(
            _("the region does not need a secret called {secret!r}", secret=secret),
            fix=fix_for_unknown_word(secret, list(known)),
        )
    value = _read_new_value(known[secret], loaded_region.region.region)
    endpoints = known_endpoints(loaded_region)
    extra = [key for keys in endpoints.operators.values() for key in keys]
    # Another secret may have a wrong form: people repair one after the other.
    saved = update_secrets(
        loaded_region, private_keys_to_try(identities, endpoints.ssh_key), extra,
        lambda opened: _with_new_value(opened, known[secret], value), check=False,
    )  # fmt: skip
    _print_notices(saved)
    if as_json:
        print_json({"region": loaded_region.region.region, "secret": secret})
        return
    echo(_("{secret} is set. The next deploy sends it to the nodes.", secret=secret), err=True)


def _with_new_value(secrets: SecretStore, spec: SecretSpec, value: str) -> SecretStore:
    """Return `secrets` with a value that a person chose.

    Raises:
        BadInput: when the value is an old one that must be changed.
    """
    if spec.name in secrets.due and secrets[spec.name] == value:
        raise BadInput(
            _("this is the old value of {name}, which must be changed", name=spec.name),
            fix=_(spec.rotation_note),
        )
    return secrets.with_values({spec.name: value})


def _read_new_value(spec: SecretSpec, region: str) -> str:
    """Return the value from standard input, or from a prompt on a terminal.

    Raises:
        BadInput: when the service would not accept it.
    """
    fix = _(
        "enter the secret after the prompt, or pipe it: {set_command}",
        set_command=spec.set_command(region),
    )
    if sys.stdin is None:
        raise BadInput(_("standard input is closed, so no secret can be read"), fix=fix)
    if sys.stdin.isatty():
        value = click.prompt(spec.name, hide_input=True)
    else:
        try:
            value = sys.stdin.buffer.read(4 * store.MAX_VALUE_LENGTH).decode()
        except UnicodeDecodeError:
            raise BadInput(
                _("the new value of {name} is not UTF-8 text", name=spec.name), fix=fix
            ) from None
    value = value.replace("\r\n", "\n").strip("\r\n")
    # A text of several lines, such as a key, is a file, and its last line ends as the others.
    value += "\n" if "\n" in value else ""
    spec.check_new(value, region)
    return value


@command.command("sign")
@region_argument
@identity_option
@json_option
def sign(name: str, identities: tuple[Path, ...], as_json: bool) -> None:
    """Accept secrets.age as it is, and sign it with your key.

    Chautari signs the file whenever a secret changes. Use this command only if the file was written
    with an older version of Chautari, or by an operator who has left. First make sure that an
    operator wrote the file: git log -- secrets.age
    """
    loaded_region = _find_and_load_region(name)
    endpoints = known_endpoints(loaded_region)
    extra = [key for keys in endpoints.operators.values() for key in keys]
    sign_secrets_of_any_author(
        loaded_region, private_keys_to_try(identities, endpoints.ssh_key), extra
    )
    if as_json:
        print_json({"region": loaded_region.region.region})
        return
    echo(_("{secrets_file} is signed.", secrets_file=loaded_region.secrets_file), err=True)


@command.command("recovery-key")
@json_option
def recovery_key(as_json: bool) -> None:
    """Create a key that opens secrets.age if the operators' keys are lost.

    Write the public part under recovery in region.yml, and deploy. Print the secret part, keep the
    paper in a safe place, and do not store the secret part on a computer. If you need this key,
    type it into a file, and run: deploy secrets show NAME SECRET --identity FILE
    """
    key = pyrage.x25519.Identity.generate()
    public, secret = str(key.to_public()), str(key)
    if as_json:
        print_json({"public": public, "secret": secret})
        return
    echo(
        _(
            "Write this in region.yml. Replace `safe` with a name for the place where you keep "
            "the paper:"
        )
    )
    echo(_("recovery:\n  safe: {public}", public=public))
    echo(_("Keep this on paper:\n{secret}", secret=secret))


def _print_notices(secrets: SecretStore) -> None:
    for notice in secrets.notices:
        echo(notice, err=True)


def _find_and_load_region(name: str) -> LoadedRegion:
    return load_region(find_region_file(name, regions_root()))


def _open_secrets(
    loaded_region: LoadedRegion, endpoints: Endpoints, identities: tuple[Path, ...]
) -> SecretStore:
    if not exists_or_is_dangling_link(loaded_region.secrets_file):
        refuse_lost_secrets(loaded_region)
        return SecretStore({}, ())
    return open_secrets(loaded_region, private_keys_to_try(identities, endpoints.ssh_key))

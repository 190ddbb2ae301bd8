"""`deploy secrets merge`: two operators' changes to secrets.age, merged secret by secret."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

import click

from chautari.cli.json_output import print_json
from chautari.cli.options import identity_option, json_option, region_argument
from chautari.cli.output import echo
from chautari.errors import BadInput
from chautari.files import read_regular_file, write_atomically
from chautari.language import _
from chautari.paths import content_root, regions_root
from chautari.region.load import LoadedRegion, load_region
from chautari.region.locate import REGION_FILE, find_region_file
from chautari.render.provider import known_endpoints
from chautari.secrets import merge_driver, store
from chautari.secrets.completion import merge_versions, replace_merged
from chautari.secrets.private_keys import default_private_keys, private_keys_to_try


@click.command("merge")
@region_argument
@click.option(
    "--theirs", "take_theirs", multiple=True, metavar="SECRET",
    help="If both sides changed this secret, take the version that git calls `theirs`. You can "
    "repeat this option.",
)  # fmt: skip
@click.option(
    "--ours", "take_ours", multiple=True, metavar="SECRET",
    help="If both sides changed this secret, take the version that git calls `ours`. You can "
    "repeat this option.",
)  # fmt: skip
@identity_option
@json_option
def merge(
    name: str,
    take_theirs: tuple[str, ...],
    take_ours: tuple[str, ...],
    identities: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Resolve a git conflict in secrets.age.

    Git runs the same merge automatically after `deploy secrets install-merge`. Use this command if
    git stopped with a conflict in secrets.age. The command merges the secrets that only one side
    changed. For each secret that both sides changed, choose a version with the options. No value is
    shown.
    """
    loaded_region = load_region(
        find_region_file(name, regions_root()), with_peers=False, with_pins=False
    )
    file = loaded_region.secrets_file
    endpoints = known_endpoints(loaded_region)
    keys = private_keys_to_try(identities, endpoints.ssh_key)
    sealed, conflicts = merge_versions(
        loaded_region, keys, merge_driver.versions_of_conflict(file), take_theirs
    )
    unsettled = [secret for secret in conflicts if secret not in take_ours]
    if unsettled:
        raise BadInput(
            _("both sides changed {unsettled}", unsettled=", ".join(unsettled)),
            fix=_("choose a version of each: ")
            + shlex.join(["deploy", "secrets", "merge", name, *_theirs_options(unsettled)]),
        )
    replace_merged(loaded_region, sealed)
    if as_json:
        print_json({"region": loaded_region.region.region, "file": str(file)})
        return
    echo(
        _("{file} is merged. Tell git: {add_command}", file=file, add_command=_add_command(file)),
        err=True,
    )


def _theirs_options(secrets: Sequence[str]) -> list[str]:
    return [part for secret in secrets for part in ("--theirs", secret)]


def _add_command(file: Path) -> str:
    return shlex.join(["git", "add", str(file)])


@click.command("merge-driver", hidden=True)
@click.argument("base", type=click.Path(path_type=Path))
@click.argument("ours", type=click.Path(path_type=Path))
@click.argument("theirs", type=click.Path(path_type=Path))
@click.argument("path", type=click.Path(path_type=Path))
@json_option
def driver(base: Path, ours: Path, theirs: Path, path: Path, as_json: bool) -> int:
    """Merge three versions of secrets.age for git, which reads the result from OURS."""
    loaded_region = load_region(
        path.absolute().with_name(REGION_FILE), with_peers=False, with_pins=False
    )
    versions = merge_driver.Versions(*(_read_version(file) for file in (base, ours, theirs)))
    try:
        sealed, conflicts = merge_versions(loaded_region, default_private_keys(), versions)
    except BadInput as error:
        raise BadInput(
            _("{path} is not merged: {message}", path=path, message=error.message),
            fix=_(
                "{fix}; then run: deploy secrets merge {region}",
                fix=error.fix,
                region=loaded_region.region.region,
            ),
        ) from None
    write_atomically(ours, sealed)
    if as_json:
        print_json({"ok": not conflicts, "path": str(path), "conflicts": list(conflicts)})
    if not conflicts:
        return 0
    _report_conflicts(loaded_region, path, conflicts)
    return 1


def _read_version(file: Path) -> bytes:
    return read_regular_file(file, store.MAX_BYTES)


def _report_conflicts(loaded_region: LoadedRegion, path: Path, conflicts: Sequence[str]) -> None:
    name = loaded_region.region.region
    choose = shlex.join(["deploy", "secrets", "merge", name, *_theirs_options(conflicts)])
    echo(
        _(
            "Both sides changed {conflicts} in {path}. All other secrets are merged.\n"
            "  Fix: to keep the version that git calls `ours`: {add_command}\n"
            "       to take the other one: {choose}",
            conflicts=", ".join(conflicts),
            path=path,
            add_command=_add_command(path),
            choose=choose,
        ),
        err=True,
    )


@click.command("install-merge")
@json_option
def install(as_json: bool) -> None:
    """Let git merge each secret of secrets.age separately, in this clone of the repository.

    The command adds a line to .gitattributes. Commit this line once. The merge driver itself is set
    up separately in each clone: every operator runs this command, or `deploy doctor`, once.
    """
    root = regions_root()
    repository = merge_driver.repository_of(root)
    if repository is None or repository.resolve() == content_root().resolve():
        raise BadInput(
            _("{absolute} is not in a git repository for regions", absolute=root.absolute()),
            fix=_(
                "run this command in the folder of the regions' repository; to make it a "
                "repository: git init"
            ),
        )
    merge_driver.install(repository)
    added = merge_driver.add_attributes(repository)
    if as_json:
        print_json({"repository": str(repository), "attributes_added": added})
        return
    echo(
        _(
            "From now on, git in {repository} merges each secret in secrets.age separately.",
            repository=repository,
        ),
        err=True,
    )
    if added:
        echo(
            _(
                "Commit {attributes_file}, so that other operators get it.",
                attributes_file=merge_driver.ATTRIBUTES_FILE,
            ),
            err=True,
        )

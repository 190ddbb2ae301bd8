"""`deploy render NAME… -o DIR`: a plain, static Ansible inventory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from chautari.cli.json_output import print_json
from chautari.cli.options import RegionName, identity_option, json_option
from chautari.cli.output import echo
from chautari.deploy.inventory_export import output_folders, write_static_inventory
from chautari.deploy.request import Request
from chautari.errors import BadInput
from chautari.language import _
from chautari.paths import regions_root
from chautari.region.load import load_regions
from chautari.region.locate import find_region_file


class OutputFolder(click.Path):
    """A folder to write to. An empty name, as from an unset variable, is not the current folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path."""
        if not str(value).strip():
            raise BadInput(
                _("the name of the output folder is empty"),
                fix=_("write the name: -o /tmp/inventory"),
            )
        return super().convert(value, param, ctx)


@click.command("render")
@click.argument("names", nargs=-1, required=True, type=RegionName(), metavar="NAME...")
@click.option(
    "-o", "--output", required=True, metavar="DIR",
    type=OutputFolder(file_okay=False, path_type=Path), help="Write the inventory to this folder.",
)  # fmt: skip
@click.option(
    "--no-secrets",
    is_flag=True,
    help="Do not write the secrets. Without secrets, the command needs no SSH key.",
)
@identity_option
@json_option
def command(
    names: tuple[str, ...],
    output: Path,
    no_secrets: bool,
    identities: tuple[Path, ...],
    as_json: bool,
) -> int:
    """Write an inventory for a region, for use with plain ansible-playbook.

    If you specify several regions, each gets its own folder, DIR/REGION.

    \b
    deploy render andes -o /tmp/andes
    ansible-playbook -i /tmp/andes playbooks/region.yml
    """
    root = regions_root()
    loaded_regions = load_regions([find_region_file(name, root) for name in names])
    count = 0
    written: dict[str, dict[str, object]] = {}
    for loaded_region, folder in zip(
        loaded_regions, output_folders(loaded_regions, output), strict=True
    ):
        request = Request(loaded_region, "deploy render", identities=identities)
        files = write_static_inventory(request, folder, with_secrets=not no_secrets)
        count += len(files)
        names_of_files = sorted(map(str, files))
        written[loaded_region.region.region] = {"folder": str(folder), "files": names_of_files}
    if as_json:
        print_json({"regions": written, "with_secrets": not no_secrets})
        return 0
    echo(_("Wrote {count} files to {output}", count=count, output=output), err=True)
    if not no_secrets:
        echo(
            _("The secrets.yml files in this folder are not encrypted. Delete them after use."),
            err=True,
        )
    return 0

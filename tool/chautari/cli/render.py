"""`deploy render NAME -o DIR`: a plain, static Ansible inventory."""

from __future__ import annotations

from pathlib import Path

import click

from chautari.cli.options import identity_option, region_argument


@click.command("render")
@region_argument
@click.option(
    "-o", "--output", required=True, metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path), help="Folder to write the inventory to.",
)  # fmt: skip
@click.option("--no-secrets", is_flag=True, help="Leave the secrets out.")
@identity_option
def command(name: str, output: Path, no_secrets: bool, identities: tuple[Path, ...]) -> int:
    """Write a region as an inventory that plain ansible-playbook works with.

    \b
    deploy render andes -o /tmp/andes
    ansible-playbook -i /tmp/andes playbooks/region.yml
    """
    from chautari.paths import inventories_root
    from chautari.region.load import find, load
    from chautari.run.export import export
    from chautari.run.request import Request

    inventory = load(find(name, inventories_root()))
    request = Request(inventory, "deploy render", identities=identities)
    files = export(request, output, with_secrets=not no_secrets)
    click.echo(f"{len(files)} files in {output}", err=True)
    if not no_secrets:
        click.echo("secrets.yml in there are not encrypted; delete them after use", err=True)
    return 0

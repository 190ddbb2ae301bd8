"""Arguments that several subcommands share."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from chautari.paths import inventories_root

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


class RegionName(click.ParamType[str]):
    """A region's name under `inventories/`, or the path of its file; completed by the shell."""

    name = "NAME"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[click.shell_completion.CompletionItem]:
        """Offer the regions there are."""
        from click.shell_completion import CompletionItem

        from chautari.region.locate import names

        return [CompletionItem(n) for n in names(inventories_root()) if n.startswith(incomplete)]


region_argument: Decorator = click.argument("name", type=RegionName())
json_option: Decorator = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object to standard output."
)
node_option: Decorator = click.option(
    "--node",
    "nodes",
    multiple=True,
    metavar="NODE",
    help="Use only this node. You can repeat the option.",
)
identity_option: Decorator = click.option(
    "--identity", "identities", multiple=True, metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Use this SSH private key, for nodes and secrets. Default: ~/.ssh/id_ed25519, id_rsa.",
)  # fmt: skip
mirror_option: Decorator = click.option(
    "--mirror", metavar="DIR",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Serve upstream's real artifacts from this folder (only in a sandbox).",
)  # fmt: skip


def print_json(data: Any) -> None:
    """Print one JSON object to standard output."""
    click.echo(json.dumps(data, indent=2, ensure_ascii=False))

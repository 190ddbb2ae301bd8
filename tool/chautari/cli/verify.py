"""`deploy verify NAME`: all checks, nothing changed."""

from __future__ import annotations

from pathlib import Path

import click

from chautari.cli.options import identity_option, json_option, node_option, region_argument


@click.command("verify")
@region_argument
@node_option
@identity_option
@json_option
def command(name: str, nodes: tuple[str, ...], identities: tuple[Path, ...], as_json: bool) -> int:
    """Run all checks of a region, inside its nodes and from outside; nothing is changed."""
    from chautari.cli.work import carry_out
    from chautari.run.pipeline import check

    return carry_out(check, "verify", name, nodes, identities, as_json)

"""`deploy verify NAME`: all checks, nothing changed."""

from __future__ import annotations

from typing import Any

import click

from chautari.cli.options import identity_option, json_option, node_option, region_argument


@click.command("verify")
@region_argument
@node_option
@identity_option
@json_option
def command(name: str, as_json: bool, **asked: Any) -> int:
    """Run all checks of a region, inside its nodes and from outside. Nothing changes."""
    from chautari.cli.work import carry_out
    from chautari.deploy.pipeline import check

    return carry_out(check, "verify", name, as_json, **asked)

"""`deploy region NAME`: the main job."""

from __future__ import annotations

from pathlib import Path

import click

from chautari.cli.options import (
    identity_option,
    json_option,
    mirror_option,
    node_option,
    region_argument,
)


@click.command("region")
@region_argument
@node_option
@identity_option
@mirror_option
@json_option
def command(
    name: str,
    nodes: tuple[str, ...],
    identities: tuple[Path, ...],
    mirror: Path | None,
    as_json: bool,
) -> int:
    """Bring a region to what its region.yml says, check it and report.

    Preflight and prepare every node, converge it with Ansible on the node itself, run all checks
    inside and outside. What begins on a node ends there, whatever becomes of this terminal.
    """
    from chautari.cli.work import carry_out
    from chautari.run.pipeline import deploy

    return carry_out(deploy, "region", name, nodes, identities, as_json, mirror)

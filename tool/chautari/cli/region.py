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
@click.option("--wait", is_flag=True, help="Wait while somebody else deploys to a node.")
@click.option("--detach", is_flag=True, help="Come back once the nodes are at work.")
@json_option
def command(
    name: str,
    nodes: tuple[str, ...],
    identities: tuple[Path, ...],
    mirror: Path | None,
    wait: bool,
    detach: bool,
    as_json: bool,
) -> int:
    """Bring a region to what its region.yml says, check it and report.

    Preflight and prepare every node, converge it with Ansible on the node itself, run all checks
    inside and outside. What begins on a node ends there, whatever becomes of this terminal; the
    same command joins it again.
    """
    from chautari.cli.work import carry_out
    from chautari.run.converge import Manner
    from chautari.run.pipeline import deploy

    manner = Manner(wait, detach)
    return carry_out(deploy, "region", name, nodes, identities, as_json, mirror, manner)

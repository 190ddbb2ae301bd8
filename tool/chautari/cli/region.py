"""`deploy region NAME`: the main job."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from chautari.cli.options import (
    identity_option,
    json_option,
    mirror_option,
    node_option,
    region_argument,
)

if TYPE_CHECKING:
    from chautari.deploy.request import Listener, Request
    from chautari.report.model import RegionReport


@click.command("region")
@region_argument
@node_option
@identity_option
@mirror_option
@click.option("--full", is_flag=True, help="Run every role, also those that need not run.")
@click.option("--no-checks", is_flag=True, help="Leave out the checks that follow a deploy.")
@click.option(
    "--canary", metavar="NODE", default="", help="This node first; the rest if it is well."
)
@click.option(
    "--parallel", type=click.IntRange(1, 256), default=16, show_default=True,
    help="How many nodes are worked on at once.",
)  # fmt: skip
@click.option("--purge", is_flag=True, help="Delete the data of services that are taken off.")
@click.option("--even-if-busy", is_flag=True, help="Go on although people are meeting there.")
@click.option("--wait", is_flag=True, help="Wait while somebody else deploys to a node.")
@click.option("--detach", is_flag=True, help="Come back once the nodes are at work.")
@json_option
def command(
    name: str, as_json: bool, no_checks: bool, wait: bool, detach: bool, **asked: Any
) -> int:
    """Bring a region to what its region.yml says, check it and report.

    Every node is asked at once what would have to run; where nothing would, nothing is run. The
    others are looked at, prepared and converged with Ansible on the node itself; then all checks
    run, inside and outside. What begins on a node ends there, whatever becomes of this terminal;
    the same command joins it again.
    """
    from chautari.cli.work import carry_out
    from chautari.deploy.manner import Manner

    if detach and asked["canary"]:
        raise click.UsageError("--canary waits for its node, --detach does not: leave one out")
    if no_checks and asked["canary"]:
        raise click.UsageError(
            "--canary lets the others follow once its node passes its checks, --no-checks leaves "
            "them out: leave one out"
        )
    manner = Manner(wait, detach)
    return carry_out(_deploy, "region", name, as_json, manner=manner, checks=not no_checks, **asked)


def _deploy(request: Request, tell: Listener, say: Callable[[str], None]) -> RegionReport:
    from chautari.deploy import pipeline  # not needed when the nodes are just as they were left

    return pipeline.deploy(request, tell, say)

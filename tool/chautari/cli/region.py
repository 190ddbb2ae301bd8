"""`deploy region NAME`: the main job."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from chautari.cli.options import (
    EndpointsCommand,
    identity_option,
    json_option,
    node_option,
    region_argument,
)

if TYPE_CHECKING:
    from chautari.deploy.request import Listener, Request
    from chautari.report.model import RegionReport


@click.command("region", cls=EndpointsCommand)
@region_argument
@node_option
@identity_option
@click.option("--full", is_flag=True, help="Run every role, even those already up to date.")
@click.option("--no-checks", is_flag=True, help="Skip the checks after the deploy.")
@click.option(
    "--canary",
    metavar="NODE",
    default="",
    help="Deploy this node first; the others follow if its checks pass.",
)
@click.option(
    "--parallel", type=click.IntRange(1, 256), default=16, show_default=True,
    help="Deploy at most this many nodes at the same time.",
)  # fmt: skip
@click.option("--purge", is_flag=True, help="Delete the data of services that are removed.")
@click.option(
    "--interrupt-meetings", "even_if_busy", is_flag=True,
    help="Deploy even if people are in a meeting there.",
)  # fmt: skip
@click.option("--wait", is_flag=True, help="Wait while another operator is deploying to a node.")
@click.option("--detach", is_flag=True, help="Return as soon as the runs have started.")
@json_option
def command(
    name: str, as_json: bool, no_checks: bool, wait: bool, detach: bool, **asked: Any
) -> int:
    """Deploy a region: make its nodes match region.yml, check them and report.

    Every node is asked what is out of date. Nothing runs on a node that is up to date. The other
    nodes are inspected and prepared, and Ansible runs on each of them. Then all checks run, inside
    the nodes and from outside. A run continues on its node even if this terminal closes. Run the
    same command again to follow it.
    """
    from chautari.cli.work import carry_out
    from chautari.deploy.manner import Manner

    if detach and asked["canary"]:
        raise click.UsageError(
            "--canary waits for its node and --detach does not. Fix: remove one of them."
        )
    if no_checks and asked["canary"]:
        raise click.UsageError(
            "--canary needs the checks and --no-checks skips them. Fix: remove one of them."
        )
    manner = Manner(wait, detach)
    return carry_out(_deploy, "region", name, as_json, manner=manner, checks=not no_checks, **asked)


def _deploy(request: Request, tell: Listener, say: Callable[[str], None]) -> RegionReport:
    from chautari.deploy import pipeline  # not needed when the nodes are just as they were left

    return pipeline.deploy(request, tell, say)

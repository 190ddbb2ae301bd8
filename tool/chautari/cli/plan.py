"""`deploy plan NAME`: shows what a deploy would run, why, and what it would change."""

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


@click.command("plan", cls=EndpointsCommand)
@region_argument
@node_option
@identity_option
@click.option("--full", is_flag=True, help="Include every role, even those already up to date.")
@json_option
def command(name: str, as_json: bool, **asked: Any) -> int:
    """Show what `deploy region NAME` would do. Nothing changes.

    The plan names the roles that would run, why, what they would change according to Ansible's
    check mode, and the size of the downloads. A node that is up to date needs one round trip.
    """
    from chautari.cli.work import carry_out

    return carry_out(_foretell, "plan", name, as_json, **asked)


def _foretell(request: Request, tell: Listener, say: Callable[[str], None]) -> RegionReport:
    from chautari.deploy import pipeline  # not needed when the nodes are just as they were left

    return pipeline.foretell(request, tell, say)

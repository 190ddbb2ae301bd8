"""`deploy plan NAME`: shows what a deploy would run, why, and what it would change."""

from __future__ import annotations

from typing import Any

import click

from chautari.cli.options import (
    CommandWithProviderOptions,
    identity_option,
    json_option,
    node_option,
    region_argument,
    report_option,
)
from chautari.cli.reporting import run_and_report
from chautari.deploy import pipeline


@click.command("plan", cls=CommandWithProviderOptions)
@region_argument
@node_option
@identity_option
@click.option("--full", is_flag=True, help="Include every role, even those already up to date.")
@report_option
@json_option
def command(name: str, as_json: bool, **options: Any) -> int:
    """Show what `deploy region NAME` would do. Nothing changes.

    The plan lists the roles that would run, and the reasons. It shows the changes that Ansible's
    check mode predicts, and the size of the downloads. A node that is up to date needs only one
    round trip.
    """
    return run_and_report(pipeline.plan, "plan", name, as_json, **options)

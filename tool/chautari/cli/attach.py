"""`deploy attach NAME`: follows the newest run of each node, from its beginning."""

from __future__ import annotations

from typing import Any

import click

from chautari.cli.options import (
    identity_option,
    json_option,
    node_option,
    region_argument,
    report_option,
)
from chautari.cli.reporting import run_and_report
from chautari.deploy import newest_runs


@click.command("attach")
@region_argument
@node_option
@identity_option
@click.option("--run", metavar="RUN", default="", help="Show this run instead of the newest one.")
@report_option
@json_option
def command(name: str, as_json: bool, **options: Any) -> int:
    """Show the newest run of each node from its beginning, and follow it while it is running.

    If the newest run has finished, the command shows it too. It never starts a run. Each node keeps
    the records of its last twenty deploys, and of the last twenty other runs, such as plans and
    checks. `deploy status --json` lists all these runs.
    """
    return run_and_report(
        newest_runs.follow_newest_run_of_each_node, "attach", name, as_json, **options
    )

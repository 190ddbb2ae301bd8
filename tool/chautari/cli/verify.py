"""`deploy verify NAME`: all checks, nothing changed."""

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
from chautari.deploy import pipeline


@click.command("verify")
@region_argument
@node_option
@identity_option
@report_option
@json_option
def command(name: str, as_json: bool, **options: Any) -> int:
    """Run all checks for a region, on its nodes and from outside. Nothing changes."""
    return run_and_report(pipeline.verify, "verify", name, as_json, **options)

"""`deploy prepare NAME`: makes bare machines ready for Ansible, and changes nothing else."""

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


@click.command("prepare", cls=CommandWithProviderOptions)
@region_argument
@node_option
@identity_option
@report_option
@json_option
def command(name: str, as_json: bool, **options: Any) -> int:
    """Inspect the region's machines, and install what Ansible and the checks need.

    `deploy region` does this automatically. Use this command before you run Ansible yourself.
    """
    return run_and_report(pipeline.prepare_nodes, "prepare", name, as_json, **options)

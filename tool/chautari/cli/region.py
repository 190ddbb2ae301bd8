"""`deploy region NAME`: the main job."""

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
from chautari.language import _


@click.command("region", cls=CommandWithProviderOptions)
@region_argument
@node_option
@identity_option
@click.option("--full", is_flag=True, help="Run every role, even those already up to date.")
@click.option("--no-checks", is_flag=True, help="Skip the checks after the deploy.")
@click.option(
    "--canary",
    metavar="NODE",
    default="",
    help="Deploy to this node first; deploy to the others only if its checks pass.",
)
@click.option(
    "--parallel", type=click.IntRange(1, 256), default=16, show_default=True,
    help="Deploy to at most this many nodes at the same time.",
)  # fmt: skip
@click.option(
    "--download-only",
    is_flag=True,
    help="Let the nodes download the files for the next deploy, but change no service.",
)
@click.option(
    "--purge", is_flag=True, help="Also delete the data of services that the deploy removes."
)
@click.option(
    "--interrupt-meetings", is_flag=True, help="Deploy even if people are in a meeting on a node."
)
@click.option(
    "--wait",
    is_flag=True,
    help="If another operator is deploying to a node, wait until that run ends.",
)
@click.option("--detach", is_flag=True, help="Return as soon as the runs have started.")
@report_option
@json_option
def command(
    name: str,
    as_json: bool,
    no_checks: bool,
    canary: str,
    detach: bool,
    download_only: bool,
    **options: Any,
) -> int:
    """Deploy a region: make its nodes match region.yml, check them and print a report.

    The command asks every node which roles are out of date. If a node is up to date, no role runs
    on it. The command inspects and prepares each node that is out of date, and runs Ansible on it.
    Then all checks run, on the nodes and from outside. A run continues on its node even if you
    close this terminal. To follow the run, enter the same command again.

    On a slow link, first run the command with --download-only, for example overnight. Interrupted
    downloads continue where they stopped.
    """
    if detach and canary:
        raise click.UsageError(
            _("--canary waits for a node, but --detach does not wait. Fix: remove one of them.")
        )
    if no_checks and canary:
        raise click.UsageError(
            _("--canary needs the checks, but --no-checks skips them. Fix: remove one of them.")
        )
    if download_only and (canary or options["purge"] or options["interrupt_meetings"]):
        raise click.UsageError(
            _(
                "--download-only changes no service. Fix: remove --canary, --purge and "
                "--interrupt-meetings."
            )
        )
    checks = not (no_checks or download_only)
    options |= {"canary": canary, "detach": detach, "checks": checks}
    verb = "region --download-only" if download_only else "region"
    options["download_only"] = download_only
    return run_and_report(pipeline.deploy, verb, name, as_json, **options)

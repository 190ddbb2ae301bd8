"""`deploy drill NAME`: restore the newest backup into containers, and check it there."""

from __future__ import annotations

import platform
from typing import Any

import click

from chautari.account import account_name
from chautari.backup import drill, sandbox_copy
from chautari.cli.backup_options import at_option, from_option
from chautari.cli.json_output import print_json
from chautari.cli.options import (
    CommandWithProviderOptions,
    identity_option,
    json_option,
    node_option,
    region_argument,
)
from chautari.cli.output import echo
from chautari.cli.reporting import progress_listener
from chautari.cli.restore_results import print_outcomes
from chautari.deploy.request import Request, ensure_context
from chautari.language import TextTemplate, _
from chautari.paths import regions_root
from chautari.region.load import load_region
from chautari.region.locate import find_region_file
from chautari.report import jsonreport
from chautari.report.progress import Progress
from chautari.report.text_format import duration_text

# The last line of a drill, and of a restore into containers, that passed or failed.
_DRILL_RESULTS: tuple[TextTemplate, TextTemplate] = (
    "The drill of {region} ({nodes}) passed after {duration}.",
    "The drill of {region} ({nodes}) failed after {duration}.",
)
_RESTORE_RESULTS: tuple[TextTemplate, TextTemplate] = (
    "The restore of {region} ({nodes}) into containers succeeded after {duration}.",
    "The restore of {region} ({nodes}) into containers failed after {duration}.",
)


@click.command("drill", cls=CommandWithProviderOptions)
@region_argument
@node_option
@at_option
@from_option
@click.option(
    "--network", default=sandbox_copy.DEFAULT_NETWORK, show_default=True, metavar="SUBNET",
    help="Subnet for the containers, in a network that is reserved for documentation (RFC 5737).",
)  # fmt: skip
@click.option("--keep", is_flag=True, help="Keep the containers after the drill.")
@identity_option
@json_option
def command(name: str, as_json: bool, keep: bool, **options: Any) -> int:
    """Restore the newest backup of each node into containers on this machine, and check it there.

    The containers are new: the services never ran in them. The command deploys a copy of the region
    there, and restores the backups. Then it compares each file and table with the backup, and runs
    all checks, including logins. It cannot change the services of the region's nodes: it only reads
    their backups where they are stored. At the end, each node records the date and the result, and
    `deploy status` shows them.
    """
    nodes, identities = options.pop("nodes"), options.pop("identities")
    loaded_region = load_region(find_region_file(name, regions_root()))
    region = loaded_region.region.region
    request = Request(loaded_region, f"deploy drill {region}", nodes, identities)
    planned, outcome = _run_drill_with_progress(request, **options)
    missing = drill.record_drill_and_return_failed_nodes(planned, outcome)
    if not keep:
        drill.remove_containers_and_copy(planned)
    _print_drill_outcome(planned, outcome, as_json, _DRILL_RESULTS)
    if missing and not as_json:
        echo(
            _("The result could not be recorded on {missing}.", missing=", ".join(missing)),
            err=True,
        )
    return 0 if outcome.ok else 1


def restore_into_sandbox(
    request: Request, *, as_json: bool, service: str, at: int, target: str, backup_of: str,
    yes: bool, **__: Any,
) -> int:  # fmt: skip
    """Restore into containers and keep them, so that people can look at the data."""
    planned, outcome = _run_drill_with_progress(
        request, service=service, at=at, target=target, backup_of=backup_of
    )
    _print_drill_outcome(planned, outcome, as_json, _RESTORE_RESULTS)
    copy = planned.copy.folder
    if not as_json:
        echo(
            _(
                "The containers keep running. To remove them: CHAUTARI_INVENTORIES={parent} "
                "deploy sandbox down {name} --purge",
                parent=copy.parent,
                name=copy.name,
            ),
            err=True,
        )
    return 0 if outcome.ok else 1


def _run_drill_with_progress(
    request: Request, **options: Any
) -> tuple[drill.PlannedDrill, drill.DrillOutcome]:
    region = request.loaded_region.region.region
    about = {"operator": account_name(), "origin": platform.node(), "region": region}
    with Progress() as progress:
        context = ensure_context(request, progress.print_line, save_secrets=False)
        planned = drill.plan_drill(request, context, **options)
        for order in planned.orders:
            progress.print_line(_("drill: {describe}", describe=order.describe(planned.at)))
        outcome = drill.run_drill(
            planned,
            progress_listener(progress),
            progress.print_line,
            progress.show_node_phase,
            about,
        )
    return planned, outcome


def _print_drill_outcome(
    planned: drill.PlannedDrill, outcome: drill.DrillOutcome, as_json: bool, texts: tuple[str, str]
) -> None:
    if as_json:
        report = None if outcome.report is None else jsonreport.report_object(outcome.report)
        restores = [item.as_object() for item in outcome.restores]
        print_json({"ok": outcome.ok, "seconds": round(outcome.seconds, 1),
                    "restores": restores, "report": report})  # fmt: skip
        return
    print_outcomes(outcome.restores, outcome.report, as_json, planned.request, with_kept=False)
    passed, failed = texts
    echo(_(
        passed if outcome.ok else failed,
        region=planned.request.loaded_region.region.region,
        nodes=", ".join(drill.node_names_of_orders(planned.orders)),
        duration=duration_text(outcome.seconds),
    ))  # fmt: skip

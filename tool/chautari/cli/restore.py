"""`deploy restore NAME`: bring back the data of a backup."""

from __future__ import annotations

import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import click

from chautari.account import account_name
from chautari.backup import restore
from chautari.backup.restore_order import NodeContextSource, RestoreOrder, plan_orders
from chautari.cli.backup_options import at_option, from_option
from chautari.cli.drill import restore_into_sandbox
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
from chautari.deploy import pipeline
from chautari.deploy.request import (
    DeployContext,
    Listener,
    Request,
    ensure_context,
)
from chautari.errors import BadInput
from chautari.language import _
from chautari.paths import regions_root
from chautari.region.load import load_region
from chautari.region.locate import find_region_file
from chautari.render.provider import known_endpoints
from chautari.report.model import RegionReport
from chautari.report.progress import Progress
from chautari.ssh.target import SSHTarget, ssh_targets

service_option = click.option(
    "--service", default="", metavar="SERVICE",
    help="Restore only this service. `node` restores the node's certificates.",
)  # fmt: skip


@click.command("restore", cls=CommandWithProviderOptions)
@region_argument
@node_option
@service_option
@at_option
@from_option
@click.option(
    "--backup-of", default="", metavar="NODE",
    help="Restore the backup of another node, for example of a node that was replaced.",
)  # fmt: skip
@click.option(
    "--into", type=click.Choice(["sandbox"]), default=None,
    help="Restore into containers on this machine; the region's own nodes are not changed.",
)  # fmt: skip
@click.option("--yes", is_flag=True, help="Do not ask before the restore.")
@click.option("--follow", is_flag=True, help="Follow a restore that has started on a node.")
@click.option("--list", "as_list", is_flag=True, help="List earlier restores on the nodes.")
@click.option(
    "--clean", is_flag=True, help="Delete the old data that earlier restores kept on the nodes."
)
@identity_option
@json_option
def command(name: str, as_json: bool, **options: Any) -> int:
    """Restore services of a region from a backup.

    The node first restores a complete copy next to the live data: files to a separate folder,
    databases under new names. It compares each file and each table with the backup. Only then does
    it pause the services for a few seconds, and replace the live data with the copy. The old data
    is kept under another name. If the restore is interrupted, the node completes or undoes it.

    A new node must be deployed first: deploy region NAME.
    """
    nodes, identities = options.pop("nodes"), options.pop("identities")
    loaded_region = load_region(find_region_file(name, regions_root()))
    request = Request(
        loaded_region, f"deploy restore {loaded_region.region.region}", nodes, identities
    )
    if options.pop("into"):
        return restore_into_sandbox(request, as_json=as_json, **options)
    for action, function in (
        ("follow", _follow_running_restores),
        ("as_list", _print_finished_restores),
        ("clean", _delete_kept_data),
    ):
        if options.pop(action):
            return function(request, as_json, options["yes"])
    return _confirm_restore_deploy_and_verify(request, as_json, **options)


def _confirm_restore_deploy_and_verify(
    request: Request, as_json: bool, service: str, at: int, target: str, backup_of: str, yes: bool
) -> int:
    with Progress() as progress:
        context = ensure_context(request, progress.print_line, save_secrets=False)
    source = NodeContextSource(context.loaded_region, context.endpoints)
    orders = plan_orders(source, request.node_names(), service, target, backup_of)
    _print_planned_restores(orders, at)
    if not yes:
        click.confirm(_("Restore now?"), abort=True, err=True)
    outcomes = run_restore_orders(context, orders, at)
    report = None
    if all(outcome.ok for outcome in outcomes):
        report = deploy_and_verify(replace(request, nodes=tuple(o.node for o in orders)))
    print_outcomes(outcomes, report, as_json, request)
    return 0 if report is not None and report.ok else 1


def _print_planned_restores(orders: Sequence[RestoreOrder], at: int) -> None:
    echo(_("The data of a backup will be restored to these nodes:"), err=True)
    for order in orders:
        echo(f"  {order.describe(at)}", err=True)
        for state in order.states:
            databases = [name for names in state.databases.values() for name in names]
            paths = [folder.path for folder in state.state.folders] + [*state.state.files]
            found = [*(_("database {name}", name=name) for name in databases), *paths]
            echo(f"    {state.name}: {', '.join(found)}", err=True)
    echo(
        _(
            "The services are paused for a few seconds. The current data is kept under another "
            "name."
        ),
        err=True,
    )


def run_restore_orders(
    context: DeployContext, orders: Sequence[RestoreOrder], at: int
) -> list[restore.NodeOutcome]:
    """Restore on all nodes and show the progress."""
    reached = ssh_targets(
        context.loaded_region, context.endpoints, tuple(order.node for order in orders),
        context.request.identities, context.known_hosts,
    )  # fmt: skip
    region = context.loaded_region.region.region
    about = {"operator": account_name(), "origin": platform.node(), "region": region}
    with Progress() as progress:
        return restore.run_restores(
            orders,
            {target.name: target for target in reached},
            context.secrets,
            region,
            at,
            about,
            progress.show_node_phase,
        )


def deploy_and_verify(request: Request) -> RegionReport:
    """Run the roles that the restored data concerns, then all checks; return the report."""
    with Progress() as progress:
        listener: Listener = progress_listener(progress)
        deployed = pipeline.deploy(replace(request, checks=False), listener, progress.print_line)
        if not deployed.ok:
            return deployed
        return pipeline.verify(request, listener, progress.print_line)


def _ssh_targets_of_request(request: Request) -> list[SSHTarget]:
    endpoints = known_endpoints(request.loaded_region)
    return ssh_targets(request.loaded_region, endpoints, request.node_names(), request.identities)


def _follow_running_restores(request: Request, as_json: bool, _: bool) -> int:
    with Progress() as progress:
        outcomes = [
            restore.follow_restore(target, progress.show_node_phase)
            for target in _ssh_targets_of_request(request)
        ]
    print_outcomes(outcomes, None, as_json, request)
    return 0 if all(outcome.ok for outcome in outcomes) else 1


def _print_finished_restores(request: Request, as_json: bool, __: bool) -> int:
    found = {
        target.name: restore.restore_results_of_node(target)
        for target in _ssh_targets_of_request(request)
    }
    if as_json:
        nodes = {node: answer.model_dump(mode="json") for node, answer in found.items()}
        print_json({"nodes": nodes})
        return 0
    for node, answer in found.items():
        if answer.pending:
            echo(_("{node:<16} a restore is not finished", node=node))
        for result in answer.results:
            when = time.strftime("%Y-%m-%d %H:%M", time.localtime(result.finished))
            word = "restored" if result.ok else "undone"
            kept = _("; the old data is kept") if result.kept else ""
            echo(
                _(
                    "{node:<16} {when}  {word} {services} from {archive}{kept}",
                    node=node,
                    when=when,
                    word=word,
                    services=", ".join(result.services),
                    archive=result.archive,
                    kept=kept,
                )
            )
        if not answer.results and not answer.pending:
            echo(_("{node:<16} no restores", node=node))
    return 0


def _delete_kept_data(request: Request, as_json: bool, yes: bool) -> int:
    targets = _ssh_targets_of_request(request)
    known = {target.name: restore.restore_results_of_node(target) for target in targets}
    ids = {
        node: [result.id for result in answer.results if result.kept]
        for node, answer in known.items()
    }
    _print_kept_data(known)
    if not any(ids.values()):
        print_json({"deleted": {}}) if as_json else echo(_("No old data is kept."))
        return 0
    if not yes:
        click.confirm(_("Delete this data?"), abort=True, err=True)
    deleted: dict[str, Mapping[str, object]] = {}
    for target in targets:
        if ids[target.name]:
            answer = restore.delete_kept_data_on_node(target, ids[target.name])
            deleted[target.name] = answer.model_dump(mode="json")
            if answer.error:
                raise BadInput(f"{target.name}: {answer.error.reason}", fix=answer.error.fix)
    print_json({"deleted": deleted}) if as_json else echo(_("The old data was deleted."))
    return 0


def _print_kept_data(known: Mapping[str, Any]) -> None:
    for node, answer in known.items():
        for result in answer.results:
            if result.kept:
                names = [
                    _("database {name}_before_{id}", name=name, id=result.id)
                    for __, name in result.kept.databases
                ]
                for item in [*result.kept.paths, *names]:
                    echo(f"{node}: {item}", err=True)

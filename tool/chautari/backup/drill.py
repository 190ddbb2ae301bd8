"""Restore a backup into containers on this machine, check it there, and record the result."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from chautari.backup import restore, sandbox_copy
from chautari.backup.restore_events import DrillRecorded
from chautari.backup.restore_order import (
    NodeContextSource,
    RestoreOrder,
    plan_orders,
    present_or_past_backup_variables,
    with_repository_address,
)
from chautari.deploy import pipeline
from chautari.deploy.request import DeployContext, Listener, Request, ensure_context
from chautari.errors import BadInput
from chautari.language import _
from chautari.node.restore.texts import PREFIX
from chautari.process import run
from chautari.region.load import LoadedRegion
from chautari.render.provider import require_endpoints_provider
from chautari.report.model import RegionReport
from chautari.ssh.target import SSHTarget, command_as_root, ssh_argv, ssh_targets

Say = Callable[[str], None]
INSTALL_BORG = "apt-get install -qq -y --no-install-recommends borgbackup openssh-client"
INSTALL_SECONDS = 900


@dataclass(frozen=True)
class PlannedDrill:
    """A restore into containers, before it begins.

    Attributes:
        request: the command, for the region itself.
        source: the context of the region, with its secrets.
        copy: the copy of the region that runs in containers.
        orders: what is restored there.
        at: as in `deploy restore`.
    """

    request: Request
    source: DeployContext
    copy: LoadedRegion
    orders: tuple[RestoreOrder, ...]
    at: int


@dataclass(frozen=True)
class DrillOutcome:
    """How a drill ended."""

    restores: tuple[restore.NodeOutcome, ...]
    report: RegionReport | None
    seconds: float

    @property
    def ok(self) -> bool:
        """Return whether everything was restored and every check passed."""
        restored = bool(self.restores) and all(item.ok for item in self.restores)
        return restored and self.report is not None and self.report.ok


def plan_drill(
    request: Request,
    context: DeployContext,
    service: str = "",
    at: int = 0,
    target: str = "",
    backup_of: str = "",
    network: str = sandbox_copy.DEFAULT_NETWORK,
) -> PlannedDrill:
    """Write the copy of the region, and return what would be restored there.

    Raises:
        BadInput: when there is no backup that this machine's containers can read.
    """
    require_endpoints_provider(_("a drill runs in containers"))
    loaded_region = context.loaded_region
    nodes = sandbox_copy.nodes_to_copy(loaded_region.region, request.node_names())
    source = NodeContextSource(loaded_region, context.endpoints)
    orders = [
        order if backup_of else _replace_disk_target(source, order, target)
        for order in plan_orders(source, nodes, service, target, backup_of)
    ]
    copy = sandbox_copy.write_copy(loaded_region, nodes, network)
    reachable = tuple(replace(_add_target_address(order), compare_hashes=True) for order in orders)
    return PlannedDrill(request, context, copy, reachable, at)


def _replace_disk_target(
    source: NodeContextSource, order: RestoreOrder, target: str
) -> RestoreOrder:
    """Return the order with a target that a container can read.

    Raises:
        BadInput: when the backups are only on a disk of the node.
    """
    if order.target.kind != "disk":
        return order
    found = present_or_past_backup_variables(source, order.node, order.backup_of)[
        "backup_settings"
    ]["targets"]
    others = [item["name"] for item in found if item["kind"] != "disk"]
    if target or not others:
        raise BadInput(
            _(
                "the backups of {backup_of} are on a disk of this node, which containers on "
                "this machine cannot read",
                backup_of=order.backup_of,
            ),
            fix=_(
                "back up to a peer or an SSH server as well; the node itself tests the backups "
                "on its disk every week"
            ),
        )
    [found_order] = plan_orders(source, [order.node], target=others[0])
    return replace(found_order, states=order.states)


def _add_target_address(order: RestoreOrder) -> RestoreOrder:
    """Return the order with the address of its target: containers know only their own names."""
    url = urlsplit(order.target.repository)
    host = url.hostname or ""
    with suppress(OSError):
        address = socket.gethostbyname(host)
        user = f"{url.username}@" if url.username else ""
        port = url.port or 22
        repository = f"ssh://{user}{address}:{port}{url.path}"
        names = {host: address, f"[{host}]:{port}": f"[{address}]:{port}"}
        known_hosts = []
        for line in order.known_hosts:
            name, _, key = line.partition(" ")
            known_hosts.append(f"{names.get(name, name)} {key}")
        return with_repository_address(order, repository, known_hosts)
    return order


def run_drill(
    drill: PlannedDrill,
    listener: Listener,
    say: Say,
    say_of_node: restore.Say,
    about: Mapping[str, str],
) -> DrillOutcome:
    """Deploy the copy, restore the backup into it, and check it like the region itself."""
    began = time.monotonic()
    request = Request(drill.copy, f"deploy drill {drill.request.loaded_region.region.region}")
    deployed = pipeline.deploy(replace(request, checks=False), listener, say)
    if not deployed.ok:
        return DrillOutcome((), deployed, time.monotonic() - began)
    context = ensure_context(request, say, save_secrets=False)
    nodes = tuple(order.node for order in drill.orders)
    reached = ssh_targets(context.loaded_region, context.endpoints, nodes)
    for target in reached:
        # The copy has no `backup`, so that it never writes where the region's backups are.
        say_of_node(target.name, _("installing borg"))
        run(ssh_argv(target, command_as_root(target, INSTALL_BORG)), timeout=INSTALL_SECONDS)
    restored = restore.run_restores(
        drill.orders,
        {target.name: target for target in reached},
        drill.source.secrets,
        drill.copy.region.region,
        drill.at,
        about,
        say_of_node,
    )
    report: RegionReport | None = None
    if all(outcome.ok for outcome in restored):
        report = pipeline.deploy(replace(request, checks=False), listener, say)
        if report.ok:
            report = pipeline.verify(request, listener, say)
    return DrillOutcome(tuple(restored), report, time.monotonic() - began)


def remove_containers_and_copy(drill: PlannedDrill) -> None:
    """Remove the containers of a drill, and the files of the copy."""
    require_endpoints_provider(_("a drill runs in containers")).stop_endpoints(drill.copy)
    sandbox_copy.delete_files_of_copy(drill.copy)


def drill_record_of_node(drill: PlannedDrill, outcome: DrillOutcome, node: str) -> dict[str, Any]:
    """Return what the state file of a node says about the drill."""
    found = next((item for item in outcome.restores if item.node == node), None)
    record: dict[str, Any] = {
        "time": int(time.time()), "archive": None, "ok": outcome.ok,
        "seconds": round(outcome.seconds, 1), "error": None,
    }  # fmt: skip
    if found is not None and found.result is not None:
        figures = found.result.figures
        record |= {
            "archive": found.result.archive or None, "tables": figures.tables,
            "rows": figures.rows, "files": figures.files,
        }  # fmt: skip
        if found.result.error:
            error = found.result.error
            record["error"] = {"code": f"{PREFIX}{error.code}", "data": dict(error.data)}
    if not outcome.ok and record["error"] is None:
        record["error"] = {"code": f"{PREFIX}drill_checks_failed", "data": {}}
    return record


def record_drill_and_return_failed_nodes(drill: PlannedDrill, outcome: DrillOutcome) -> list[str]:
    """Write the result to the state file of each node; return the nodes that did not take it."""
    nodes = tuple(order.backup_of for order in drill.orders)
    known = tuple(node for node in nodes if node in drill.source.loaded_region.region.nodes)
    reached = ssh_targets(
        drill.source.loaded_region, drill.source.endpoints, known, drill.request.identities
    )
    missing = [node for node in nodes if node not in known]
    for target in reached:
        if not _record_drill_on_node(target, drill_record_of_node(drill, outcome, target.name)):
            missing.append(target.name)
    return missing


def _record_drill_on_node(target: SSHTarget, record: Mapping[str, Any]) -> bool:
    arguments: dict[str, Any] = {"action": "restore_record_drill", "record": dict(record)}
    try:
        return restore.run_short_action(target, arguments, DrillRecorded).error is None
    except restore.NodeRefused:
        return False


def node_names_of_orders(orders: Sequence[RestoreOrder]) -> list[str]:
    """Return the names of the nodes whose backups are restored."""
    return [order.backup_of for order in orders]

"""Ask every node what runs there."""

from __future__ import annotations

import calendar
import time
from collections.abc import Callable
from typing import Any, NamedTuple, TypedDict

from chautari.deploy.outdated import ReleaseComparison, compare_with_upstream
from chautari.deploy.remote_run import NO_PYTHON, no_answer_refusal
from chautari.deploy.request import Request
from chautari.node.events import LockHolder, RunFinished, StatusAnswer
from chautari.parallel import map_parallel
from chautari.render.provider import known_endpoints
from chautari.report.model import BackupStatus
from chautari.ssh.runner_client import call_runner
from chautari.ssh.target import SSHTarget, ssh_targets


class NodeStatus(TypedDict, total=False):
    """Who runs on a node, its newest run and how that ended; `started` is in Unix seconds.

    An unreachable node has a `message` only; a node without a deploy has no runs.
    """

    node: str
    reachable: bool
    message: str
    busy: LockHolder | None
    run: str | None
    runs: list[str]
    started: int | None
    finished: RunFinished | None


class RegionStatus(NamedTuple):
    """The status of each node, releases that upstream has newer ones of, and the backups."""

    nodes: list[NodeStatus]
    releases: ReleaseComparison
    backups: list[BackupStatus]


def region_status(request: Request) -> RegionStatus:
    """Ask the nodes and upstream's servers at the same time."""
    parts: list[Callable[[], Any]] = [
        lambda: node_statuses(request),
        lambda: compare_with_upstream(request.loaded_region),
        lambda: _backup_statuses(request),
    ]
    return RegionStatus(*map_parallel(lambda part: part(), parts))


def node_statuses(request: Request) -> list[NodeStatus]:
    """Return the status of each requested node."""
    endpoints = known_endpoints(request.loaded_region)
    reached = ssh_targets(
        request.loaded_region, endpoints, request.node_names(), request.identities
    )
    return map_parallel(_ask_node_for_status, reached)


def _backup_statuses(request: Request) -> list[BackupStatus]:
    region = request.loaded_region.region
    if region.backup is None:
        return []
    from chautari.deploy import backup_status  # a region without backups does not pay for it

    endpoints = known_endpoints(request.loaded_region)
    names, identities = request.node_names(), request.identities
    targets = ssh_targets(request.loaded_region, endpoints, names, identities)
    return backup_status.ask_nodes_for_backups(region, targets)


def _ask_node_for_status(target: SSHTarget) -> NodeStatus:
    reply = call_runner(target, {"action": "status"}, StatusAnswer)
    if reply.answer is None and reply.code == NO_PYTHON:
        return {"node": target.name, "reachable": True, "busy": None, "run": None}
    if reply.answer is None:
        refusal = no_answer_refusal(target, reply.code, reply.last_error)
        message = f"{refusal.reason} {refusal.fix}"
        return {"node": target.name, "reachable": False, "message": message}
    run = reply.answer["run"]
    return {
        "node": target.name,
        "reachable": True,
        "busy": reply.answer["busy"],
        "run": run,
        "runs": reply.answer["runs"],
        "started": _start_time_from_id(run) if run else None,
        "finished": reply.answer.get("finished"),
    }


def _start_time_from_id(run: str) -> int | None:
    """Return when a run was started, in seconds since the epoch; its id holds the time."""
    try:
        return calendar.timegm(time.strptime(run[:15], "%Y%m%dT%H%M%S"))
    except ValueError:
        return None

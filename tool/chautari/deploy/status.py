"""Ask every node what runs there."""

from __future__ import annotations

import calendar
import time
from collections.abc import Callable
from typing import Any, NamedTuple, TypedDict

from chautari.deploy import backup_status, node_health, peer_status
from chautari.deploy.node_health import HealthAnswer
from chautari.deploy.outdated import ReleaseComparison, compare_with_upstream
from chautari.deploy.remote_run import NO_PYTHON, no_answer_refusal
from chautari.deploy.request import Request
from chautari.federation import peer_management
from chautari.federation.peer_status import peer_statuses_from_states_and_files
from chautari.language import _
from chautari.node.events import LockHolder, RunFinished, StatusAnswer
from chautari.parallel import map_parallel
from chautari.render.provider import known_endpoints
from chautari.report import messages
from chautari.report.model import BackupStatus, PeerStatus
from chautari.ssh.runner_client import call_runner
from chautari.ssh.target import SSHTarget, ssh_targets


class NodeStatus(TypedDict, total=False):
    """Who runs on a node, its newest run and how that ended; `started` is in Unix seconds.

    `other_keys` can log in although no operator has them. An unreachable node has a `message` only;
    a node without a deploy has no runs.
    """

    node: str
    reachable: bool
    message: str
    busy: LockHolder | None
    run: str | None
    runs: list[str]
    started: int | None
    finished: RunFinished | None
    other_keys: list[str]


class RegionStatus(NamedTuple):
    """What is known of the region: its nodes, releases, backups and peers.

    `health` is what each node measured of itself. `peers` are judged by their pinned descriptors
    and by what the services on the nodes report.
    """

    nodes: list[NodeStatus]
    releases: ReleaseComparison
    backups: list[BackupStatus]
    health: list[HealthAnswer]
    peers: list[PeerStatus]


def region_status(request: Request) -> RegionStatus:
    """Ask the nodes and upstream's servers at the same time."""
    parts: list[Callable[[], Any]] = [
        lambda: node_statuses(request),
        lambda: compare_with_upstream(request.loaded_region),
        lambda: _backup_statuses(request),
        lambda: node_health.ask_nodes_for_health(_targets(request)),
        lambda: _peer_statuses(request),
    ]
    return RegionStatus(*map_parallel(lambda part: part(), parts))


def node_statuses(request: Request) -> list[NodeStatus]:
    """Return the status of each requested node."""
    return map_parallel(_ask_node_for_status, _targets(request))


def _targets(request: Request) -> list[SSHTarget]:
    endpoints = known_endpoints(request.loaded_region)
    return ssh_targets(request.loaded_region, endpoints, request.node_names(), request.identities)


def _backup_statuses(request: Request) -> list[BackupStatus]:
    region = request.loaded_region.region
    if region.backup is None:
        return []
    return backup_status.ask_nodes_for_backups(region, _targets(request))


def _peer_statuses(request: Request) -> list[PeerStatus]:
    """Return the status of each peer; the peers themselves are not asked."""
    loaded_region = request.loaded_region
    if not loaded_region.region.federation.peers:
        return []
    now = time.time()
    states = peer_management.peer_states_from_pins(loaded_region, now)
    files = peer_status.ask_nodes_for_state_files(loaded_region.region, _targets(request))
    return peer_statuses_from_states_and_files(
        loaded_region.region, states, files, now, loaded_region.received
    )


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
        "other_keys": reply.answer.get("other_keys", []),
    }


def _start_time_from_id(run: str) -> int | None:
    """Return when a run was started, in seconds since the epoch; its id holds the time."""
    try:
        return calendar.timegm(time.strptime(run[:15], "%Y%m%dT%H%M%S"))
    except ValueError:
        return None


def run_result_code(state: NodeStatus) -> str:
    """Return the code of how the newest run of a node ended, or why that is not known."""
    if not state["reachable"]:
        return "unreachable"
    if state["busy"]:
        return "run_active"
    if not state["run"]:
        return "never_deployed"
    finished = state["finished"]
    if finished is None:
        return "run_interrupted"
    if not finished["ok"]:
        return "run_failed"
    return "checks_failed" if finished.get("failed_checks") else "run_succeeded"


def run_result_text(state: NodeStatus) -> str:
    """Return how the newest run of a node ended, in words."""
    code, data = run_result_code(state), dict[str, object]()
    if code == "unreachable":
        data = {"message": state["message"]}
    elif code == "run_active" and (busy := state["busy"]):
        data = {"operator": busy.get("operator"), "run": busy.get("run")}
    elif code != "never_deployed":
        finished, started = state["finished"], state["started"]
        local = time.localtime(started) if started else None
        data = {
            "run": state["run"],
            "when": time.strftime("%Y-%m-%d %H:%M", local) if local else _("unknown time"),
            "failed": finished.get("failed_checks", 0) if finished else 0,
        }
    return messages.status_text(code, data)

"""Ask the nodes of a region how their backups stand."""

from __future__ import annotations

import time
from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Mapping, Sequence

from chautari.backup.node_state import STATE_FILE
from chautari.backup.scope import nodes_with_backup
from chautari.backup.status import NodeAnswer, backup_statuses
from chautari.deploy.remote_run import NO_PYTHON, no_answer_refusal
from chautari.language import _
from chautari.node.events import StateFilesAnswer
from chautari.parallel import call_within, map_parallel
from chautari.region.model import Region
from chautari.report.model import BackupStatus, NodeReport, Refusal
from chautari.ssh.known_hosts import read_known_hosts_text
from chautari.ssh.runner_client import SSH_FAILED, RunnerReply, call_runner
from chautari.ssh.target import SSHTarget

NODE_SECONDS = 60.0  # in which a node has to answer
_FILE = "backup"
_MAX_ERROR = 200  # characters
# States of a node that could not be reached a moment ago.
_UNREACHED = ("unreachable", "disconnected")


def ask_nodes_for_backups(
    region: Region, targets: Sequence[SSHTarget], reports: Sequence[NodeReport] = ()
) -> list[BackupStatus]:
    """Return how the backups of the nodes in `targets` stand, with one question to each node.

    Args:
        reports: what is known of the nodes since a moment; those out of reach are not asked again.
    """
    backed_up = set(nodes_with_backup(region))
    unreached = {item.name: item for item in reports if item.state in _UNREACHED}
    asked = [target for target in targets if target.name in backed_up]
    answers = map_parallel(lambda target: _ask_node_for_backup_state(target, unreached), asked)
    return backup_statuses(region, {item.node: item for item in answers}, time.time())


def _ask_node_for_backup_state(
    target: SSHTarget, unreached: Mapping[str, NodeReport]
) -> NodeAnswer:
    if report := unreached.get(target.name):
        return _unreachable_answer(target, next(iter(report.refusals), Refusal("nothing_deployed")))
    if target.address not in read_known_hosts_text(target.known_hosts):
        return NodeAnswer(target.name, problem=("not_deployed", {}))
    arguments = {"action": "state_files", "files": {_FILE: STATE_FILE}}
    try:
        reply = call_within(NODE_SECONDS, lambda: call_runner(target, arguments, StateFilesAnswer))
    except TimeoutError:
        reply = RunnerReply(
            None,
            SSH_FAILED,
            _("no answer within {node_seconds:.0f} seconds", node_seconds=NODE_SECONDS),
        )
    if reply.answer is not None:
        return _parse_state_file_answer(target, reply.answer)
    if reply.code == NO_PYTHON:
        return NodeAnswer(target.name, problem=("not_deployed", {}))
    return _unreachable_answer(target, no_answer_refusal(target, reply.code, reply.last_error))


def _unreachable_answer(target: SSHTarget, refusal: Refusal) -> NodeAnswer:
    data = {"reason": refusal.reason, "fix": refusal.fix}
    return NodeAnswer(target.name, problem=("node_unreachable", data))


def _parse_state_file_answer(target: SSHTarget, answer: StateFilesAnswer) -> NodeAnswer:
    if _FILE in answer["errors"]:
        reason = answer["errors"][_FILE][:_MAX_ERROR]
        return NodeAnswer(target.name, problem=("file_unreadable", {"reason": reason}))
    if _FILE not in answer["files"]:
        return NodeAnswer(target.name)
    try:
        return NodeAnswer(target.name, a2b_base64(answer["files"][_FILE]))
    except (Base64Error, ValueError):
        data = {"reason": _("its content is not base64")}
        return NodeAnswer(target.name, problem=("file_unreadable", data))

"""Ask the nodes of a region how their backups stand."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from chautari.backup.node_state import STATE_FILE
from chautari.backup.scope import nodes_with_backup
from chautari.backup.status import NodeAnswer, backup_statuses
from chautari.deploy.untrusted_files_from_nodes import read_node_files, unreached_nodes
from chautari.parallel import map_parallel
from chautari.region.model import Region
from chautari.report.model import BackupStatus, NodeReport
from chautari.ssh.target import SSHTarget

_FILE = "backup"


def ask_nodes_for_backups(
    region: Region, targets: Sequence[SSHTarget], reports: Sequence[NodeReport] = ()
) -> list[BackupStatus]:
    """Return how the backups of the nodes in `targets` stand, with one question to each node.

    Args:
        reports: what is known of the nodes since a moment; those out of reach are not asked again.
    """
    backed_up, unreached = set(nodes_with_backup(region)), unreached_nodes(reports)
    asked = [target for target in targets if target.name in backed_up]
    answers = map_parallel(lambda target: _read_backup_state(target, unreached), asked)
    return backup_statuses(region, {item.node: item for item in answers}, time.time())


def _read_backup_state(target: SSHTarget, unreached: Mapping[str, NodeReport]) -> NodeAnswer:
    found = read_node_files(target, {_FILE: STATE_FILE}, unreached)
    if reason := found.errors.get(_FILE):
        return NodeAnswer(target.name, problem=("file_unreadable", {"reason": reason}))
    return NodeAnswer(target.name, found.contents.get(_FILE), found.problem)

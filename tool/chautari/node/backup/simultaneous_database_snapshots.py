"""Take one moment of all databases of the node."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Union

from chautari.node.backup import mariadb, postgresql
from chautari.node.backup.errors import BackupError
from chautari.node.backup.mariadb import MariaDBSnapshot
from chautari.node.backup.postgresql import PostgreSQLSnapshot

Snapshot = Union[MariaDBSnapshot, PostgreSQLSnapshot]  # noqa: UP007
PROBES = {
    "postgresql": postgresql.reason_database_is_unreachable,
    "mariadb": mariadb.reason_database_is_unreachable,
}


def unreachable_databases(databases: Sequence[tuple[str, str]]) -> list[BackupError]:
    """Return an error for each database that does not answer."""
    found = [(engine, name, PROBES[engine](name)) for engine, name in databases]
    return [
        BackupError("database_unreachable", server=engine, database=name, reason=reason)
        for engine, name, reason in found
        if reason
    ]


def take_snapshots(databases: Sequence[tuple[str, str]], stack: ExitStack) -> list[Snapshot]:
    """Return a snapshot of each database; `stack` closes them."""
    found: list[Snapshot] = []
    for snapshot in mariadb.take_snapshots_at_same_moment(
        [name for engine, name in databases if engine == "mariadb"]
    ):
        stack.callback(snapshot.close)
        found.append(snapshot)
    for engine, name in databases:
        if engine == "postgresql":
            taken = PostgreSQLSnapshot(name)
            stack.callback(taken.close)
            found.append(taken)
    return found

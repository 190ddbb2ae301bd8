"""Hold a snapshot of a MariaDB database open, count its rows, and dump it.

MariaDB cannot share a snapshot between connections. So writes are locked for the instant in which
the dump and the connection that counts rows begin.
"""

from __future__ import annotations

import os
import select
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO

from chautari.node.backup.errors import BackupError
from chautari.node.backup.feed import BorgCreate
from chautari.node.backup.sql_session import SessionError, SQLSession

ENGINE = "mariadb"
CONNECTION = ("--no-defaults", "--user=root", "--socket=/run/mysqld/mysqld.sock")
ANSWER_SECONDS = 15
COUNT_SECONDS = 3600
# How long to wait for statements that are running; others wait behind the lock.
LOCK_SECONDS = 5
LOCK = f"""\
SET SESSION lock_wait_timeout = {LOCK_SECONDS};
FLUSH TABLES WITH READ LOCK;
SELECT 'ready';
"""
BEGIN = """\
SET SESSION wait_timeout = 604800;
SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ;
START TRANSACTION WITH CONSISTENT SNAPSHOT;
SELECT 'ready';
"""
TABLES = """\
SELECT table_name FROM information_schema.tables
  WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE' ORDER BY table_name;
SELECT '';
"""
# Everything that a dump prints before its transaction begins is shorter.
BEGUN = (b"\n-- Table structure", b"\n-- Temporary", b"\n-- Dumping", b"\n-- Dump completed")


def session_command(database: str) -> list[str]:
    """Return the client that runs as the administrator."""
    return [
        "/usr/bin/mariadb", *CONNECTION, "--batch", "--raw", "--skip-column-names", "--unbuffered",
        f"--database={database}",
    ]  # fmt: skip


def dump_command(database: str) -> list[str]:
    """Return the call that dumps a database as one transaction sees it."""
    return [
        "/usr/bin/mariadb-dump", *CONNECTION, "--single-transaction", "--quick", "--routines",
        "--events", "--triggers", "--hex-blob", "--default-character-set=utf8mb4",
        "--max-allowed-packet=1G", "--skip-dump-date", "--skip-lock-tables", database,
    ]  # fmt: skip


def reason_database_is_unreachable(database: str) -> str:
    """Return why a database does not answer; empty if it does."""
    try:
        session = SQLSession(session_command(database))
    except SessionError as error:
        return str(error)
    try:
        session.run("SELECT 'ready';\n", "ready", ANSWER_SECONDS)
    except SessionError as error:
        return str(error)
    finally:
        session.close()
    return ""


class WriteLock:
    """A lock of the whole server against writes, for an instant."""

    def __init__(self, database: str) -> None:
        """Prepare a lock that connects to `database`."""
        self._database = database

    def __enter__(self) -> None:
        """Wait for running statements, and lock."""
        try:
            self._session = SQLSession(session_command(self._database))
        except SessionError as error:
            raise _unreachable_error(self._database, error) from None
        try:
            self._session.run(LOCK, "ready", LOCK_SECONDS + ANSWER_SECONDS)
        except SessionError as error:
            self._session.close()
            raise _unreachable_error(self._database, error) from None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Unlock."""
        self._session.close()


class MariaDBSnapshot:
    """One moment of a database, as long as this object is not closed."""

    engine = ENGINE

    def __init__(self, database: str) -> None:
        """Take the moment now; a `WriteLock` makes it one moment for all databases."""
        self.database = database
        try:
            self._session = SQLSession(session_command(database))
        except SessionError as error:
            raise _unreachable_error(database, error) from None
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115
        self._dump: subprocess.Popen[bytes] | None = None
        try:
            self._session.run(BEGIN, "ready", ANSWER_SECONDS)
            self._dump = subprocess.Popen(
                dump_command(database), cwd="/", stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=self._errors,
            )  # fmt: skip
            self._head = self._read_head_of_dump(self._dump)
        except (SessionError, OSError) as error:
            self.close()
            raise _unreachable_error(database, error) from None

    def row_counts(self) -> dict[str, int]:
        """Return the rows of every table."""
        try:
            tables = self._session.run(TABLES, "", ANSWER_SECONDS)
            return {table: self._count_rows(table) for table in tables}
        except (SessionError, ValueError) as error:
            raise _unreachable_error(self.database, error) from None

    def store_dump(self, create: BorgCreate, fifo: Path) -> None:
        """Store the dump as the file `fifo` in the archive."""
        assert self._dump is not None
        descriptor = create.open_fifo_after_previous_paths(fifo)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(self._head)
                while block := os.read(_stdout_of_process(self._dump).fileno(), 1 << 16):
                    file.write(block)
                # An incomplete dump must not look complete: borg still waits for more.
                self._raise_if_dump_failed(self._dump)
        except BrokenPipeError:
            time.sleep(1)
            create.fail_if_ended()
            raise

    def close(self) -> None:
        """Let go of the moment."""
        if self._dump is not None:
            self._dump.kill()
            self._dump.wait()
            _stdout_of_process(self._dump).close()
        self._session.close()
        self._errors.close()

    def _count_rows(self, table: str) -> int:
        quoted = table.replace("`", "``")
        statement = f"SELECT COUNT(*) FROM `{quoted}`;\nSELECT '';\n"
        return int(self._session.run(statement, "", COUNT_SECONDS)[0])

    def _read_head_of_dump(self, dump: subprocess.Popen[bytes]) -> bytes:
        head = b""
        while not any(mark in head for mark in BEGUN):
            ready = select.select([_stdout_of_process(dump)], [], [], ANSWER_SECONDS)[0]
            block = os.read(_stdout_of_process(dump).fileno(), 1 << 16) if ready else b""
            if not block:
                self._raise_if_dump_failed(dump)
                break
            head += block
        return head

    def _raise_if_dump_failed(self, dump: subprocess.Popen[bytes]) -> None:
        try:
            code = dump.wait(timeout=ANSWER_SECONDS)
        except subprocess.TimeoutExpired:
            code = -1
        if code != 0:
            self._errors.seek(0)
            reason = self._errors.read().decode(errors="replace").strip()[-300:]
            raise BackupError("dump_failed", server=ENGINE, database=self.database, reason=reason)


def _stdout_of_process(process: subprocess.Popen[bytes]) -> IO[bytes]:
    assert process.stdout is not None
    return process.stdout


def _unreachable_error(database: str, error: Exception) -> BackupError:
    return BackupError("database_unreachable", server=ENGINE, database=database, reason=str(error))


def take_snapshots_at_same_moment(databases: Sequence[str]) -> list[MariaDBSnapshot]:
    """Return the snapshots of all databases, of the same moment."""
    taken: list[MariaDBSnapshot] = []
    if databases:
        with WriteLock(databases[0]):
            try:
                taken.extend(MariaDBSnapshot(name) for name in databases)
            except BaseException:
                for snapshot in taken:
                    snapshot.close()
                raise
    return taken

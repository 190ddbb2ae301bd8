"""Hold a snapshot of a PostgreSQL database open, count its rows, and dump it."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from chautari.node.backup.errors import BackupError
from chautari.node.backup.feed import BorgCreate
from chautari.node.backup.sql_session import SEPARATOR, SessionError, SQLSession

ENGINE = "postgresql"
PSQL = "/usr/local/sbin/chautari-psql"
AS_POSTGRES = ("/usr/bin/setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups")
ANSWER_SECONDS = 15
COUNT_SECONDS = 3600
BEGIN = """\
SET idle_in_transaction_session_timeout = 0;
SET statement_timeout = 0;
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SELECT current_setting('server_version_num')::int / 10000;
SELECT current_setting('port');
SELECT pg_export_snapshot();
\\echo ready
"""
# One statement a table, run at once: each prints the table and its rows.
COUNT = """\
SELECT format('SELECT %L, count(*) FROM %I.%I',
              schemaname || '.' || tablename, schemaname, tablename)
  FROM pg_tables WHERE schemaname <> 'information_schema' AND schemaname NOT LIKE 'pg\\_%'
  ORDER BY schemaname, tablename \\gexec
\\echo counted
"""


def session_command(database: str) -> list[str]:
    """Return the client that runs as the administrator of the node's cluster."""
    return [
        PSQL, "--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--no-password",
        f"--field-separator={SEPARATOR}", "--set=ON_ERROR_STOP=1", f"--dbname={database}",
    ]  # fmt: skip


def dump_command(version: int, port: int, snapshot: str, database: str) -> list[str]:
    """Return the call that dumps what a snapshot shows.

    It is not compressed: borg compresses, and finds what it stored before.
    """
    return [
        *AS_POSTGRES, f"/usr/lib/postgresql/{version}/bin/pg_dump", f"--port={port}",
        "--no-password", "--format=custom", "--compress=0", f"--snapshot={snapshot}",
        f"--dbname={database}",
    ]  # fmt: skip


def reason_database_is_unreachable(database: str) -> str:
    """Return why a database does not answer; empty if it does."""
    try:
        session = SQLSession(session_command(database))
    except SessionError as error:
        return str(error)
    try:
        session.run("SELECT 1;\n\\echo ready\n", "ready", ANSWER_SECONDS)
    except SessionError as error:
        return str(error)
    finally:
        session.close()
    return ""


class PostgreSQLSnapshot:
    """One moment of a database, as long as this object is not closed."""

    engine = ENGINE

    def __init__(self, database: str) -> None:
        """Take the moment now."""
        self.database = database
        try:
            self._session = SQLSession(session_command(database))
        except SessionError as error:
            raise self._unreachable_error(error) from None
        try:
            answer = self._session.run(BEGIN, "ready", ANSWER_SECONDS)
            self._version, self._port, self._snapshot = int(answer[0]), int(answer[1]), answer[2]
        except (SessionError, ValueError, IndexError) as error:
            self._session.close()
            raise self._unreachable_error(error) from None

    def row_counts(self) -> dict[str, int]:
        """Return the rows of every table, by schema and table."""
        try:
            lines = self._session.run(COUNT, "counted", COUNT_SECONDS)
        except SessionError as error:
            raise self._unreachable_error(error) from None
        pairs = (line.rpartition(SEPARATOR) for line in lines)
        return {table: int(rows) for table, _, rows in pairs}

    def store_dump(self, create: BorgCreate, fifo: Path) -> None:
        """Store the dump as the file `fifo` in the archive."""
        command = dump_command(self._version, self._port, self._snapshot, self.database)
        with tempfile.TemporaryFile() as errors:
            code = create.store_program_output(
                fifo,
                lambda descriptor: subprocess.Popen(
                    command, cwd="/", stdin=subprocess.DEVNULL, stdout=descriptor, stderr=errors
                ),
            )
            errors.seek(0)
            reason = errors.read().decode(errors="replace").strip()[-300:]
        if code != 0:
            raise BackupError("dump_failed", server=ENGINE, database=self.database, reason=reason)

    def close(self) -> None:
        """Let go of the moment."""
        self._session.close()

    def _unreachable_error(self, error: Exception) -> BackupError:
        return BackupError(
            "database_unreachable", server=ENGINE, database=self.database, reason=str(error)
        )

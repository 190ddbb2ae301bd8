"""Load databases under new names, count their rows, and exchange them with the live ones.

Databases are created exactly as the roles `postgresql` and `mariadb` create them.
"""

from __future__ import annotations

import contextlib
import re
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Protocol

from chautari.node.restore.errors import RestoreError

RowsByTable = Mapping[str, int]
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
# Only such databases may be deleted.
_DISPOSABLE = re.compile(r"[a-z][a-z0-9_]{0,30}_(restore|drill|before)_[0-9]{8}t[0-9]{6}")
MARK = "chautari_moved"
SOCKET = "/run/mysqld/mysqld.sock"
KEPT_ERROR = 2000


def name_of_copy(database: str, kind: str, restore: str) -> str:
    """Return the name of a copy; `kind` is `restore`, `drill` or `before`."""
    return f"{database}_{kind}_{restore}"


class DatabaseServer(Protocol):
    """What a restore does with the databases of one server."""

    def require_known_account(self, owner: str) -> None:
        """Make sure that the server responds and knows the account."""

    def exists(self, name: str) -> bool:
        """Return whether a database exists."""

    def size(self, name: str) -> int:
        """Return the size of a database in bytes; 0 if it does not exist."""

    def data_folder(self) -> str:
        """Return where the server stores its databases."""

    def create(self, name: str, owner: str) -> None:
        """Create an empty database as the role does; one with this name must not exist."""

    def load(self, name: str, blocks: Iterable[memoryview]) -> None:
        """Load a dump into a database."""

    def row_counts(self, name: str) -> RowsByTable:
        """Return the rows of each table."""

    def drop(self, name: str) -> None:
        """Delete a copy, if it exists."""

    def refuse_unmovable(self, name: str) -> None:
        """Refuse a database that the switch could not exchange."""

    def switch(self, live: str, new: str, aside: str) -> None:
        """Rename `live` to `aside` and `new` to `live`; complete an interrupted switch."""

    def undo_switch(self, live: str, new: str, aside: str) -> None:
        """Undo a switch, also an interrupted one."""


def database_server(name: str) -> DatabaseServer:
    """Return the server called `name`."""
    return PostgreSQL() if name == "postgresql" else MariaDB()


class PostgreSQL:
    """The cluster of the role `postgresql`, as its administrator."""

    def __init__(self, psql: Sequence[str] = ("chautari-psql",)) -> None:
        """Keep the command that connects as administrator."""
        self._psql = (*psql, "-XtAq", "--set=ON_ERROR_STOP=1")

    def require_known_account(self, owner: str) -> None:
        """Make sure that the server responds and knows the account."""
        if not self._run_sql(
            f"SELECT 1 FROM pg_roles WHERE rolname = '{_require_valid_name(owner)}'"
        ):
            raise RestoreError("owner_missing", owner=owner)

    def exists(self, name: str) -> bool:
        """Return whether a database exists."""
        return bool(
            self._run_sql(
                f"SELECT 1 FROM pg_database WHERE datname = '{_require_valid_name(name)}'"
            )
        )

    def size(self, name: str) -> int:
        """Return the size of a database in bytes; 0 if it does not exist."""
        literal = f"'{_require_valid_name(name)}'"
        query = f"SELECT pg_database_size(oid) FROM pg_database WHERE datname = {literal}"
        return int(self._run_sql(query) or 0)

    def data_folder(self) -> str:
        """Return where the server stores its databases."""
        return self._run_sql("SHOW data_directory")

    def create(self, name: str, owner: str) -> None:
        """Create an empty database as the role does; one with this name must not exist."""
        self._run_sql(
            f"CREATE DATABASE {_require_valid_name(name)} OWNER {_require_valid_name(owner)}"
            " TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8'"
        )

    def load(self, name: str, blocks: Iterable[memoryview]) -> None:
        """Load a dump into a database."""
        port = self._run_sql("SHOW port")
        socket = self._run_sql("SHOW unix_socket_directories").split(",")[0].strip()
        argv = [
            "setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups",
            _find_pg_restore(), "--exit-on-error", "--no-password", f"--host={socket}",
            f"--port={port}", f"--dbname={_require_valid_name(name)}",
        ]  # fmt: skip
        _feed_dump(argv, blocks, name)

    def row_counts(self, name: str) -> RowsByTable:
        """Return the rows of each table, by schema and name."""
        query = (
            "SELECT format('SELECT %L, count(*) FROM ONLY %I.%I', nspname || '.' || relname,"
            " nspname, relname) FROM pg_class JOIN pg_namespace ON relnamespace ="
            " pg_namespace.oid WHERE relkind = 'r' AND nspname !~ '^pg_'"
            " AND nspname <> 'information_schema' ORDER BY 1 \\gexec\n"
        )
        return _parse_row_counts(self._run_sql(query, name), "|")

    def drop(self, name: str) -> None:
        """Delete a copy, if it exists."""
        self._run_sql(f"DROP DATABASE IF EXISTS {_require_name_of_copy(name)} WITH (FORCE)")

    def refuse_unmovable(self, name: str) -> None:
        """Accept every database: PostgreSQL renames them whole."""

    def switch(self, live: str, new: str, aside: str) -> None:
        """Rename `live` to `aside` and `new` to `live`; complete an interrupted switch."""
        if self.exists(new):
            if not self.exists(aside):
                self._rename_database(live, aside)
            self._rename_database(new, live)
        self._allow_connections(live, aside)

    def undo_switch(self, live: str, new: str, aside: str) -> None:
        """Undo a switch, also an interrupted one."""
        if self.exists(aside):
            if self.exists(live):
                self._rename_database(live, new)
            self._rename_database(aside, live)
        self._allow_connections(live, new)

    def _rename_database(self, old: str, new: str) -> None:
        """Rename a database; programs that are connected lose their connections."""
        if self.exists(new):
            raise RestoreError("path_in_use", path=old, aside=new)
        self._run_sql(f"ALTER DATABASE {_require_valid_name(old)} ALLOW_CONNECTIONS false")
        self._run_sql(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{old}'"
        )
        self._run_sql(
            f"ALTER DATABASE {_require_valid_name(old)} RENAME TO {_require_valid_name(new)}"
        )

    def _allow_connections(self, *names: str) -> None:
        for name in names:
            if self.exists(name):
                self._run_sql(f"ALTER DATABASE {_require_valid_name(name)} ALLOW_CONNECTIONS true")

    def _run_sql(self, statement: str, database: str = "postgres") -> str:
        return _run_client([*self._psql, f"--dbname={database}"], statement)


class MariaDB:
    """The server of the role `mariadb`, as root over its socket."""

    def __init__(self, socket: str = SOCKET) -> None:
        """Keep the command that connects as root."""
        self._client = (
            "mariadb", "--no-defaults", "--batch", "--skip-column-names", "--user=root",
            f"--socket={socket}",
        )  # fmt: skip

    def require_known_account(self, owner: str) -> None:
        """Make sure that the server responds and knows the account."""
        if not self._run_sql(
            f"SELECT 1 FROM mysql.global_priv WHERE user = '{_require_valid_name(owner)}'"
        ):
            raise RestoreError("owner_missing", owner=owner)

    def exists(self, name: str) -> bool:
        """Return whether a database exists."""
        query = "SELECT 1 FROM information_schema.schemata WHERE schema_name = '{}'"
        return bool(self._run_sql(query.format(_require_valid_name(name))))

    def size(self, name: str) -> int:
        """Return the size of a database in bytes; 0 if it does not exist."""
        return int(
            self._run_sql(
                "SELECT CAST(COALESCE(SUM(data_length + index_length), 0) AS UNSIGNED)"
                " FROM information_schema.tables"
                f" WHERE table_schema = '{_require_valid_name(name)}'"
            )
        )

    def data_folder(self) -> str:
        """Return where the server stores its databases."""
        return self._run_sql("SELECT @@datadir")

    def create(self, name: str, owner: str) -> None:
        """Create an empty database as the role does; the live name keeps its rights."""
        self._run_sql(
            f"CREATE DATABASE {_require_valid_name(name)}"
            " CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci"
        )

    def load(self, name: str, blocks: Iterable[memoryview]) -> None:
        """Load a dump into a database."""
        _feed_dump([*self._client, f"--database={_require_valid_name(name)}"], blocks, name)

    def row_counts(self, name: str) -> RowsByTable:
        """Return the rows of each table."""
        queries = [
            f"SELECT '{table}', COUNT(*) FROM `{name}`.`{table}`;"
            for table in self._list_tables(name)
        ]
        return _parse_row_counts(self._run_sql("\n".join(queries)), "\t") if queries else {}

    def drop(self, name: str) -> None:
        """Delete a copy, if it exists."""
        self._run_sql(f"DROP DATABASE IF EXISTS {_require_name_of_copy(name)}")

    def refuse_unmovable(self, name: str) -> None:
        """Refuse a database with objects that cannot move to another one."""
        found = self._run_sql(
            f"""SELECT (SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = '{name}'
            AND table_type <> 'BASE TABLE') + (SELECT COUNT(*) FROM information_schema.triggers
            WHERE trigger_schema = '{name}') + (SELECT COUNT(*) FROM information_schema.routines
            WHERE routine_schema = '{name}') + (SELECT COUNT(*) FROM information_schema.events
            WHERE event_schema = '{_require_valid_name(name)}')"""
        )
        if found != "0":
            raise RestoreError("not_movable", database=name)

    def switch(self, live: str, new: str, aside: str) -> None:
        """Move the tables of `live` to `aside` and those of `new` to `live`.

        MariaDB cannot rename a database. While `aside` contains the table MARK, it has all tables
        of `live`, and what is in `live` came from `new`.
        """
        if self.exists(new):
            self._run_sql(f"CREATE DATABASE IF NOT EXISTS {_require_valid_name(aside)}")
            if not self._has_mark(aside):
                self._move_tables(live, aside)
                self._run_sql(f"CREATE TABLE {aside}.{MARK} (moved INT)")
            self._move_tables(new, live)
            self._run_sql(f"DROP DATABASE {_require_name_of_copy(new)}")
        if self._has_mark(aside):
            self._run_sql(f"DROP TABLE {_require_valid_name(aside)}.{MARK}")

    def undo_switch(self, live: str, new: str, aside: str) -> None:
        """Undo a switch, also an interrupted one."""
        if not self.exists(aside):
            return
        if not self.exists(new) and not self._has_mark(aside):
            self._run_sql(f"CREATE TABLE {_require_valid_name(aside)}.{MARK} (moved INT)")
        if self._has_mark(aside):
            self._run_sql(f"CREATE DATABASE IF NOT EXISTS {_require_valid_name(new)}")
            self._move_tables(live, new)
            self._run_sql(f"DROP TABLE {_require_valid_name(aside)}.{MARK}")
        self._move_tables(aside, live)
        self._run_sql(f"DROP DATABASE {_require_name_of_copy(aside)}")

    def _has_mark(self, name: str) -> bool:
        return MARK in self._list_tables(name)

    def _move_tables(self, source: str, target: str) -> None:
        """Move all tables in one statement, which MariaDB undoes as a whole after a crash."""
        tables = [name for name in self._list_tables(source) if name != MARK]
        renames = ", ".join(
            f"`{source}`.`{table}` TO `{_require_valid_name(target)}`.`{table}`" for table in tables
        )
        if renames:
            self._run_sql(f"SET foreign_key_checks = 0; RENAME TABLE {renames}")

    def _list_tables(self, name: str) -> list[str]:
        found = self._run_sql(
            "SELECT table_name FROM information_schema.tables WHERE table_type = 'BASE TABLE'"
            f" AND table_schema = '{_require_valid_name(name)}' ORDER BY 1"
        ).splitlines()
        if unsafe := [
            table for table in found if not table.isprintable() or set("`'\\") & {*table}
        ]:
            raise RestoreError("database_failed", message=f"unsafe name of a table: {unsafe[0]!r}")
        return found

    def _run_sql(self, statement: str) -> str:
        return _run_client(self._client, statement)


@cache
def _find_pg_restore() -> str:
    """Return the program of the newest installed release; it reads the dumps of older ones."""
    known = Path("/usr/lib/postgresql").glob("*/bin/pg_restore")
    found = sorted(known, key=lambda path: int(path.parts[-3]))
    return str(found[-1]) if found else "pg_restore"


def _parse_row_counts(output: str, separator: str) -> RowsByTable:
    pairs = [line.rsplit(separator, 1) for line in output.splitlines()]
    return {table: int(count) for table, count in pairs}


def _require_valid_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise RestoreError("database_failed", message=f"the name {name!r} is not valid")
    return name


def _require_name_of_copy(name: str) -> str:
    """Return the name of a copy; live databases are never deleted."""
    if not _DISPOSABLE.fullmatch(name):
        raise RestoreError("database_failed", message=f"{name!r} is not the name of a copy")
    return name


def _run_client(argv: Sequence[str], statement: str) -> str:
    try:
        done = subprocess.run(argv, input=statement.encode(), capture_output=True, cwd="/")
    except OSError as error:
        raise RestoreError("database_failed", message=f"{argv[0]}: {error.strerror}") from None
    if done.returncode:
        raise RestoreError("database_failed", message=_end_of_error_output(done.stderr))
    return done.stdout.decode().strip()


def _feed_dump(argv: Sequence[str], blocks: Iterable[memoryview], name: str) -> None:
    """Give a dump to a program; its own output is small."""
    with tempfile.TemporaryFile() as errors:
        try:
            process = subprocess.Popen(
                argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=errors, cwd="/"
            )
        except OSError as error:
            raise RestoreError("database_failed", message=f"{argv[0]}: {error.strerror}") from None
        assert process.stdin is not None
        try:
            # A program that ends early tells why by its exit code.
            with contextlib.suppress(BrokenPipeError), process.stdin as stdin:
                for block in blocks:
                    stdin.write(block)
            code = process.wait()
        except BaseException:
            process.kill()
            process.wait()
            raise
        if code:
            errors.seek(0)
            raise RestoreError(
                "dump_failed", database=name, message=_end_of_error_output(errors.read())
            )


def _end_of_error_output(errors: bytes) -> str:
    text = errors[-KEPT_ERROR:].decode(errors="replace")
    return " ".join(text.split()) or "no message"

"""The files of an archive with their sizes, on disk: a node may have a million files."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class IndexedFile(NamedTuple):
    """A regular file: its path in the archive, its size there, and what was extracted of it.

    The size is None before the file is extracted; the hash is empty unless hashes are compared.
    """

    path: str
    expected_size: int
    size: int | None
    sha256: str | None


class FileIndex:
    """Regular files by path. The last copy of a path counts, as for borg itself.

    Names of files are bytes: some are not valid text.
    """

    def __init__(self, file: Path) -> None:
        """Create the index anew in `file`."""
        file.unlink(missing_ok=True)
        self._file = file
        self._connection = sqlite3.connect(file, isolation_level=None)
        self._connection.executescript(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
            "CREATE TABLE files (path BLOB PRIMARY KEY, expected INTEGER NOT NULL,"
            " size INTEGER, sha256 TEXT) WITHOUT ROWID; BEGIN;"
        )

    def expect_file(self, path: str, size: int) -> None:
        """Record a file that the archive lists; -1 for another name of an earlier file."""
        self._connection.execute(
            "INSERT OR REPLACE INTO files VALUES (?, ?, NULL, NULL)", (os.fsencode(path), size)
        )

    def forget_file(self, path: str) -> None:
        """Remove a path whose last copy in the archive is no regular file."""
        self._connection.execute("DELETE FROM files WHERE path = ?", (os.fsencode(path),))

    def record_extracted_file_if_listed(self, path: str, size: int, sha256: str) -> bool:
        """Record what was extracted of a file; return whether the archive lists it."""
        done = self._connection.execute(
            "UPDATE files SET size = ?1, sha256 = ?2, expected = iif(expected < 0, ?1, expected)"
            " WHERE path = ?3",
            (size, sha256, os.fsencode(path)),
        )
        return done.rowcount == 1

    def record_hard_link(self, path: str, target: str) -> bool:
        """Record a hard link to a file that was extracted before."""
        done = self._connection.execute(
            "UPDATE files SET (expected, size, sha256) ="
            " (SELECT expected, size, sha256 FROM files WHERE path = ?) WHERE path = ?",
            (os.fsencode(target), os.fsencode(path)),
        )
        return done.rowcount == 1

    def totals(self) -> tuple[int, int]:
        """Return the number of files and their bytes."""
        row = self._connection.execute(
            "SELECT count(*), coalesce(sum(max(expected, 0)), 0) FROM files"
        ).fetchone()
        return int(row[0]), int(row[1])

    def __iter__(self) -> Iterator[IndexedFile]:
        """Yield every file, sorted by path."""
        query = "SELECT path, expected, size, sha256 FROM files ORDER BY path"
        for row in self._connection.execute(query):
            yield IndexedFile(os.fsdecode(row[0]), *row[1:])

    def close_and_delete(self) -> None:
        """Delete the index."""
        self._connection.close()
        self._file.unlink(missing_ok=True)

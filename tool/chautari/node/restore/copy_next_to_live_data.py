"""Make a complete copy of an archive's data next to the live data, and prove it.

Restores and drills share this module. Nothing here touches live data: files go to the places that
are given, databases get new names.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chautari.node.backup.manifest import FOLDER, Manifest, StateSpec, dump_path
from chautari.node.restore.archive_file_index import FileIndex
from chautari.node.restore.databases import DatabaseServer, database_server, name_of_copy
from chautari.node.restore.errors import RestoreError
from chautari.node.restore.extraction import Extraction, Reader, archived_path, compare_with_archive
from chautari.node.restore.places import (
    RestorePlace,
    find_place_and_staged_path,
    needed_by_filesystem,
)
from chautari.node.restore.repository import Archive, Repository

Tell = Callable[[Mapping[str, Any]], None]
# Paths that a backup stored and that were deleted before its moment, each ended by a zero byte.
_GONE = f"/{FOLDER}/gone"
# A loaded database needs room for its tables, their indices and the log of the load. Dumps are
# not compressed.
DATABASE_FACTOR = 3
RESERVE_BYTES = 256 << 20  # of each file system, for everything else


@dataclass(frozen=True)
class Database:
    """A database of a service: its server, its name, and the name of its copy."""

    engine: str
    name: str
    copy: str

    @property
    def server(self) -> DatabaseServer:
        """Return the server."""
        return database_server(self.engine)


@dataclass
class CopyJob:
    """The copy of one archive.

    Attributes:
        places: where the copies of files are made.
        databases: which databases are loaded under which names.
        known_owners: whether accounts that own files must exist on this node.
        compare_hashes: whether every file is read from the disk again and compared by its hash.
    """

    repository: Repository
    archive: Archive
    manifest: Manifest
    places: Sequence[RestorePlace]
    databases: Sequence[Database]
    index: FileIndex
    tell: Tell
    known_owners: bool = True
    compare_hashes: bool = False
    figures: dict[str, Any] = field(default_factory=dict)
    _load_seconds: float = 0.0

    def read_contents_and_check_space(self) -> None:
        """Read what the archive contains, and make sure that the copy fits on the disks."""
        needed, dumps = self._index_archive_and_sum_sizes()
        for path, database in self._databases_by_dump_path.items():
            _check_database_can_be_restored(database, self.manifest)
            if path not in dumps:
                name = self.archive.name
                raise RestoreError("dump_missing", archive=name, database=database.name)
            folder = database.server.data_folder()
            size = max(dumps[path] * DATABASE_FACTOR, _size_of_live_database(database))
            needed[folder] = needed.get(folder, 0) + size
        for path, count, free in needed_by_filesystem(needed):
            if count + RESERVE_BYTES > free:
                mb = {"needed": (count + RESERVE_BYTES) >> 20, "free": free >> 20}
                raise RestoreError("no_room", path=path, **mb)
        files, size = self.index.totals()
        self.tell({"event": "planned", "files": files, "bytes": size})

    def _index_archive_and_sum_sizes(self) -> tuple[dict[str, int], dict[str, int]]:
        """Record every file of the places; return the bytes that each place and dump needs."""
        needed = {place.staged: 0 for place in self.places}
        found: set[str] = set()
        known, dumps = self._databases_by_dump_path, {}
        for item in self.repository.items(self.archive.name, self._archived_paths()):
            path = archived_path(item.path)
            if path in known:
                dumps[path] = item.size
            if (place := find_place_and_staged_path(self.places, path)) is None:
                continue
            found.add(place[0].path)
            if item.type == "-":
                self.index.expect_file(path, item.size)
                # The blocks of a file are full, and each one has an entry in a folder.
                needed[place[0].staged] += max(item.size, 0) + 4096
            else:
                self.index.forget_file(path)
        for place_ in self.places:
            required = place_.folder is not None and not place_.folder.may_be_empty
            if required and place_.path not in found:
                raise RestoreError("folder_missing", archive=self.archive.name, path=place_.path)
        return needed, dumps

    def extract_and_load(self) -> None:
        """Extract all files to their places, and load each database under the name of its copy.

        The archive is read once: the dumps follow the files in the same stream.
        """
        began, self._load_seconds = time.monotonic(), 0.0
        gone: list[bytes] = []
        readers: dict[str, Reader] = {
            path: functools.partial(self._load_dump, database)
            for path, database in self._databases_by_dump_path.items()
        }
        readers[_GONE] = lambda blocks: gone.append(b"".join(map(bytes, blocks)))
        extraction = Extraction(
            self.places,
            readers,
            self.index,
            lambda count: self.tell({"event": "extracted", "bytes": count}),
            known_owners=self.known_owners,
            compare_hashes=self.compare_hashes,
        )
        paths = [*self._archived_paths(), _GONE]
        with self.repository.open_tar(self.archive.name, paths) as stream:
            extraction.extract(stream)
        for content in gone[-1:]:
            extraction.delete_gone_paths(content)
        seconds = time.monotonic() - began - self._load_seconds
        self.figures["extract_seconds"] = round(seconds, 1)
        self.figures["load_seconds"] = round(self._load_seconds, 1)

    def _load_dump(self, database: Database, blocks: Iterable[memoryview]) -> None:
        began = time.monotonic()
        self.tell({"event": "step", "step": "load", "time": time.time()})
        server = database.server
        server.drop(database.copy)
        server.create(database.copy, database.name)
        server.load(database.copy, blocks)
        self._load_seconds += time.monotonic() - began

    def compare_with_archive(self) -> None:
        """Compare every file and the rows of every table with the archive."""
        began, tables, rows = time.monotonic(), 0, 0
        files, size = self.index.totals()
        self.figures |= {"files": files, "bytes": size}
        compare_with_archive(self.places, self.index)
        for database in self.databases:
            expected = self.manifest.row_counts_of_database(database.engine, database.name) or {}
            compare_rows(database, expected, database.server.row_counts(database.copy))
            database.server.refuse_unmovable(database.copy)
            tables, rows = tables + len(expected), rows + sum(expected.values())
        self.figures |= {"tables": tables, "rows": rows}
        self.figures["compare_seconds"] = round(time.monotonic() - began, 1)
        self.tell(
            {
                "event": "compared",
                "tables": tables,
                "rows": rows,
                **self._counts_of_files_and_bytes(),
            }
        )

    def _counts_of_files_and_bytes(self) -> dict[str, Any]:
        return {key: self.figures[key] for key in ("files", "bytes") if key in self.figures}

    def _archived_paths(self) -> list[str]:
        return [*(place.path for place in self.places), *self._databases_by_dump_path]

    @property
    def _databases_by_dump_path(self) -> Mapping[str, Database]:
        """Return the databases by the paths of their dumps."""
        return {f"/{dump_path(item.engine, item.name)}": item for item in self.databases}


def compare_rows(database: Database, expected: Mapping[str, int], found: Mapping[str, int]) -> None:
    """Compare the tables of a copy with those in the manifest.

    Raises:
        RestoreError: at the first difference.
    """
    for table, rows in expected.items():
        if table not in found:
            raise RestoreError("table_missing", database=database.name, table=table)
        if found[table] != rows:
            raise RestoreError(
                "rows_differ",
                database=database.name, table=table, expected=rows, found=found[table],
            )  # fmt: skip
    if unknown := sorted(set(found) - set(expected)):
        raise RestoreError("table_unknown", database=database.name, table=unknown[0])


def databases_to_copy(states: Sequence[StateSpec], kind: str, restore: str) -> Iterator[Database]:
    """Yield the databases of the services, with the names of their copies."""
    for state in states:
        for server, name in state.database_names:
            yield Database(server, name, name_of_copy(name, kind, restore))


def read_archive(
    repository: Repository, node: str, at: int, states: Sequence[StateSpec]
) -> tuple[Archive, Manifest]:
    """Choose an archive, and return it with its manifest.

    Raises:
        RestoreError: when there is none, or it lacks one of the services.
    """
    archive = repository.choose_archive(node, at)
    manifest = repository.manifest(archive)
    if manifest.node != node:
        raise RestoreError("other_node", archive=archive.name, node=node, found=manifest.node)
    known = {state.name for state in manifest.states}
    for state in states:
        if state.name not in known:
            raise RestoreError("state_missing", archive=archive.name, service=state.name)
    return archive, manifest


def _check_database_can_be_restored(database: Database, manifest: Manifest) -> None:
    if manifest.row_counts_of_database(database.engine, database.name) is None:
        raise RestoreError("dump_missing", archive=manifest.node, database=database.name)
    database.server.require_known_account(database.name)
    if not database.server.exists(database.name):
        raise RestoreError("database_missing", database=database.name)


def _size_of_live_database(database: Database) -> int:
    return database.server.size(database.name)


def create_empty_index(folder: Path) -> FileIndex:
    """Return an empty index of files in `folder`."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return FileIndex(folder / "files.sqlite")

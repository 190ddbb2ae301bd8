"""Make one archive with everything: files, databases of one moment, and the manifest.

Files are read while services run, and again when they changed meanwhile. Then services pause: the
moment of the databases is taken, and the last changes are copied aside. They run again before
anything of that is uploaded.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from chautari.node.backup import scan, simultaneous_database_snapshots, stage
from chautari.node.backup.errors import BackupError
from chautari.node.backup.feed import BorgCreate
from chautari.node.backup.manifest import (
    FOLDER,
    Manifest,
    StateSpec,
    dump_path,
    manifest_to_json,
)
from chautari.node.backup.services import Pause
from chautari.node.backup.settings import Settings
from chautari.node.backup.simultaneous_database_snapshots import Snapshot

MAX_PASSES = 5
# So much may change until the services pause; it is copied while they do.
SETTLED_BYTES = 32 << 20
SETTLED_COUNT = 2000
ROOT = Path("/")
GONE_PATH = f"{FOLDER}/gone"


@dataclass
class StateGroup:
    """States that are read together, and the list of what was read of them."""

    states: Sequence[StateSpec]
    list_file: Path
    totals: scan.Scan = field(default_factory=scan.Scan)
    # Hard links that changed: borg would store a second copy only as a link to the first one.
    links: list[scan.Entry] = field(default_factory=list)

    def write_first_list(self) -> None:
        """List everything, before anything is read."""
        for _ in scan.write_list(self.totals.entries(self.states), self.list_file):
            pass

    def listed_entries(self) -> Iterator[scan.Entry]:
        """Yield what the list contains."""
        return scan.read_list(self.list_file)

    def changes_since_list(self) -> Iterator[Any]:
        """Yield what changed since the list was written, and write a new list."""
        new, self.totals = self.list_file.with_suffix(".new"), scan.Scan()
        later = scan.write_list(self.totals.entries(self.states), new)
        yield from scan.changes_between_lists(scan.read_list(self.list_file), later)
        new.replace(self.list_file)


def paused_and_other_groups(
    states: Sequence[StateSpec], folder: Path
) -> tuple[StateGroup, StateGroup]:
    """Return the states of services that pause, and the others."""
    paused = [state for state in states if state.pause]
    others = [state for state in states if not state.pause]
    return StateGroup(paused, folder / "paused.list"), StateGroup(others, folder / "others.list")


class ArchiveWriter:
    """Writes one archive through a running borg."""

    def __init__(
        self,
        settings: Settings,
        groups: tuple[StateGroup, StateGroup],
        create: BorgCreate,
        work: Path,
        report: Callable[[str], None],
        root: Path = ROOT,
    ) -> None:
        """Prepare to write.

        Args:
            settings: of the node.
            groups: states of services that pause, and the others, with their first lists.
            create: the running borg.
            work: folder of this program's own; copies are staged there.
            report: takes the name of each step.
            root: where the FIFOs of the archive's own files are.
        """
        self._settings = settings
        self._paused, self._others = groups
        self._create = create
        self._stage = work / "stage"
        self._report = report
        self._root = root
        self._gone: set[bytes] = set()

    def write(self, pause: Pause, began: float) -> None:
        """Store everything in the order that makes it consistent."""
        self._report("files")
        for group in (self._paused, self._others):
            for entry in group.listed_entries():
                self._create.feed_path(entry.path)
        self._store_changes_until_settled()
        with ExitStack() as stack:
            self._report("pause")
            snapshots, staged = self._snapshot_while_paused(pause, stack)
            staged += self._stage_changes_since_list(self._others)
            for path in staged:
                self._create.feed_path(path)
            self._report("databases")
            counts = self._store_databases_and_count_rows(snapshots)
        self._report("manifest")
        if self._gone:
            self._store_file(GONE_PATH, b"\0".join(sorted(self._gone)) + b"\0")
        self._store_file(
            f"{FOLDER}/manifest.json", manifest_to_json(self._make_manifest(counts, began))
        )

    @property
    def left_out(self) -> list[str]:
        """Paths that could not be stored, each with the reason."""
        return self._paused.totals.left_out + self._others.totals.left_out

    def _store_changes_until_settled(self) -> None:
        for number in range(1, MAX_PASSES + 1):
            self._store_file(f"{FOLDER}/passes/{number}", str(int(time.time())).encode())
            count = size = 0
            for group in (self._paused, self._others):
                for entry in self._record_deletions_and_yield_entries(group.changes_since_list()):
                    count, size = count + 1, size + entry.size
                    if entry.is_file and entry.links > 1:
                        group.links.append(entry)
                    else:
                        self._create.feed_path(entry.path)
            if count <= SETTLED_COUNT and size <= SETTLED_BYTES:
                break
        # What this pass read must be read before the services pause.
        self._store_file(f"{FOLDER}/passes/last", str(int(time.time())).encode())

    def _snapshot_while_paused(
        self, pause: Pause, stack: ExitStack
    ) -> tuple[list[Snapshot], list[bytes]]:
        try:
            pause.pause(self._paused.states)
            snapshots = simultaneous_database_snapshots.take_snapshots(
                self._settings.databases, stack
            )
            return snapshots, self._stage_changes_since_list(self._paused)
        finally:
            pause.resume()

    def _stage_changes_since_list(self, group: StateGroup) -> list[bytes]:
        changed = chain(
            self._record_deletions_and_yield_entries(group.changes_since_list()), group.links
        )
        copies = (stage.copy_entry(entry, self._stage) for entry in changed)
        try:
            return [path for path in copies if path is not None]
        except OSError as error:
            raise BackupError(
                "no_room_for_copies", path=str(self._stage), reason=error.strerror or ""
            ) from None

    def _record_deletions_and_yield_entries(self, changed: Iterable[Any]) -> Iterator[scan.Entry]:
        for item in changed:
            if isinstance(item, scan.DeletedPath):
                self._gone.add(item.path)
            else:
                self._gone.discard(item.path)
                yield item

    def _store_databases_and_count_rows(
        self, snapshots: Sequence[Snapshot]
    ) -> dict[str, dict[str, Any]]:
        counts: dict[str, dict[str, Any]] = {}
        for snapshot in snapshots:
            path = self._root / dump_path(snapshot.engine, snapshot.database)
            snapshot.store_dump(self._create, path)
            counts.setdefault(snapshot.engine, {})[snapshot.database] = snapshot.row_counts()
        return counts

    def _store_file(self, name: str, content: bytes) -> None:
        self._create.store_content(self._root / name, content)

    def _make_manifest(self, counts: dict[str, dict[str, Any]], began: float) -> Manifest:
        totals = (self._paused.totals, self._others.totals)
        return Manifest(
            region=self._settings.region,
            node=self._settings.node,
            time=int(began),
            os=os_name(),
            versions=self._settings.versions,
            states=self._settings.states,
            row_counts=counts,
            file_count=sum(item.count for item in totals),
            file_bytes=sum(item.size for item in totals),
        )


def os_name(release: Path = Path("/etc/os-release")) -> str:
    """Return the operating system of the node, such as `debian-12`."""
    pairs = (line.partition("=") for line in release.read_text().splitlines())
    found = {key: value.strip("\"'") for key, _, value in pairs}
    return f"{found.get('ID', 'linux')}-{found.get('VERSION_ID', '0')}"


def empty_work_folder(work: Path) -> None:
    """Remove copies of a run that was interrupted, and make room for new ones."""
    work.mkdir(mode=0o700, parents=True, exist_ok=True)
    stage.create_empty_stage(work / "stage")

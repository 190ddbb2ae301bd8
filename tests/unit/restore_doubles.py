"""Doubles for tests of restores: a repository of tar streams, database servers, and a power cut."""

from __future__ import annotations

import contextlib
import io
import os
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import pytest

from chautari.node.backup.manifest import FolderSpec, Manifest, StateSpec
from chautari.node.restore import copy_next_to_live_data, extraction, journal, steps, switch
from chautari.node.restore.errors import RestoreError
from chautari.node.restore.extraction import archived_path
from chautari.node.restore.journal import Journal, JournalFile
from chautari.node.restore.repository import Archive, ArchiveItem
from chautari.node.restore.request import Request, RestoreCommands, Target

ID = "20261130t110000"
ARCHIVE = Archive("bog1-2026-11-30T02:30:11Z", 1764460000)


class PowerCut(BaseException):
    """The node loses power: no code of the restore runs any further."""


@dataclass
class World:
    """One node: its files, its databases, and what is archived of them."""

    root: Path
    databases: dict[str, dict[str, int]] = field(default_factory=dict)
    archived_rows: dict[str, int] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    ticks_left: int = -1  # until the power cut; -1 for none
    failing: str = ""
    free: int = 1 << 40

    @property
    def data(self) -> Path:
        return self.root / "srv/cloud/data"

    @property
    def config(self) -> Path:
        return self.root / "srv/cloud/config.php"

    def tick(self, operation: str) -> None:
        """Count an operation; the power may be cut, or the operation may fail."""
        self.log.append(operation)
        if self.ticks_left == 0:
            raise PowerCut
        self.ticks_left -= 1
        if self.failing and operation.startswith(self.failing):
            self.failing = ""  # the undo succeeds
            raise RestoreError("command_failed", command=operation, message="failing on purpose")

    def files(self) -> dict[str, str]:
        """Return the live files with their content."""
        found = [path for path in (self.root / "srv").rglob("*") if path.is_file()]
        live = [p for p in found if ".before-restore-" not in str(p) and ".chautari" not in str(p)]
        return {str(path.relative_to(self.root)): path.read_text() for path in live}

    def leftovers(self) -> list[str]:
        """Return staging folders and copies of databases that are left."""
        staging = [p.name for p in (self.root / "srv").rglob(".chautari-restore-*")]
        return staging + [name for name in self.databases if "_restore_" in name]


class FakeEngine:
    """A database server: databases are dictionaries of tables."""

    def __init__(self, world: World) -> None:
        self.world = world

    def require_known_account(self, owner: str) -> None:
        if owner not in self.world.databases and f"{owner}_before_{ID}" not in self.world.databases:
            raise RestoreError("owner_missing", owner=owner)

    def exists(self, name: str) -> bool:
        return name in self.world.databases

    def size(self, name: str) -> int:
        return 1000

    def data_folder(self) -> str:
        return str(self.world.root)

    def create(self, name: str, owner: str) -> None:
        self.world.tick(f"create {name}")
        assert name not in self.world.databases
        self.world.databases[name] = {}

    def load(self, name: str, blocks: Iterable[memoryview]) -> None:
        self.world.tick(f"load {name}")
        for line in b"".join(map(bytes, blocks)).decode().splitlines():
            table, _, rows = line.partition(" ")
            self.world.databases[name][table] = int(rows)

    def row_counts(self, name: str) -> dict[str, int]:
        return self.world.databases[name]

    def drop(self, name: str) -> None:
        self.world.tick(f"drop {name}")
        assert "_restore_" in name or "_before_" in name or "_drill_" in name
        self.world.databases.pop(name, None)

    def refuse_unmovable(self, name: str) -> None:
        pass

    def switch(self, live: str, new: str, aside: str) -> None:
        if self.exists(new):
            if not self.exists(aside):
                self._rename(live, aside)
            self._rename(new, live)

    def undo_switch(self, live: str, new: str, aside: str) -> None:
        if self.exists(aside):
            if self.exists(live):
                self._rename(live, new)
            self._rename(aside, live)

    def _rename(self, old: str, new: str) -> None:
        self.world.tick(f"rename {old} {new}")
        assert new not in self.world.databases
        self.world.databases[new] = self.world.databases.pop(old)
        self.world.tick(f"renamed {old} {new}")


@dataclass
class FakeRepository:
    """An archive in memory; its files are added with their paths on the node."""

    world: World
    manifest_: Manifest
    members: list[tuple[tarfile.TarInfo, bytes]] = field(default_factory=list)
    dumps: dict[str, bytes] = field(default_factory=dict)

    def add(self, path: Path | str, content: bytes | None = b"", **values: Any) -> None:
        """Add a file, or a folder if `content` is None."""
        member = tarfile.TarInfo(str(path).lstrip("/"))
        member.type = tarfile.DIRTYPE if content is None else tarfile.REGTYPE
        member.mode, member.mtime = (0o750 if content is None else 0o640), 1_700_000_000
        member.uid, member.gid = os.getuid(), os.getgid()
        for name, value in values.items():
            setattr(member, name, value)
        member.size = len(content or b"") if member.isreg() else 0
        self.members.append((member, content or b""))

    def choose_archive(self, node: str, at: int) -> Archive:
        self.world.tick("choose")
        return ARCHIVE

    def manifest(self, archive: Archive) -> Manifest:
        return self.manifest_

    def items(self, archive: str, paths: list[str]) -> Iterator[ArchiveItem]:
        for member, _ in self._below(paths):
            kinds = {tarfile.DIRTYPE: "d", tarfile.SYMTYPE: "l"}
            size = -1 if member.islnk() else member.size
            yield ArchiveItem(member.name, kinds.get(member.type, "-"), size)

    def _below(self, paths: list[str]) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
        for member, content in [*self.members, *map(_dump_member, self.dumps.items())]:
            found = "/" + member.name
            if any(found == path or found.startswith(f"{path}/") for path in paths):
                yield member, content

    @contextlib.contextmanager
    def open_tar(self, archive: str, paths: list[str]) -> Iterator[IO[bytes]]:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
            for member, content in self._below(paths):
                tar.addfile(member, io.BytesIO(content))
        self.world.tick("extract")
        buffer.seek(0)
        yield buffer


def _dump_member(dump: tuple[str, bytes]) -> tuple[tarfile.TarInfo, bytes]:
    path, content = dump
    member = tarfile.TarInfo(path)
    member.size = len(content)
    return member, content


def state_of(world: World) -> StateSpec:
    return StateSpec(
        name="nextcloud",
        folders=(FolderSpec(str(world.data), ("cache", "*.tmp")),),
        files=(str(world.config),),
        databases={"postgresql": ("nextcloud",)},
        pause=("/pause",),
        resume=("/resume",),
    )


def request_of(world: World) -> Request:
    return Request(
        id=ID, region="andes", node="bog1", target=Target("disk", "disk", "/mnt/backup"),
        states=(state_of(world),),
        commands={"nextcloud": RestoreCommands(adapt=("/adapt",), after_restore=("/after",))},
        about={"operator": "ana"},
    )  # fmt: skip


def sample_repository(world: World) -> FakeRepository:
    state = state_of(world)
    manifest = Manifest(
        "andes", "bog1", ARCHIVE.time, "debian-12", {"nextcloud": "32.0.1"}, (state,),
        {"postgresql": {"nextcloud": dict(world.archived_rows)}}, 3, 9,
    )  # fmt: skip
    found = FakeRepository(world, manifest)
    found.add(world.data, None)
    found.add(world.data / "a", b"new a")
    found.add(world.data / "sub", None)
    found.add(world.data / "sub/b", b"new b")
    found.add(world.config, b"new config")
    rows = "\n".join(f"{table} {count}" for table, count in world.archived_rows.items())
    found.dumps["run/chautari-backup/databases/postgresql/nextcloud.dump"] = rows.encode()
    return found


def build_world(root: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Return a node with old data, whose every operation can be the last one before a power cut."""
    world = World(root, {"nextcloud": {"public.t": 1}}, {"public.t": 5, "public.u": 0})
    (world.data / "cache").mkdir(parents=True)
    (world.data / "a").write_text("old a")
    (world.data / "gone").write_text("old gone")
    (world.data / "cache/x").write_text("kept cache")
    world.config.write_text("old config")
    engine = FakeEngine(world)
    monkeypatch.setattr(copy_next_to_live_data, "database_server", lambda _: engine)
    monkeypatch.setattr(switch, "run_command", lambda argv, *_: world.tick(" ".join(argv)))
    monkeypatch.setattr(switch, "active_units", list)
    # A real disk would take minutes for hundreds of restores.
    monkeypatch.setattr(os, "fsync", lambda _: None)
    monkeypatch.setattr(extraction, "_sync_filesystems", lambda _: None)
    _count_renames(world, monkeypatch)
    saved = journal.JournalFile.save

    def save(self: JournalFile, content: Journal) -> None:
        world.tick("save")
        saved(self, content)
        world.tick("saved")

    monkeypatch.setattr(journal.JournalFile, "save", save)
    return world


def _count_renames(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    renamed = switch._rename_and_sync

    def rename(old: str, new: str) -> None:
        world.tick(f"mv {archived_path(old)}")
        renamed(old, new)
        world.tick(f"moved {archived_path(old)}")

    monkeypatch.setattr(switch, "_rename_and_sync", rename)


def begin_restore(
    world: World, repository: FakeRepository, monkeypatch: pytest.MonkeyPatch
) -> JournalFile:
    """Write the journal of a new restore, as `restore_start` does."""
    monkeypatch.setattr(steps, "Repository", lambda *_: repository)
    files = JournalFile(world.root / "state")
    memory = world.root / "memory"
    memory.mkdir()
    (memory / "passphrase").write_text("secret")
    files.state.mkdir()
    files.begin(Journal(request_of(world), "choose"))
    return files


def run_restore(world: World, files: JournalFile) -> bool | None:
    """Run the restore from its journal, as the unit does; None if the power was cut."""
    found = files.load()
    if found is None:
        return bool(files.results()[-1]["ok"])
    try:
        return steps.Restore(files, found, world.root / "memory").run()
    except PowerCut:
        return None

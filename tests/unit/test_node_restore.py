"""A restore ends with all data of the archive or all data from before, wherever it is cut off."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from restore_doubles import (
    ID,
    FakeRepository,
    World,
    begin_restore,
    build_world,
    run_restore,
    sample_repository,
)

from chautari.node.restore import extraction, kept_data_deletion
from chautari.node.restore.journal import JournalFile

OLD = {
    "srv/cloud/data/a": "old a", "srv/cloud/data/gone": "old gone",
    "srv/cloud/data/cache/x": "kept cache", "srv/cloud/config.php": "old config",
}  # fmt: skip
NEW = {
    "srv/cloud/data/a": "new a", "srv/cloud/data/sub/b": "new b",
    "srv/cloud/data/cache/x": "kept cache", "srv/cloud/config.php": "new config",
}  # fmt: skip
SYNC_FILESYSTEMS = extraction._sync_filesystems
OLD_ROWS, NEW_ROWS = {"public.t": 1}, {"public.t": 5, "public.u": 0}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return build_world(tmp_path, monkeypatch)


@pytest.fixture
def repository(world: World) -> FakeRepository:
    return sample_repository(world)


@pytest.fixture
def files(world: World, repository: FakeRepository, monkeypatch: pytest.MonkeyPatch) -> JournalFile:
    return begin_restore(world, repository, monkeypatch)


def assert_restored(world: World) -> None:
    assert world.files() == NEW
    assert world.databases["nextcloud"] == NEW_ROWS
    assert world.leftovers() == []


def assert_as_before(world: World) -> None:
    assert world.files() == OLD
    assert world.databases == {"nextcloud": OLD_ROWS}
    assert world.leftovers() == []
    assert not list((world.root / "srv").rglob("*.before-restore-*"))


def test_restore_brings_back_the_archive_and_keeps_old_data(
    world: World, files: JournalFile
) -> None:
    assert run_restore(world, files)
    assert_restored(world)
    assert world.databases[f"nextcloud_before_{ID}"] == OLD_ROWS
    [result] = files.results()
    assert result["ok"] and result["figures"]["files"] == 3 and result["figures"]["rows"] == 5
    old = Path(f"{world.data}.before-restore-{ID}")
    assert (old / "gone").read_text() == "old gone"
    assert str(old) in result["kept"]["paths"]
    assert files.load() is None and not (world.root / "memory").exists()
    assert (world.data / "a").stat().st_mode & 0o777 == 0o640
    assert (world.data / "a").stat().st_mtime == 1_700_000_000
    assert world.data.stat().st_mode & 0o777 == 0o750


def test_restore_pauses_only_for_the_switch(world: World, files: JournalFile) -> None:
    run_restore(world, files)
    steps = [line for line in world.log if line.startswith(("/", "load", "rename", "mv"))]
    assert steps.index("/pause") > steps.index(f"load nextcloud_restore_{ID}")
    assert steps.index("/adapt") < steps.index("/pause") < steps.index("/after")
    assert steps[-2:] == ["/resume", "/after"]


def operations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str = "") -> int:
    """Return the number of operations of an undisturbed restore."""
    with monkeypatch.context() as patch:
        world = build_world(tmp_path / "counted", patch)
        world.failing = failing
        run_restore(world, begin_restore(world, sample_repository(world), patch))
        return len(world.log)


@pytest.mark.parametrize("failing", ["", "/resume", "rename", "/adapt"])
def test_power_cut_at_any_point_ends_on_old_or_new_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    for point in range(operations(tmp_path, monkeypatch, failing)):
        root = tmp_path / str(point)
        with monkeypatch.context() as patch:
            world = build_world(root, patch)
            files = begin_restore(world, sample_repository(world), patch)
            world.ticks_left, world.failing = point, failing
            first = run_restore(world, files)
            world.ticks_left = -1
            second = run_restore(world, files)
            assert first is None or first == second
            assert_restored(world) if second else assert_as_before(world)
            assert files.load() is None
        shutil.rmtree(root)


def test_two_power_cuts_end_on_old_or_new_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = operations(tmp_path, monkeypatch)
    for point in range(count // 2, count, 4):
        for later in range(0, 14, 4):
            root = tmp_path / f"{point}-{later}"
            with monkeypatch.context() as patch:
                world = build_world(root, patch)
                files = begin_restore(world, sample_repository(world), patch)
                for left in (point, later, -1):
                    world.ticks_left = left
                    done = run_restore(world, files)
                assert_restored(world) if done else assert_as_before(world)
            shutil.rmtree(root)


def test_restart_without_access_undoes_an_unfinished_copy(world: World, files: JournalFile) -> None:
    world.ticks_left = 8
    assert run_restore(world, files) is None
    shutil.rmtree(world.root / "memory")
    world.ticks_left = -1
    assert run_restore(world, files) is False
    assert files.results()[-1]["error"]["code"] == "interrupted"
    assert_as_before(world)


def damaged(repository: FakeRepository, table: str, rows: int) -> None:
    key = "run/chautari-backup/databases/postgresql/nextcloud.dump"
    repository.dumps[key] += f"\n{table} {rows}".encode()


def test_other_row_count_is_refused(
    world: World, repository: FakeRepository, files: JournalFile
) -> None:
    damaged(repository, "public.t", 4)
    assert run_restore(world, files) is False
    error = files.results()[-1]["error"]
    assert error["code"] == "rows_differ" and error["data"]["expected"] == 5
    assert_as_before(world)


def test_unknown_table_is_refused(
    world: World, repository: FakeRepository, files: JournalFile
) -> None:
    damaged(repository, "public.other", 1)
    assert run_restore(world, files) is False
    assert files.results()[-1]["error"]["code"] == "table_unknown"


def error_of(world: World, files: JournalFile) -> str:
    assert run_restore(world, files) is False
    assert_as_before(world)
    return str(files.results()[-1]["error"]["code"])


def test_last_copy_of_a_path_counts(
    world: World, repository: FakeRepository, files: JournalFile
) -> None:
    repository.add(world.data / "a", b"newest a")
    assert run_restore(world, files)
    assert (world.data / "a").read_text() == "newest a"


def test_file_of_an_unknown_account_is_refused(
    world: World, repository: FakeRepository, files: JournalFile
) -> None:
    repository.add(world.data / "c", b"x", uname="no-such-account")
    assert error_of(world, files) == "unknown_owner"


@pytest.mark.parametrize("name", ["../../etc/cron.d/x", "srv/../x", "a//b"])
def test_unsafe_path_is_refused(
    world: World, repository: FakeRepository, files: JournalFile, name: str
) -> None:
    repository.add("x")
    repository.members[-1][0].name = str(world.data).lstrip("/") + "/" + name
    assert error_of(world, files) == "unsafe_path"


def test_link_leads_no_file_out_of_its_folder(
    world: World, repository: FakeRepository, files: JournalFile
) -> None:
    outside = world.root / "outside"
    outside.mkdir()
    repository.add(world.data / "link", b"", type=b"2", linkname=str(outside))
    repository.add(world.data / "link/file", b"x")
    assert error_of(world, files) == "unsafe_path"
    assert list(outside.iterdir()) == []


def test_links_are_restored(world: World, repository: FakeRepository, files: JournalFile) -> None:
    target = str(world.data / "a").lstrip("/")
    repository.add(world.data / "hard", b"", type=b"1", linkname=target)
    repository.add(world.data / "soft", b"", type=b"2", linkname="a")
    assert run_restore(world, files)
    assert (world.data / "hard").samefile(world.data / "a")
    assert (world.data / "soft").readlink() == Path("a")


def test_name_that_is_no_text_is_restored(
    world: World, repository: FakeRepository, files: JournalFile
) -> None:
    repository.add(f"{world.data}/caf\udce9", b"latin")
    assert run_restore(world, files)
    assert (world.data / "caf\udce9").read_text() == "latin"


def test_files_that_were_deleted_during_the_backup_are_not_restored(
    world: World, repository: FakeRepository, files: JournalFile
) -> None:
    outside = world.root / "outside"
    outside.write_text("stays")
    gone = [world.data / "sub", world.data / "sub/b", world.data, outside, "/etc/passwd"]
    content = b"".join(str(path).encode() + b"\0" for path in gone)
    repository.dumps["run/chautari-backup/gone"] = content
    assert run_restore(world, files)
    assert not (world.data / "sub").exists()
    assert (world.data / "a").read_text() == "new a"
    assert outside.read_text() == "stays"
    assert files.results()[-1]["figures"]["files"] == 2


def test_missing_folder_is_refused(
    world: World, repository: FakeRepository, files: JournalFile
) -> None:
    repository.members = [item for item in repository.members if "data" not in item[0].name]
    assert error_of(world, files) == "folder_missing"


def test_full_disk_is_refused_before_anything_is_written(
    world: World,
    repository: FakeRepository,
    files: JournalFile,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = [("/srv", 1 << 40, 1 << 30)]
    monkeypatch.setattr(
        "chautari.node.restore.copy_next_to_live_data.needed_by_filesystem", lambda _: iter(found)
    )
    assert error_of(world, files) == "no_room"
    assert "extract" not in world.log


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda path: path.write_text("shor"), "file_differs"),
        (Path.unlink, "file_missing"),
        (lambda path: (path.unlink(), path.mkdir()), "file_differs"),
        (lambda path: path.with_name("more").write_text(""), "file_differs"),
    ],
)
def test_copy_that_is_not_on_the_disk_as_archived_is_refused(
    world: World,
    files: JournalFile,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Path], object],
    code: str,
) -> None:
    staged = world.data.parent / f".chautari-restore-{ID}/data/a"
    monkeypatch.setattr(extraction, "_sync_filesystems", lambda _: change(staged))
    assert error_of(world, files) == code


def test_disk_that_fails_to_store_the_copy_is_refused(
    world: World, files: JournalFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = world.root / "synced"
    program = world.root / "bin/sync"
    program.parent.mkdir()
    program.write_text(
        f"#!/bin/sh\necho \"$@\" > {synced}\necho 'Input/output error' >&2\nexit 1\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(extraction, "_sync_filesystems", SYNC_FILESYSTEMS)
    assert error_of(world, files) == "disk_error"
    assert files.results()[-1]["error"]["data"] == {"message": "Input/output error"}
    assert synced.read_text().split()[-1] == str(world.data.parent / f".chautari-restore-{ID}")


def test_live_data_that_appears_during_the_switch_is_never_overwritten(
    world: World, files: JournalFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = world.tick

    def write_again(operation: str) -> None:
        moved(operation)
        if operation.startswith("moved") and operation.endswith("/config.php"):
            world.config.write_text("written meanwhile")

    monkeypatch.setattr(world, "tick", write_again)
    assert run_restore(world, files) is False
    assert files.results()[-1]["error"]["code"] == "path_in_use"


def test_clean_deletes_what_a_restore_kept(world: World, files: JournalFile) -> None:
    assert run_restore(world, files)
    answer = kept_data_deletion.delete_kept_data([ID], files.state)
    assert answer["error"] is None and len(answer["deleted"]) == 3
    assert not list((world.root / "srv").rglob("*.before-restore-*"))
    assert f"nextcloud_before_{ID}" not in world.databases
    assert_restored(world)
    assert kept_data_deletion.delete_kept_data([ID], files.state)["deleted"] == []


def test_clean_deletes_nothing_else(world: World, files: JournalFile) -> None:
    assert run_restore(world, files)
    history = files.state / "history" / f"{ID}.json"
    result = json.loads(history.read_text())
    result["kept"]["paths"] = [str(world.data)]
    history.write_text(json.dumps(result))
    assert kept_data_deletion.delete_kept_data([ID], files.state)["error"]["code"] == "unsafe_path"
    assert world.data.is_dir()
    assert (
        kept_data_deletion.delete_kept_data(["../x"], files.state)["error"]["code"] == "unsafe_path"
    )

"""The weekly drill restores into its own folder and databases, compares, and deletes them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest
from restore_doubles import ARCHIVE, FakeRepository, World, build_world, sample_repository, state_of

from chautari.node.backup.manifest import state_as_object
from chautari.node.restore import drill, extraction
from chautari.node.restore.errors import RestoreError


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return build_world(tmp_path, monkeypatch)


@pytest.fixture
def repository(world: World, monkeypatch: pytest.MonkeyPatch) -> FakeRepository:
    found = sample_repository(world)
    monkeypatch.setattr(drill, "Repository", lambda *_: found)
    return found


def run(world: World, *targets: str) -> dict[str, Any]:
    items = [{"name": name, "kind": "disk", "repository": "/x"} for name in targets or ("disk",)]
    states = [state_as_object(state_of(world))]
    settings = {"node": "bog1", "states": states, "targets": items}
    return drill.run_drill(settings, world.root / "drill")


def assert_unchanged(world: World, files: dict[str, str]) -> None:
    assert world.files() == files
    assert world.databases == {"nextcloud": {"public.t": 1}}
    assert not (world.root / "drill").exists()


def test_drill_counts_and_leaves_nothing(world: World, repository: FakeRepository) -> None:
    before = world.files()
    record = run(world)
    assert record["ok"] and record["error"] is None
    assert (record["archive"], record["files"]) == (ARCHIVE.name, 3)
    assert (record["tables"], record["rows"]) == (2, 5)
    assert_unchanged(world, before)


def test_drill_reports_a_damaged_archive(world: World, repository: FakeRepository) -> None:
    before = world.files()
    repository.dumps["run/chautari-backup/databases/postgresql/nextcloud.dump"] = b"public.t 1"
    record = run(world)
    assert not record["ok"] and record["error"]["code"] == "restore_rows_differ"
    assert_unchanged(world, before)


def test_drill_reads_every_file_from_the_disk_again(
    world: World, repository: FakeRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = world.files()
    staged = Path(f"{world.root}/drill/files{world.data}/a")
    monkeypatch.setattr(extraction, "_sync_filesystems", lambda _: staged.write_text("new A"))
    error = run(world)["error"]
    assert error == {"code": "restore_file_differs", "data": {"path": str(world.data / "a")}}
    assert_unchanged(world, before)


def test_killed_drill_is_tidied_by_the_next_one(
    world: World, repository: FakeRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = world.files()

    @contextmanager
    def killed(*_: object) -> Iterator[IO[bytes]]:
        raise KeyboardInterrupt
        yield  # pragma: no cover

    with monkeypatch.context() as patch:
        patch.setattr(repository, "open_tar", killed)
        patch.setattr(drill, "_delete_leftovers", lambda _: None)
        with pytest.raises(KeyboardInterrupt):
            run(world)
    assert (world.root / "drill").exists()
    world.databases["nextcloud_drill_20200101t000000"] = {}
    (world.root / "drill/databases.json").write_text(
        '[["postgresql", "nextcloud", "nextcloud_drill_20200101t000000"]]'
    )
    assert run(world)["ok"]
    assert_unchanged(world, before)


def test_target_changes_every_week(world: World) -> None:
    items = [{"name": name, "kind": "disk", "repository": "/x"} for name in ("a", "b", "c")]
    found = [drill._target_of_week(items, week * drill.WEEK).name for week in range(4)]
    assert found == ["a", "b", "c", "a"]


def test_missing_backup_is_not_a_failed_drill(
    world: World, repository: FakeRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    def choose(node: str, at: int) -> None:
        raise RestoreError("no_archives", target="disk", node=node)

    monkeypatch.setattr(repository, "choose_archive", choose)
    assert drill.is_without_backup(run(world))
    assert not drill.is_without_backup({"error": None})

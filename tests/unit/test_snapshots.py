"""When a snapshot of the tested region may replace a first deploy."""

import os
import time
from pathlib import Path

import pytest
from tests.integration import snapshots
from tests.integration.snapshots import MAX_AGE_SECONDS, Snapshot, SnapshotError


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("tool/a.py", "roles/web/tasks/main.yml", "roles/web/README.md",
                 "roles/web/checks/test_web.py", "playbooks/region.yml", "requirements.lock",
                 "region.yml"):  # fmt: skip
        file = tmp_path / "checkout" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
    monkeypatch.setattr(snapshots, "ROOT", tmp_path / "checkout")
    monkeypatch.setattr(snapshots.apt_sources, "host_apt_index_targets_text", lambda: "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "checkout"


def of(checkout: Path) -> Snapshot:
    return snapshots.of_region("proof", checkout / "region.yml")


def write_snapshot(key: str, age: float = 0.0) -> Snapshot:
    snapshot = Snapshot("proof", key)
    snapshot.folder.mkdir(parents=True)
    snapshot.index.write_text("[]")
    for path in (snapshot.index, snapshot.folder):
        os.utime(path, (time.time() - age,) * 2)
    return snapshot


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("tool/a.py", True),
        ("roles/web/tasks/main.yml", True),
        ("playbooks/region.yml", True),
        ("requirements.lock", True),
        ("region.yml", True),
        ("roles/web/README.md", False),
        ("roles/web/checks/test_web.py", False),
    ],
)
def test_of_region_follows_what_a_first_deploy_follows_from(
    checkout: Path, name: str, counts: bool
) -> None:
    before = of(checkout)
    assert of(checkout) == before
    (checkout / name).write_text("other")
    assert (of(checkout) != before) is counts


def test_of_region_changes_when_a_file_moved(checkout: Path) -> None:
    before = of(checkout)
    (checkout / "tool" / "a.py").rename(checkout / "tool" / "b.py")
    assert of(checkout) != before


@pytest.mark.parametrize(("age", "exists"), [(60.0, True), (MAX_AGE_SECONDS + 60.0, False)])
def test_exists_is_true_only_while_a_snapshot_is_young(
    checkout: Path, age: float, exists: bool
) -> None:
    assert write_snapshot("a", age).exists() is exists


def test_exists_needs_the_index_that_is_written_last(checkout: Path) -> None:
    snapshot = write_snapshot("a")
    snapshot.index.unlink()
    assert not snapshot.exists()


def test_prune_keeps_the_new_snapshot_and_the_newest_other(checkout: Path) -> None:
    old, older, new = write_snapshot("a", 100), write_snapshot("b", 200), write_snapshot("c", 300)
    snapshots.prune(new)
    assert [item.exists() for item in (old, older, new)] == [True, False, True]


def test_restore_refuses_a_damaged_snapshot(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    snapshot = write_snapshot("a")
    snapshot.index.write_text("[")
    with pytest.raises(SnapshotError):
        snapshots.restore(snapshot, tmp_path / "region", print)

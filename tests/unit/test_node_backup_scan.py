"""Lists of what a backup stores: excludes, special files, changes."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from chautari.node.backup import archive, scan, stage
from chautari.node.backup.manifest import FolderSpec, StateSpec


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    for name in ("a", "a/b", "a/cache", "a/cache/x", "z"):
        (folder / name).mkdir(parents=True)
    for name in ("a/1", "a/b/2", "a/cache/x/3", "a.txt", "z/4.tmp", "z/5"):
        (folder / name).write_text(name)
    return folder


def state(folder: Path, *exclude: str, files: tuple[str, ...] = ()) -> StateSpec:
    return StateSpec("nextcloud", (FolderSpec(str(folder), exclude),), files)


def names(folder: Path, *states: StateSpec) -> list[str]:
    root = os.fsencode(folder)
    return [os.fsdecode(entry.path[len(root) :]) for entry in scan.Scan().entries(states)]


def test_list_has_folders_files_and_links_in_order(data: Path) -> None:
    (data / "link").symlink_to("a/1")
    (data / "lost").symlink_to("/nowhere")
    found = names(data, state(data))
    assert found[:4] == ["", "/a", "/a/1", "/a/b"]
    assert {"/link", "/lost", "/a.txt"} <= set(found)
    assert sorted(found, key=lambda path: path.split("/")) == found


def test_excluded_folder_is_left_out_with_its_content(data: Path) -> None:
    found = names(data, state(data, "*/cache", "*.tmp"))
    assert not [path for path in found if "cache" in path or path.endswith(".tmp")]
    assert "/z/5" in found


def test_what_a_restore_keeps_is_left_out(data: Path) -> None:
    (data / ".chautari-restore-17").mkdir()
    (data / "a.before-restore-17").mkdir()
    assert not [path for path in names(data, state(data)) if "restore" in path]


def test_special_files_and_links_to_them_are_left_out(data: Path) -> None:
    os.mkfifo(data / "pipe")
    (data / "to-pipe").symlink_to("pipe")
    (data / "zero").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.fspath(data / "socket"))
    (data / "line\rbreak").write_text("x")
    found = scan.Scan()
    paths = [entry.path for entry in found.entries([state(data)])]
    assert not [p for p in paths if p.endswith((b"pipe", b"zero", b"socket", b"break"))]
    assert found.left_out_count == 3  # sockets and pipes hold no data


def test_each_path_is_listed_once(data: Path) -> None:
    inner = StateSpec("inner", (FolderSpec(str(data / "a" / "cache")),))
    found = names(data, state(data, "*/cache"), inner, state(data / "a" / "b"))
    assert len(found) == len(set(found))
    assert "/a/cache/x/3" in found and "/a/b/2" in found


def test_folder_that_is_a_link_is_listed_below_its_own_name(data: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(data)
    found = names(tmp_path, state(tmp_path / "link"))
    assert "/link/a/1" in found and "/link" not in found


def test_missing_file_is_left_out(data: Path) -> None:
    assert names(data, state(data, files=("/nowhere/at/all",)))


def changed(group: archive.StateGroup) -> tuple[set[str], set[str]]:
    items = list(group.changes_since_list())
    new = {os.fsdecode(i.path) for i in items if isinstance(i, scan.Entry) and i.is_file}
    return new, {os.fsdecode(i.path) for i in items if isinstance(i, scan.DeletedPath)}


def test_changes_are_found_since_the_last_list(data: Path, tmp_path: Path) -> None:
    group = archive.StateGroup([state(data)], tmp_path / "list")
    group.write_first_list()
    assert group.totals.count == 6
    assert changed(group) == (set(), set())
    (data / "a" / "1").write_text("other")
    (data / "new").write_text("new")
    (data / "a" / "b").rename(data / "moved")
    (data / "a.txt").unlink()
    new, gone = changed(group)
    assert new == {f"{data}/a/1", f"{data}/new", f"{data}/moved/2"}
    assert gone == {f"{data}/a/b", f"{data}/a/b/2", f"{data}/a.txt"}
    assert changed(group) == (set(), set())


def test_list_survives_strange_names(data: Path, tmp_path: Path) -> None:
    strange = [b"line\nbreak", b"\xff\xfe", b" 1 2 3", "नमस्ते".encode()]
    for name in strange:
        (data / os.fsdecode(name)).write_text("x")
    group = archive.StateGroup([state(data)], tmp_path / "list")
    group.write_first_list()
    assert {os.fsencode(data) + b"/" + name for name in strange} <= {
        entry.path for entry in group.listed_entries()
    }
    assert changed(group) == (set(), set())


def test_copies_keep_mode_owner_and_times(data: Path, tmp_path: Path) -> None:
    (data / "z").chmod(0o2750)
    (data / "link").symlink_to("/nowhere")
    os.utime(data / "a" / "1", ns=(5, 1_000_000_007))
    stage.create_empty_stage(tmp_path / "stage")
    for entry in scan.Scan().entries([state(data)]):
        relative = stage.copy_entry(entry, tmp_path / "stage")
        assert relative == entry.path[1:]
        copy = tmp_path / "stage" / os.fsdecode(relative)
        found = copy.lstat()
        assert (found.st_mode, found.st_uid) == (entry.mode, os.getuid())
        assert not entry.is_file or copy.read_bytes() == Path(os.fsdecode(entry.path)).read_bytes()
    assert (tmp_path / "stage" / f"{data}/a/1"[1:]).stat().st_mtime_ns == 1_000_000_007


def test_file_that_is_gone_or_became_a_pipe_is_not_copied(data: Path, tmp_path: Path) -> None:
    stage.create_empty_stage(tmp_path / "stage")
    entries = [e for e in scan.Scan().entries([state(data)]) if e.path.endswith((b"/1", b"/2"))]
    (data / "a" / "1").unlink()
    (data / "a" / "b" / "2").unlink()
    os.mkfifo(data / "a" / "b" / "2")
    assert [stage.copy_entry(entry, tmp_path / "stage") for entry in entries] == [None, None]

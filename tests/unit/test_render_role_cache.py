"""The cache of what the toolkit's files say: it saves time and never hides a change."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from chautari.render import role_cache

OLD = time.time_ns() - 3600 * 10**9


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with a file that changed long ago."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    # A new file has a new time of change, which no program can set.
    monkeypatch.setattr(role_cache, "UNSETTLED_NANOSECONDS", -1)
    found = tmp_path / "role"
    (found / "tasks").mkdir(parents=True)
    (found / "tasks" / "main.yml").write_text("one")
    return found


@pytest.fixture
def read(folder: Path) -> Callable[[], str]:
    """Return a function that a new process would run: it reads the file through the cache."""

    def found() -> str:
        role_cache._read_cache_entries.cache_clear()
        role_cache._file_states.cache_clear()
        file = folder / "tasks" / "main.yml"
        result = role_cache.load_or_compute("a", lambda: [str(folder)], file.read_text)
        assert isinstance(result, str)
        return result

    return found


def fail() -> str:
    raise AssertionError("the file was read again")


def test_unchanged_files_are_not_read_again(folder: Path, read: Callable[[], str]) -> None:
    assert read() == "one"
    role_cache._read_cache_entries.cache_clear()
    role_cache._file_states.cache_clear()
    assert role_cache.load_or_compute("a", lambda: [str(folder)], fail) == "one"


@pytest.mark.parametrize("keeps", ["size and mtime", "mtime", "size"])
def test_changed_file_is_read(folder: Path, read: Callable[[], str], keeps: str) -> None:
    file = folder / "tasks" / "main.yml"
    os.utime(file, ns=(OLD, OLD))
    read()
    file.write_text("two" if "size" in keeps else "three")
    if "mtime" in keeps:
        os.utime(file, ns=(OLD, OLD))
    assert read() == file.read_text()


def test_replaced_file_is_read(folder: Path, read: Callable[[], str]) -> None:
    read()
    other = folder.parent / "other"
    other.write_text("two")
    other.replace(folder / "tasks" / "main.yml")
    assert read() == "two"


@pytest.mark.parametrize("change", ["new file", "new folder", "gone", "link"])
def test_added_and_removed_files_count(folder: Path, read: Callable[[], str], change: str) -> None:
    extra = folder / "vars.yml"
    extra.write_text("x")
    read()
    if change == "gone":
        extra.unlink()
    elif change == "link":
        (folder / "link.yml").symlink_to(extra)
    else:
        (folder / "files").mkdir()
        (folder / ("files/new" if change == "new folder" else "new")).write_text("x")
    role_cache._read_cache_entries.cache_clear()
    role_cache._file_states.cache_clear()
    with pytest.raises(AssertionError, match="read again"):
        role_cache.load_or_compute("a", lambda: [str(folder)], fail)


def test_change_within_a_tick_of_the_clock_is_not_remembered(
    folder: Path, read: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(role_cache, "UNSETTLED_NANOSECONDS", 10**12)
    read()
    assert not (folder.parent / "state").exists()


def test_folders_that_no_run_reads_and_broken_links_are_ignored(
    folder: Path, read: Callable[[], str]
) -> None:
    read()
    (folder / "checks").mkdir()
    (folder / "checks" / "test_inside.py").write_text("x")
    (folder / ".#main.yml").symlink_to("user@host.1234")
    role_cache._read_cache_entries.cache_clear()
    role_cache._file_states.cache_clear()
    assert role_cache.load_or_compute("a", lambda: [str(folder)], fail) == "one"


@pytest.mark.parametrize("content", ["", "[1]", "3", "null", '{"a": 1}', '{"a": {"folders": 4}}'])
def test_damaged_cache_is_replaced(folder: Path, read: Callable[[], str], content: str) -> None:
    read()
    [cache] = (folder.parent / "state").rglob("roles.json")
    cache.write_text(content)
    assert read() == "one"
    assert '"data": "one"' in cache.read_text()


def test_cache_that_cannot_be_written_stops_nothing(folder: Path, read: Callable[[], str]) -> None:
    (folder.parent / "state").write_text("a file")
    assert read() == "one"

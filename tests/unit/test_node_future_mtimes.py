"""A clock that was set back neither hides changed settings nor reloads them for ever."""

import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from receipt_samples import FakeAnsible, events_of, inputs, reason_text, run_context

from chautari.node import converge, current_resources, dry_run, future_mtimes, receipts
from chautari.node.changes_since_receipt import FUTURE, diff_resource

Data = dict[str, Any]
HOUR = 3600


def touch_at(file: Path, seconds: float) -> Path:
    """Write a file whose time lies `seconds` ahead of now."""
    if not file.is_symlink():
        file.parent.mkdir(exist_ok=True)
        file.write_text("x")
    then = time.time() + seconds
    os.utime(file, (then, then), follow_symlinks=False)
    return file


def item(folder: Path) -> Data:
    settings = [str(folder / "etc")]
    return {
        "kind": "reload_marker",
        "name": "x",
        "settings": settings,
        "marker": str(folder / "*.stamp"),
    }


def state(folder: Path) -> Data:
    [found] = current_resources.current_states([item(folder)])
    return found


def test_reload_marker_from_the_future_proves_nothing(tmp_path: Path) -> None:
    touch_at(tmp_path / "etc" / "a", -HOUR)
    touch_at(tmp_path / "x.stamp", HOUR)
    now = state(tmp_path)
    assert now == {"ok": False, "newer": [FUTURE]}
    [found] = diff_resource(item(tmp_path), {"ok": True, "newer": []}, now)
    assert reason_text(found).startswith("the clock was set back after the last reload")


def test_is_future_allows_for_a_coarse_clock(tmp_path: Path) -> None:
    touch_at(tmp_path / "etc" / "a", -HOUR)
    os.utime(tmp_path / "etc", (0, 0))
    touch_at(tmp_path / "x.stamp", 0.5)
    assert state(tmp_path) == {"ok": True, "newer": []}


def test_reset_future_mtimes_changes_only_future_times(tmp_path: Path) -> None:
    before = touch_at(tmp_path / "etc" / "old", -HOUR).stat().st_mtime_ns
    new, target = touch_at(tmp_path / "etc" / "new", HOUR), touch_at(tmp_path / "target", HOUR)
    (tmp_path / "etc" / "link").symlink_to(target)
    stamp, other = touch_at(tmp_path / "x.stamp", 2 * HOUR), touch_at(tmp_path / "other", HOUR)
    future_mtimes.reset_future_mtimes([{"kind": "path", "name": str(other)}, item(tmp_path)])
    assert (tmp_path / "etc" / "old").stat().st_mtime_ns == before
    assert all(file.stat().st_mtime <= time.time() for file in (new, target))
    assert (
        stamp.stat().st_mtime_ns,
        current_resources.is_future_time_ns(other.stat().st_mtime_ns),
    ) == (
        0,
        True,
    )
    stamp.touch()
    assert state(tmp_path) == {"ok": True, "newer": []}


def test_reset_future_mtimes_resets_a_dangling_link_itself(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "link").symlink_to("nowhere")
    touch_at(tmp_path / "etc" / "link", HOUR)
    future_mtimes.reset_future_mtimes([item(tmp_path)])
    assert not current_resources.is_future_time_ns((tmp_path / "etc" / "link").lstat().st_mtime_ns)


@pytest.mark.parametrize(("written", "loaded"), [(HOUR, 2 * HOUR), (HOUR, -1), (-HOUR, HOUR)])
def test_role_reloads_once_after_the_clock_was_set_back(
    written: float, loaded: float, tmp_path: Path
) -> None:
    touch_at(tmp_path / "etc" / "a", -2 * HOUR)
    touch_at(tmp_path / "x.stamp", -HOUR)
    os.utime(tmp_path / "etc", (0, 0))
    reloads: list[str] = []

    def role() -> None:
        """Reload settings that are newer than the marker, then touch it, as roles do."""
        argv = ["find", tmp_path / "etc", "-newer", tmp_path / "x.stamp"]
        if new := subprocess.run(argv, capture_output=True, text=True, check=True).stdout:
            reloads.append(new)
            (tmp_path / "x.stamp").touch()

    roles = [inputs("a", items=[item(tmp_path)])]
    there = run_context(tmp_path, roles, FakeAnsible(tmp_path / "memory", {"a": role}))
    assert converge.converge(there, full=False) == 0
    assert (reloads, receipts.roles_to_run(there.state, roles)) == ([], {})
    touch_at(tmp_path / "etc" / "a", written)
    touch_at(tmp_path / "x.stamp", loaded)
    assert converge.converge(there, full=False) == 0
    assert (len(reloads), receipts.roles_to_run(there.state, roles)) == (1, {})
    assert events_of(tmp_path, "receipt_incomplete") == []


def test_plan_changes_no_times(tmp_path: Path) -> None:
    touch_at(tmp_path / "etc" / "a", HOUR)
    stamp = touch_at(tmp_path / "x.stamp", HOUR)
    roles = [inputs("a", items=[item(tmp_path)])]
    there = run_context(tmp_path, roles, FakeAnsible(tmp_path / "memory", {}))
    dry_run.report_dry_run(there, full=False, last_lines=list)
    assert current_resources.is_future_time_ns(stamp.stat().st_mtime_ns)

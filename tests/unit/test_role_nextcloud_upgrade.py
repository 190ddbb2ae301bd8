"""The change of Nextcloud's release ends on the old release or the new one, complete."""

from __future__ import annotations

import errno
import io
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from nextcloud_upgrade_node import (
    MIDDLE,
    NEW,
    OLD,
    SHA,
    Killed,
    SimulatedNode,
    count_file_moments,
    make_app,
    make_journal,
    make_node,
    make_release,
)
from region_samples import ROOT

# isort: split
import change
import commands
import journal
import kept
import safety_copy
import texts


@pytest.fixture(autouse=True)
def _fast_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for no disk: the tests kill the program hundreds of times."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
    monkeypatch.setattr(safety_copy, "RESERVE_BYTES", 1000)


@pytest.fixture
def node(tmp_path: Path) -> SimulatedNode:
    return make_node(tmp_path)


def upgrade(node: SimulatedNode, *versions: str) -> dict[str, Any]:
    return change.run_change(node, make_journal(node, versions or (MIDDLE, NEW)))


def assert_is_new(node: SimulatedNode) -> None:
    assert not node.reserve.exists()
    assert node.current.readlink().name.startswith(NEW)
    assert node.config_of() == {"version": NEW + ".1", "maintenance": False}
    assert node.contents["nextcloud"] == {
        "rows": ["a share", f"migrated to {MIDDLE}", f"migrated to {NEW}"],
        "apps": {"files": "yes", "calendar": '["staff"]'},
    }
    assert (node.apps / "calendar/code.php").read_text() == "new code"
    assert (node.pins / "calendar").read_text() == "new\n"
    assert (node.data / "ana/file.txt").read_text() == "content"
    assert not node.notice.exists() and not node.journal.exists()


def assert_is_old(node: SimulatedNode, before: dict[str, Any]) -> None:
    assert not node.reserve.exists()
    assert node.snapshot() == before
    assert set(node.contents) == {"nextcloud"}
    assert not node.notice.exists() and not node.journal.exists()
    assert not list(kept.copies_folder(node).glob("*"))
    assert not list(node.data.glob(".chautari*"))


def test_upgrade_climbs_the_ladder_and_keeps_a_safety_copy(node: SimulatedNode) -> None:
    before = node.snapshot()
    result = upgrade(node)
    assert result["outcome"] == "done", result
    assert_is_new(node)
    [copy] = kept.recorded_copies(node).values()
    assert node.contents[copy["database"]] == before["database"]
    assert [step["version"] for step in result["steps"]] == [MIDDLE, NEW]
    assert texts.result_text(result).startswith(f"Nextcloud was upgraded from {OLD} to {NEW}.")


def test_upgrade_shows_the_notice_and_stops_jobs_before_the_copy(node: SimulatedNode) -> None:
    upgrade(node)
    order = [
        "systemctl stop nextcloud-cron.timer", "systemctl reload", "nextcloud-maintenance on",
        "CREATE DATABASE", f"{MIDDLE} occ upgrade", f"{NEW} occ upgrade",
        "nextcloud-maintenance off", f"{NEW} occ app:enable --groups=staff calendar",
        f"{NEW} occ db:add-missing-indices", "systemctl start --no-block nextcloud-cron.timer",
    ]  # fmt: skip
    places = [
        next(number for number, text in enumerate(node.commands) if part in text) for part in order
    ]
    assert places == sorted(places)


@pytest.mark.parametrize(
    "part",
    [
        "systemctl stop", "systemctl reload", "nextcloud-maintenance on", "CREATE DATABASE",
        "cp -a", f"{MIDDLE} occ upgrade", f"{NEW} occ upgrade", "db:add-missing-indices",
        "app:enable", "nextcloud-maintenance off",
    ],
)  # fmt: skip
def test_failed_step_ends_on_the_old_release(node: SimulatedNode, part: str) -> None:
    before = node.snapshot()
    node.failing_once = part
    result = upgrade(node)
    assert result["outcome"] == "undone", result
    assert_is_old(node, before)
    text = texts.result_text(result)
    assert f"The old version {OLD} serves again with all data." in text and "Fix: " in text


def test_release_that_answers_with_errors_is_undone(node: SimulatedNode) -> None:
    before = node.snapshot()
    node.broken_pages = {NEW}
    result = upgrade(node)
    assert (result["outcome"], result["problem"]["code"]) == ("undone", "page_failed")
    assert_is_old(node, before)


def test_undo_never_runs_a_release(node: SimulatedNode) -> None:
    node.broken_pages = {NEW}
    upgrade(node)
    _, undo = [
        number for number, text in enumerate(node.commands) if text.startswith("systemctl stop")
    ]
    assert node.commands[undo + 1 :]
    assert not [text for text in node.commands[undo:] if " occ " in f" {text}"]


def count_moments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    with monkeypatch.context() as patch:
        node = make_node(tmp_path / "count")
        count_file_moments(patch, node)
        assert upgrade(node)["outcome"] == "done"
    return node.moments


def kill_upgrade_at(node: SimulatedNode, moment: int, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Return whether the upgrade was killed."""
    made = make_journal(node)
    with monkeypatch.context() as patch:
        count_file_moments(patch, node)
        node.kill_at = moment
        try:
            change.run_change(node, made)
        except Killed:
            return True
        finally:
            node.kill_at = 0
    return False


def test_kill_at_every_moment_ends_on_one_release(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends = {"old": 0, "new": 0}
    for moment in range(1, 1000):
        folder = tmp_path / str(moment)
        node = make_node(folder)
        before = node.snapshot()
        if not kill_upgrade_at(node, moment, monkeypatch):
            break
        assert commands.recover(node) == 0, moment
        if node.current.readlink().name.startswith(NEW):
            assert_is_new(node)
            ends["new"] += 1
        else:
            assert_is_old(node, before)
            ends["old"] += 1
        shutil.rmtree(folder)
    assert ends["old"] > 50 and ends["new"] > 5


@pytest.mark.parametrize("share", [0.5, 0.85])
def test_kill_at_every_moment_of_the_recovery_ends_on_one_release(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: float
) -> None:
    first = int(count_moments(tmp_path, monkeypatch) * share)
    for moment in range(1, 500):
        folder = tmp_path / str(moment)
        node = make_node(folder)
        before = node.snapshot()
        kill_upgrade_at(node, first, monkeypatch)
        with monkeypatch.context() as patch:
            count_file_moments(patch, node)
            node.moments, node.kill_at = 0, moment
            try:
                commands.recover(node)
                killed = False
            except Killed:
                killed = True
        node.kill_at = 0
        assert commands.recover(node) == 0
        if node.current.readlink().name.startswith(NEW):
            assert_is_new(node)
        else:
            assert_is_old(node, before)
        shutil.rmtree(folder)
        if not killed:
            break
    assert moment > 5


def test_undo_that_fails_keeps_the_notice_and_is_repeated(
    node: SimulatedNode, capsys: pytest.CaptureFixture[str]
) -> None:
    before = node.snapshot()
    node.failing = {f"{NEW} occ upgrade": "broken", "BEGIN": "no connection"}
    with pytest.raises(change.UpgradeProblem):
        upgrade(node)
    assert node.notice.exists()
    assert commands.recover(node) == 1
    assert "could not be completed" in json.loads(capsys.readouterr().out)["text"]
    node.failing = {}
    assert commands.recover(node) == 0
    assert_is_old(node, before)
    result = commands.read_result(node)
    assert result and result["problem"]["code"] == "migration_failed"


def test_apps_that_are_not_ready_stop_the_upgrade(node: SimulatedNode) -> None:
    before = node.snapshot()
    made = make_journal(node)
    made.apps = []
    make_app(node.apps / "bbb", 32, 33, "code")
    shutil.rmtree(node.apps / "bbb" / "appinfo")
    result = change.run_change(node, made)
    assert result["outcome"] == "refused"
    text = texts.result_text(result)
    assert "do not support Nextcloud 34.0.1: calendar (up to 33)" in text
    assert "Nothing was changed." in text
    shutil.rmtree(node.apps / "bbb")
    assert_is_old(node, before)


@pytest.mark.parametrize(
    ("part", "code"),
    [("php -l", "release_broken"), ("occ status", "release_silent")],
)
def test_release_that_cannot_start_is_refused(node: SimulatedNode, part: str, code: str) -> None:
    before = node.snapshot()
    node.failing = {part: "Parse error"}
    result = upgrade(node)
    assert (result["outcome"], result["problem"]["code"]) == ("refused", code)
    assert not any("systemctl" in text for text in node.commands)
    assert_is_old(node, before)


def test_release_that_lacks_files_is_refused(node: SimulatedNode) -> None:
    (node.root / "releases" / f"{NEW}-{SHA[:8]}" / "occ").unlink()
    result = upgrade(node)
    assert result["problem"] == {
        "code": "release_incomplete", "data": {"version": NEW, "files": ["occ"]},
    }  # fmt: skip


def test_ladder_is_read_from_the_release(node: SimulatedNode) -> None:
    result = upgrade(node, NEW)
    assert result["problem"] == {
        "code": "not_upgradable",
        "data": {"version": NEW, "before": OLD, "accepted": ["33.0", "34.0"]},
    }
    assert "only over 33.0, 34.0, not over 32.0.2" in texts.result_text(result)


def test_missing_room_is_refused(node: SimulatedNode, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type(shutil.disk_usage("/"))(10**12, 10**12, 10_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    result = upgrade(node)
    assert result["problem"]["code"] == "no_room"
    assert "10 MB are free" in texts.result_text(result)


def test_failed_backup_stops_the_upgrade(node: SimulatedNode) -> None:
    node.backup.touch()
    node.failing = {"systemctl start chautari-backup": "target does not answer"}
    before = node.snapshot()
    result = upgrade(node)
    assert (result["outcome"], result["problem"]["code"]) == ("refused", "backup_failed")
    assert "the backup before the upgrade failed: target does not" in texts.result_text(result)
    assert_is_old(node, before)


def test_failed_backup_is_reported_with_its_reasons(node: SimulatedNode) -> None:
    node.backup.touch()
    node.failing = {"systemctl start chautari-backup": "Job for chautari-backup.service failed"}
    node.backup_reasons = "disk: No disk is mounted at /mnt/backup.\n"
    text = texts.result_text(upgrade(node))
    assert "backup before the upgrade failed: disk: No disk is mounted at /mnt/backup. N" in text


def test_next_upgrade_deletes_the_copy_before(node: SimulatedNode) -> None:
    upgrade(node, MIDDLE)
    made = make_journal(node, (NEW,))
    made.id = "33_0_3_2"
    made.old = {"version": MIDDLE, "path": str(node.current.readlink())}
    made.database = f"nextcloud_before_{made.id}"
    made.folder = str(kept.copies_folder(node) / made.id)
    assert change.run_change(node, made)["outcome"] == "done"
    assert set(node.contents) == {"nextcloud", made.database}
    assert [folder.name for folder in kept.recorded_copies(node)] == [made.id]


def test_prune_keeps_a_copy_for_a_week(node: SimulatedNode) -> None:
    upgrade(node)
    assert kept.prune(node, now=6 * 86400) == []
    assert kept.prune(node, now=8 * 86400) == [OLD]
    assert set(node.contents) == {"nextcloud"}
    assert not list(kept.copies_folder(node).glob("*"))


def test_unreadable_journal_changes_nothing(
    node: SimulatedNode, capsys: pytest.CaptureFixture[str]
) -> None:
    node.journal.write_text('{"format": 2}')
    before = node.snapshot()
    assert commands.recover(node) == 1
    assert node.snapshot() == before
    assert "another format" in capsys.readouterr().out


def test_report_tells_a_recovery_once(
    node: SimulatedNode, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kill_upgrade_at(node, 60, monkeypatch)
    assert commands.report(node) == 0
    assert "it was interrupted" in json.loads(capsys.readouterr().out)["text"]
    assert commands.report(node) == 0
    assert capsys.readouterr().out == ""


def test_plan_names_the_way_and_apps_that_are_not_ready(
    node: SimulatedNode, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    request = {"installed": OLD, "ladder": [MIDDLE, NEW], "apps": []}
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(request)))
    before = node.snapshot()
    assert commands.plan(node) == 0
    text = capsys.readouterr().out
    assert f"{OLD} → {MIDDLE} → {NEW}" in text and "calendar (up to 33)" in text
    assert node.snapshot() == before


def test_journal_round_trip(node: SimulatedNode) -> None:
    made = make_journal(node)
    made.save(node.journal)
    assert journal.load(node.journal) == made


@pytest.mark.parametrize(
    ("value", "groups"), [("yes", []), ('["a","b"]', ["a", "b"]), ("{", []), ("1", [])]
)
def test_groups_of_an_enabled_app(value: str, groups: list[str]) -> None:
    assert change.groups_of(value) == groups


def test_back_puts_the_safety_copy_back(
    node: SimulatedNode, capsys: pytest.CaptureFixture[str]
) -> None:
    before = node.snapshot()
    upgrade(node)
    assert commands.back(node) == 0
    assert f"Nextcloud {OLD} runs again instead of {NEW}" in capsys.readouterr().out
    assert_is_old(node, before)
    assert commands.back(node) == 1


def test_app_that_is_not_ready_does_not_stop_a_point_release(node: SimulatedNode) -> None:
    make_app(node.apps / "forced", 20, 25, "code")
    node.contents["nextcloud"]["apps"]["forced"] = "yes"
    make_release(node, "32.0.3")
    assert upgrade(node, "32.0.3")["outcome"] == "done"


def test_undo_follows_no_link_of_the_account_of_php(node: SimulatedNode, tmp_path: Path) -> None:
    """The account could point a name at a file of root's, to read or to overwrite it."""
    (tmp_path / "secret").write_text("of root")
    (node.config / "link.php").symlink_to(tmp_path / "secret")
    (node.data / ".ncdata").symlink_to(tmp_path / "secret")
    (node.config / "config.php.new").symlink_to(tmp_path / "secret")
    node.broken_pages = {NEW}
    assert upgrade(node)["outcome"] == "undone"
    assert (tmp_path / "secret").read_text() == "of root"
    assert (node.config / "link.php").is_symlink()
    assert (node.data / ".ncdata").is_symlink()
    assert node.config_of()["version"] == OLD + ".1"


def test_result_names_apps_that_the_new_release_no_longer_has(node: SimulatedNode) -> None:
    make_app(node.root / "releases" / f"{OLD}-{SHA[:8]}" / "apps/old", 32, 32, "shipped")
    node.contents["nextcloud"]["apps"]["old"] = "yes"
    node.loses = "old"
    result = upgrade(node)
    assert result["lost_apps"] == ["old"]
    assert texts.result_text(result).endswith("does not have these apps: old.")


def test_full_disk_ends_on_the_old_release(
    node: SimulatedNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reserve leaves room for the journal, as soon as the undo deletes it."""
    before = node.snapshot()
    save = journal.Journal.save

    def save_with_room(made: journal.Journal, file: Path) -> None:
        if made.state == "proving" or (made.state == "undoing" and node.reserve.exists()):
            raise OSError(errno.ENOSPC, "No space left on device")
        save(made, file)

    monkeypatch.setattr(journal.Journal, "save", save_with_room)
    result = upgrade(node)
    assert "No space left on device" in texts.result_text(result)
    assert_is_old(node, before)


def test_safety_copy_does_not_count_as_a_change_by_hand() -> None:
    probe = (ROOT / "roles/postgresql/probes/databases").read_text()
    pattern = re.search(r"datname !~ '([^']+)'", probe)
    assert pattern is not None
    for name in (f"nextcloud_before_{journal.new_id(OLD)}", "nextcloud_restore_20261129t230000"):
        assert re.search(pattern[1], name)
    assert not re.search(pattern[1], "nextcloud")

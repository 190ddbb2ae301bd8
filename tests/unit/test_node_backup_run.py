"""What a backup does around borg: pauses, preconditions, results, the watch."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from backup_samples import settings
from region_samples import ROOT

from chautari.node.backup import (
    borg,
    check,
    feed,
    preconditions,
    repository,
    retention,
    run,
    state_file,
    watch,
)
from chautari.node.backup.errors import BackupError, raise_all
from chautari.node.backup.feed import BLOCK, BorgCreate
from chautari.node.backup.manifest import FolderSpec, StateSpec
from chautari.node.backup.services import Pause

NEXTCLOUD = StateSpec("nextcloud", pause=("/pause", "cloud"), resume=("/resume", "cloud"))
POLLS = StateSpec("polls", pause=("/pause", "polls"), resume=("/resume", "polls"))
PORTAL = StateSpec("portal")


class Commands:
    """Remembers the commands of services, and lets those that contain `failing` fail."""

    def __init__(self, failing: str = "nothing") -> None:
        self.calls: list[str] = []
        self.failing = failing

    def __call__(self, command: Sequence[str]) -> str:
        self.calls.append(" ".join(command))
        return "it hangs" if self.failing in self.calls[-1] else ""


def test_services_pause_in_order_and_resume_in_reverse(tmp_path: Path) -> None:
    commands, journal = Commands(), tmp_path / "paused.json"
    pause = Pause(journal, commands)
    pause.pause([NEXTCLOUD, PORTAL, POLLS])
    assert [item["name"] for item in json.loads(journal.read_text())] == ["nextcloud", "polls"]
    pause.resume()
    assert commands.calls == ["/pause cloud", "/pause polls", "/resume polls", "/resume cloud"]
    assert not journal.exists() and pause.seconds > 0
    pause.resume()
    assert len(commands.calls) == 4


def test_killed_pause_is_ended_by_the_next_start(tmp_path: Path) -> None:
    Pause(tmp_path / "paused.json", Commands()).pause([NEXTCLOUD])
    commands = Commands()
    Pause(tmp_path / "paused.json", commands).resume()
    assert commands.calls == ["/resume cloud"]


def test_service_that_does_not_pause_resumes_all(tmp_path: Path) -> None:
    commands = Commands(failing="/pause polls")
    with pytest.raises(BackupError, match="pause_failed"):
        Pause(tmp_path / "paused.json", commands).pause([NEXTCLOUD, POLLS])
    assert commands.calls[-2:] == ["/resume polls", "/resume cloud"]


def test_service_that_does_not_resume_is_tried_again_and_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    journal, commands = tmp_path / "paused.json", Commands(failing="/resume cloud")
    pause = Pause(journal, commands)
    pause.pause([NEXTCLOUD, POLLS])
    with pytest.raises(BackupError, match="resume_failed"):
        pause.resume()
    assert commands.calls.count("/resume cloud") == 3 and "/resume polls" in commands.calls
    assert journal.exists()


def problems(tmp_path: Path, *folders: FolderSpec, fstab: str = "") -> list[str]:
    (tmp_path / "fstab").write_text(fstab)
    found = preconditions.state_problems([StateSpec("cloud", folders)], tmp_path / "fstab")
    return [f"{error.code} {error.data['path']}" for error in found]


def test_missing_and_empty_folders_are_refused_by_name(tmp_path: Path) -> None:
    empty, full = tmp_path / "empty", tmp_path / "full"
    empty.mkdir()
    full.mkdir()
    (full / "x").touch()
    found = [FolderSpec(str(path)) for path in (empty, full, tmp_path / "lost")]
    assert problems(tmp_path, *found) == [
        f"folder_empty {empty}", f"folder_missing {tmp_path}/lost",
    ]  # fmt: skip
    assert problems(tmp_path, FolderSpec(str(empty), (), True)) == []


def test_file_system_of_fstab_that_is_not_mounted_is_refused(tmp_path: Path) -> None:
    data = tmp_path / "srv" / "data"
    data.mkdir(parents=True)
    (data / "x").touch()
    for mount in (tmp_path / "srv", data, data / "files"):
        text = f"# disks\nUUID=1 {mount} ext4 defaults 0 2\nUUID=2 /elsewhere ext4 noauto 0 2\n"
        assert problems(tmp_path, FolderSpec(str(data)), fstab=text) == [f"not_mounted {mount}"]
    other = f"UUID=1 {tmp_path}/srv-other ext4 defaults 0 2\nUUID=2 / ext4 defaults 0 1\n"
    assert problems(tmp_path, FolderSpec(str(data)), fstab=other) == []


def test_unmounted_disk_is_refused(tmp_path: Path) -> None:
    target = settings(tmp_path).target("disk")
    (tmp_path / "disk").mkdir()
    with pytest.raises(BackupError, match="disk_not_mounted"):
        preconditions.require_mounted_writable_disk(target)
    assert preconditions.is_mounted(Path("/proc")) and not preconditions.is_mounted(tmp_path)


def test_backup_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    found = settings(tmp_path)
    (tmp_path / "disk" / "andes").mkdir(parents=True)
    disk, peer = found.target("disk"), found.target("himalaya")
    preconditions.check_target_room(disk, 1000, (0, 0), is_first=True)
    with pytest.raises(BackupError, match="no_room"):
        preconditions.check_target_room(disk, 1 << 60, (0, 0), is_first=True)
    preconditions.check_target_room(peer, 40, (100, 50), is_first=False)
    with pytest.raises(BackupError, match="quota_too_small"):
        preconditions.check_target_room(peer, 60, (100, 50), is_first=False)
    # What an interrupted first backup stored is part of the next attempt.
    preconditions.check_target_room(peer, 60, (100, 50), is_first=True)
    with pytest.raises(BackupError, match="no_room_for_cache"):
        preconditions.check_cache_room(1 << 50, 1, tmp_path)


def test_all_problems_are_named_at_once() -> None:
    raise_all([])
    first, second = BackupError("folder_empty", path="/a"), BackupError("folder_missing", path="/b")
    with pytest.raises(BackupError) as found:
        raise_all([first, second])
    assert found.value.as_object()["code"] == "several"
    assert [item["code"] for item in found.value.data["problems"]] == [  # type: ignore[attr-defined]
        "folder_empty", "folder_missing",
    ]  # fmt: skip


def test_only_one_run_holds_the_lock(tmp_path: Path) -> None:
    with (
        run.hold_lock(tmp_path / "lock"),
        pytest.raises(BackupError, match="already_running"),
        run.hold_lock(tmp_path / "lock"),
    ):
        pass
    with run.hold_lock(tmp_path / "lock"):
        pass


def test_results_survive_a_damaged_file_and_removed_targets(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_text("{")
    state_file.update_target("disk", path, last_success=5)
    state_file.update_target("himalaya", path, error={"code": "no_room", "data": {}})
    assert path.stat().st_mode & 0o777 == 0o644
    state_file.forget_other_targets(["disk"], path)
    found = state_file.read_state(path)
    assert list(found["targets"]) == ["disk"] and found["targets"]["disk"]["last_success"] == 5


def test_date_of_a_good_drill_is_published(tmp_path: Path) -> None:
    state, proof = tmp_path / "state.json", tmp_path / "proof.json"
    state_file.record_drill({"ok": False, "time": 5}, state, proof)
    assert not proof.exists()
    state_file.record_drill({"ok": True, "time": 7}, state, proof)
    assert json.loads(proof.read_text()) == {"restored": 7}
    assert state_file.read_state(state)["drill"] == {"ok": True, "time": 7}


@pytest.mark.parametrize(("sent", "attempts"), [([0] * 12, 12), ([9 << 20] * 20 + [0] * 12, 31)])
def test_lost_connection_is_retried_while_data_arrives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sent: list[int], attempts: int
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    place = run.ProgramFolders(tmp_path)
    events = run.EventWriter(tmp_path / "events.jsonl")
    one = run.TargetRun(settings(tmp_path), settings(tmp_path).targets[0], events, place, Pause())
    waiting = list(sent)

    def fail() -> None:
        one._numbers = (0, 0, waiting.pop(0))
        raise BackupError("connection_lost")

    monkeypatch.setattr(one, "_attempt_backup", fail)
    error = one.attempt_until_success()
    assert error is not None and error.code == "connection_lost"
    assert len(sent) - len(waiting) == attempts
    assert one._is_retry  # so that borg makes close checkpoints


@pytest.mark.parametrize(("code", "tried"), [("interrupted", 1), ("no_room", 2)])
def test_one_failed_target_does_not_stop_the_others_but_systemd_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, tried: int
) -> None:
    calls: list[str] = []

    def fail(one: run.TargetRun) -> None:
        calls.append(one._target.name)
        raise BackupError(code)

    monkeypatch.setattr(run.TargetRun, "_attempt_backup", fail)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "x").touch()
    events, found = run.EventWriter(tmp_path / "events.jsonl"), settings(tmp_path)
    pause = Pause(tmp_path / "paused.json", Commands())
    assert not run.back_up(found, events, run.ProgramFolders(tmp_path), pause, found.targets)
    assert len(calls) == tried
    known = state_file.read_state(tmp_path / "state.json")
    assert [item["error"]["code"] for item in known["targets"].values()] == [code, code]
    last = json.loads((tmp_path / "events.jsonl").read_text().splitlines()[-1])
    assert (last["event"], last["ok"], last["error"]["code"]) == ("finished", False, code)


def test_node_without_a_target_has_no_backup(tmp_path: Path) -> None:
    found = settings(tmp_path, targets=[])
    pause = Pause(tmp_path / "paused.json", Commands())
    events = run.EventWriter(tmp_path / "events.jsonl")
    assert not run.back_up(found, events, run.ProgramFolders(tmp_path), pause, ())
    assert "no_targets" in (tmp_path / "events.jsonl").read_text()


@pytest.mark.parametrize(("code", "text", "found"), [
    (0, "", None),
    (1, "Segment entry checksum mismatch [segment 262, offset 49]", "check_failed"),
    (2, "x is not a valid repository", "check_failed"),
])  # fmt: skip
def test_check_that_borg_ends_with_a_warning_found_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, text: str, found: str | None
) -> None:
    program = tmp_path / "borg"
    line = json.dumps({"type": "log_message", "levelname": "ERROR", "message": text})
    program.write_text(f"#!/bin/sh\necho '{line}' >&2\nexit {code}\n")
    program.chmod(0o755)
    monkeypatch.setattr(borg, "BORG", str(program))
    all_settings = settings(tmp_path)
    healthy = check.check_repositories(
        all_settings.with_targets((all_settings.target("himalaya"),)), [], tmp_path
    )
    known = state_file.read_state(tmp_path / "state.json")["targets"]["himalaya"]
    assert healthy is (found is None) and known["check_ok"] is healthy
    assert found is None or text in known["check_error"]["reason"]


def fake_borg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, archives: list[str]) -> Path:
    """Let borg list `archives` of a repository; return the list of calls."""
    items = [{"name": name, "start": f"{name[5:24]}.000000"} for name in archives]
    answer = json.dumps({"repository": {"id": "a1"}, "archives": items})
    program, calls = tmp_path / "borg", tmp_path / "calls"
    program.write_text(f"#!/bin/sh\necho \"$*\" >>{calls}\necho '{answer}'\n")
    program.chmod(0o755)
    monkeypatch.setattr(borg, "BORG", str(program))
    return calls


def test_repository_is_opened_and_pruned_with_few_calls_of_borg(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    complete, half = "bog1-2026-11-30T02:30:11Z", "bog1-2026-11-29T02:30:11Z.checkpoint"
    calls = fake_borg(tmp_path, monkeypatch, [complete, half])
    given = settings(tmp_path), settings(tmp_path).target("himalaya")
    found = repository.open_repository(*given, "a1", tmp_path)
    assert (found.id, found.is_new) == ("a1", False)
    assert [item["name"] for item in found.archives] == [half, complete]
    retention.prune_archives(*given, found.archives, tmp_path)
    words = [line.split()[3] for line in calls.read_text().splitlines()]
    assert words == ["list", "delete", "prune"]  # a peer compacts itself
    assert f"delete :: {half}\n" in calls.read_text()
    with pytest.raises(BackupError, match="repository_replaced"):
        repository.open_repository(*given, "b2", tmp_path)


def test_archive_from_the_future_stops_the_removal_of_old_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = fake_borg(tmp_path, monkeypatch, ["bog1-2099-11-30T02:30:11Z"])
    given = settings(tmp_path), settings(tmp_path).target("himalaya")
    found = repository.open_repository(*given, None, tmp_path)
    with pytest.raises(BackupError, match="archive_from_future"):
        retention.prune_archives(*given, found.archives, tmp_path)
    assert "prune" not in calls.read_text()


NOW = 1_796_000_000.0
HOUR = 3600


@pytest.fixture
def mails(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    monkeypatch.setattr(
        watch, "send_mail", lambda m: found.append(f"{m['Subject']}\n{m.get_content()}")
    )
    monkeypatch.setattr(watch, "uptime", lambda: 1e6)
    return found


def look(tmp_path: Path, hours: float) -> int:
    return watch.mail_new_problems(settings(tmp_path), tmp_path, NOW + hours * HOUR)


def remember(tmp_path: Path, hours: float, *names: str, **values: Any) -> None:
    for name in names or ("disk", "himalaya"):
        moment = int(NOW + hours * HOUR)
        state_file.update_target(name, tmp_path / "state.json", last_success=moment, **values)


def test_missing_backups_are_mailed_once_a_day_and_once_when_they_are_back(
    tmp_path: Path, mails: list[str]
) -> None:
    assert look(tmp_path, 0) == 0
    remember(tmp_path, 1)
    assert look(tmp_path, 26) == 0 and mails == []
    remember(tmp_path, 25, "disk")
    state_file.update_target(
        "himalaya", tmp_path / "state.json", error={"code": "target_unreachable", "data": {}}
    )
    assert [look(tmp_path, hour) for hour in (28, 29, 40)] == [1, 1, 1]
    assert len(mails) == 1
    assert mails[0].startswith("bog1 (andes): backups need attention")
    assert "himalaya: no backup succeeded since 20" in mails[0] and "disk:" not in mails[0]
    assert "does not answer" in mails[0] and "deploy backup andes" in mails[0]
    look(tmp_path, 53)
    assert len(mails) == 2
    remember(tmp_path, 54)
    assert [look(tmp_path, hour) for hour in (54, 55)] == [0, 0]
    assert len(mails) == 3 and "backups work again" in mails[2]


def test_damage_and_files_left_out_are_mailed_although_backups_succeed(
    tmp_path: Path, mails: list[str]
) -> None:
    look(tmp_path, 0)
    remember(tmp_path, 0, "disk", check_ok=False)
    left_out = {"code": "files_left_out", "data": {"count": 1, "paths": ["/srv/a"]}}
    remember(tmp_path, 0, "himalaya", error=left_out)
    assert look(tmp_path, 1) == 1
    assert "found damage" in mails[0] and "/srv/a" in mails[0]


def test_machine_that_just_started_is_given_time(
    tmp_path: Path, mails: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    remember(tmp_path, -100)
    monkeypatch.setattr(watch, "uptime", lambda: 600.0)
    assert look(tmp_path, 0) == 0 and mails == []


# Reads paths as borg does: see `iter_separated` and `do_create` in borg's archiver.
READER = f"""
import io, json, os, sys
pipe = io.TextIOWrapper(sys.stdin.buffer, errors="surrogateescape", encoding="utf-8")
part, found = "", []
while block := pipe.read({BLOCK}):
    *full, part = (part + block).split("\\0")
    for path in full:
        name = os.path.normpath(path)
        content = open(name, "rb").read().decode() if os.path.exists(name) else ""
        found.append([name, content])
print(json.dumps(found))
"""


def start(tmp_path: Path, program: str = READER) -> BorgCreate:
    return BorgCreate([sys.executable, "-c", program], {"LC_ALL": "C.UTF-8"}, tmp_path)


def test_gate_opens_when_everything_before_is_read(tmp_path: Path) -> None:
    create = start(tmp_path)
    for number in range(500):
        create.feed_path(f"/srv/नमस्ते/{number}".encode() + b"\xff")
    create.store_content(tmp_path / "first", b"1" * 200_000)
    create.feed_path(b"/srv/last")
    code = create.store_program_output(
        tmp_path / "dump", lambda end: subprocess.Popen(["printf", "rows"], stdout=end)
    )
    create.store_content(tmp_path / "third", b"")
    assert code == 0
    found: Any = create.finish()
    assert len(found) == 504
    assert dict(found)[str(tmp_path / "dump")] == "rows"
    assert len(dict(found)[str(tmp_path / "first")]) == 200_000


def test_borg_that_ends_early_is_reported_and_not_waited_for(tmp_path: Path) -> None:
    message = {"levelname": "ERROR", "msgid": "LockTimeout", "message": "x"}
    create = start(
        tmp_path, f"import sys; sys.exit(print({json.dumps(message)!r}, file=sys.stderr) or 2)"
    )
    with pytest.raises(BackupError, match="repository_locked"):
        create.store_content(tmp_path / "gate", b"")
    create.abort()


def test_killed_program_gives_borg_no_end_of_its_input(tmp_path: Path) -> None:
    """At the end of its input, borg would store half an archive."""
    reader = f"import sys; sys.stdin.buffer.read(); open({str(tmp_path / 'end')!r}, 'w')"
    program = f"""
import os, pathlib, signal, sys
from chautari.node.backup.feed import BorgCreate
create = BorgCreate(
    [sys.executable, "-c", {reader!r}], {{}}, pathlib.Path({str(tmp_path)!r})
)
create.feed_path(b"/srv/a")
pathlib.Path({str(tmp_path / "pid")!r}).write_text(str(create._process.pid))
os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONPATH": str(ROOT / "tool")}, check=False
    )
    time.sleep(0.5)
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
    assert not (tmp_path / "end").exists()


def test_stalled_borg_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "STALLED_SECONDS", -1)
    monkeypatch.setattr(feed, "WATCH_SECONDS", 0.05)
    create = start(tmp_path, "import time; time.sleep(60)")
    with pytest.raises(BackupError, match="stalled"):
        create.store_content(tmp_path / "gate", b"")


def test_quota_that_is_too_small_ends_borg_at_once(tmp_path: Path) -> None:
    line = {"levelname": "INFO", "message": "Storage quota: 0 B out of 50.00 MB used."}
    program = f"import sys, time; print({json.dumps(line)!r}, file=sys.stderr); time.sleep(60)"

    def refuse(quota: int, used: int) -> None:
        raise BackupError("quota_too_small", free=quota - used)

    create = BorgCreate([sys.executable, "-uc", program], {}, tmp_path, check_quota=refuse)
    with pytest.raises(BackupError, match=r"quota_too_small.*50000000"):
        create.store_content(tmp_path / "gate", b"")


def test_progress_of_borg_is_passed_on(tmp_path: Path) -> None:
    line = {"type": "archive_progress", "nfiles": 3, "original_size": 9, "deduplicated_size": 4}
    program = f"import sys; print({json.dumps(line)!r}, file=sys.stderr); print('{{}}')"
    found: list[tuple[int, int, int]] = []
    create = BorgCreate(
        [sys.executable, "-c", program], dict(os.environ), tmp_path, lambda *n: found.append(n)
    )
    assert create.finish() == {} and found == [(3, 9, 4)]

"""Opening a repository: one of a lost machine, one with a quota, and one that was replaced."""

from __future__ import annotations

from pathlib import Path

import pytest
from backup_samples import settings

from chautari.node.backup import borg, run, state_file
from chautari.node.backup.errors import BackupError
from chautari.node.backup.services import Pause


@pytest.mark.parametrize(
    ("is_new", "archives", "known", "restores", "refused"),
    [
        (False, 1, {}, [], True),
        (False, 1, {}, ["damaged", '{"ok": false}', "[]"], True),
        (False, 1, {}, ['{"ok": true}'], False),
        (True, 0, {}, [], False),
        # A first run that was interrupted, and a machine that stored there before.
        (False, 0, {}, [], False),
        (False, 1, {"repository_id": "a1"}, [], False),
        (False, 1, {"last_success": 7}, [], False),
    ],
)
def test_new_machine_is_not_stored_over_a_lost_one_that_was_not_restored(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    is_new: bool,
    archives: int,
    known: dict[str, object],
    restores: list[str],
    refused: bool,
) -> None:
    place = run.ProgramFolders(tmp_path, restores=tmp_path / "history")
    place.restores.mkdir()
    for number, text in enumerate(restores):
        (place.restores / f"{number}.json").write_text(text)
    found = settings(tmp_path)
    [target, *_] = found.targets
    state_file.update_target(target.name, place.state_file, **known)
    stored = [{"name": "bog1-2026-11-01T02:00:00Z"}] * archives
    opened = run.repository.Repository("a1", stored, is_new)
    monkeypatch.setattr("chautari.node.backup.repository.open_repository", lambda *_: opened)

    def stop(*_: object) -> None:
        raise BackupError("folder_empty")

    monkeypatch.setattr(run.TargetRun, "_list_files_and_sum_new_bytes", stop)
    events = run.EventWriter(tmp_path / "events.jsonl")
    for _ in range(2):  # what the first one remembers must not let the second one through
        one = run.TargetRun(found, target, events, place, Pause())
        error = one.record_end(one.attempt_until_success())
        assert error is not None
        assert error.code == ("not_restored" if refused else "folder_empty")
        kept = state_file.target_state(state_file.read_state(place.state_file), target.name)
        assert kept["repository_id"] == (None if refused else "a1")


def test_restore_ends_the_refusal_to_store_a_new_machine(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    assert not state_file.forget_errors("not_restored", path)
    assert not path.exists()
    for name, code in (("box", "not_restored"), ("disk", "disk_not_mounted")):
        state_file.update_target(name, path, error={"code": code}, last_attempt=7)
    state_file.update_target("himalaya", path, last_success=7)
    assert state_file.forget_errors("not_restored", path)
    targets = state_file.read_state(path)["targets"]
    assert [targets[name]["error"] for name in ("box", "disk", "himalaya")] == [
        None, {"code": "disk_not_mounted"}, None,
    ]  # fmt: skip
    assert targets["box"]["last_attempt"] == 7


def test_accepted_repository_is_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = settings(tmp_path)
    target = found.target("himalaya")
    repository = '{"repository": {"id": "b2"}, "archives": []}'
    answers = iter((repository, BackupError("repository_missing")))

    def call(*_: object, **__: object) -> tuple[str, None]:
        answer = next(answers)
        if isinstance(answer, BackupError):
            raise answer
        return answer, None

    monkeypatch.setattr(borg, "run_borg", call)
    assert run.repository.repository_id(found, target, tmp_path) == "b2"
    assert run.repository.repository_id(found, target, tmp_path) is None


# Borg with a server that has no repository yet, and says its quota at a transaction with --info.
BORG_WITH_QUOTA = """#!/bin/sh
echo "$*" >> {log}
say() {{
    echo '{{"type": "log_message", "levelname": "'$1'", "msgid": "'$2'", "message": "'"$3"'"}}' >&2
}}
case "$*" in
*--info*init*)
    touch {log}.made
    say INFO "" "Remote: Storage quota: 522 B out of 2.00 kB used." ;;
*list*)
    test -e {log}.made || {{ say ERROR Repository.DoesNotExist no; exit 2; }}
    echo '{{"repository": {{"id": "a1"}}, "archives": []}}' ;;
esac
"""


def test_first_backup_that_exceeds_the_quota_is_refused_before_it_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, log = tmp_path / "borg", tmp_path / "calls"
    program.write_text(BORG_WITH_QUOTA.format(log=log))
    program.chmod(0o755)
    monkeypatch.setattr(borg, "BORG", str(program))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "large").write_bytes(bytes(3000))
    found, place = settings(tmp_path), run.ProgramFolders(tmp_path, restores=tmp_path / "history")
    events = run.EventWriter(tmp_path / "events.jsonl")
    for _ in range(2):
        one = run.TargetRun(found, found.target("himalaya"), events, place, Pause())
        error = one.record_end(one.attempt_until_success())
        assert error is not None and error.code == "quota_too_small"
        assert error.data == {"target": "himalaya", "needed": 3000, "free": 2000}
    assert " create " not in log.read_text() and log.read_text().count(" init ") == 1

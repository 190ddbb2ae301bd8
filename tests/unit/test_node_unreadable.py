"""A path that nobody can look at is one difference among others, and never taken for unchanged."""

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest
from receipt_samples import (
    codes,
    inputs,
    node,
    path_item,
    reason_text,
    record,
    sealed,
    told,
    written,
)

from chautari.node import converge, drift, fingerprint, receipts
from chautari.node.differences import diff_resource
from chautari.node.fingerprint import path_state

Data = dict[str, Any]
LOOP = {"is": "unreadable", "why": "ELOOP", "ok": False}


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


def looped(folder: Path) -> None:
    """Put a link to itself where a folder is wanted."""
    if folder.exists():
        folder.rename(folder.with_name(f"{folder.name}.before"))
    folder.symlink_to(folder.name)


def failing(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def hashed(name: str, algorithm: str) -> str:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fingerprint, "_hash_file", hashed)


def test_path_below_a_loop_of_links_is_a_state_like_any_other(tmp_path: Path) -> None:
    looped(tmp_path / "etc")
    assert path_state(f"{tmp_path}/etc/x") == LOOP


def test_name_that_is_too_long_for_the_disk_is_a_state_like_any_other(tmp_path: Path) -> None:
    assert path_state(f"{tmp_path}/{'x' * 300}") == LOOP | {"why": "ENAMETOOLONG"}


@pytest.mark.parametrize("why", ["EIO", "ESTALE", "ENOTCONN", "EACCES"])
def test_file_whose_content_cannot_be_had_is_no_file_without_content(
    why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, getattr(errno, why))
    assert path_state(str(written(tmp_path / "x"))) == LOOP | {"why": why}


def test_what_vanishes_while_it_is_looked_at_is_absent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x").symlink_to("nowhere")
    gone = FileNotFoundError(errno.ENOENT, "gone")
    monkeypatch.setattr(os, "readlink", lambda _: (_ for _ in ()).throw(gone))
    assert path_state(str(tmp_path / "x")) == {"is": "absent"}
    failing(monkeypatch, errno.ENOENT)
    assert path_state(str(written(tmp_path / "y"))) == {"is": "absent"}


def test_role_of_such_a_path_runs_and_the_others_are_looked_at(state: Path, tmp_path: Path) -> None:
    lost, other = written(tmp_path / "etc" / "x"), written(tmp_path / "y")
    sealed(state, inputs("a"), record(path_item(lost)))
    sealed(state, inputs("b"), record(path_item(other)))
    looped(tmp_path / "etc")
    [(role, [why])] = receipts.roles_to_run(state, [inputs("a"), inputs("b")]).items()
    assert (role, why["code"], why["data"]["path"]) == ("a", "path_unreadable", str(lost))
    assert reason_text(why) == (
        f"{lost}: cannot be read (Too many levels of symbolic links); `stat {lost}` on the node "
        "says more"
    )
    assert reason_text(why) in drift.describe_drift(drift.drift(state))


@pytest.mark.parametrize("kind", ["path", "paths"])
def test_role_stays_open_while_something_of_it_cannot_be_read(
    kind: str, state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = {"kind": kind, "name": str(written(tmp_path / "x"))}
    with monkeypatch.context() as broken:
        failing(broken, errno.EIO)
        why = sealed(state, inputs(), record(item))
        assert why.startswith(f"{tmp_path}/x: cannot be read (Input/output error); ")
        # It is the deploy's own unfinished business: no drift, and no reason for another pass.
        assert set(codes(receipts.roles_to_run(state, [inputs()])["web"])) == {"receipt_incomplete"}
        assert drift.drift(state)["roles"] == {}
    found = receipts.roles_to_run(state, [inputs()])["web"]
    assert [reason_text(why) for why in found][1:] == [f"{tmp_path}/x: can be read again"]


@pytest.mark.parametrize("kind", ["path", "paths"])
def test_two_unreadable_states_are_never_equal(kind: str) -> None:
    then = LOOP if kind == "path" else {"/x": LOOP}
    assert codes(diff_resource({"kind": kind, "name": "/x"}, then, then)) == ["receipt_incomplete"]


def test_file_that_was_unreadable_when_an_older_toolkit_sealed_it_is_looked_at_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = written(tmp_path / "x")
    then = path_state(str(file)) | {"sha256": ""}
    failing(monkeypatch, errno.EIO)
    assert codes(diff_resource(path_item(file), then, path_state(str(file)))) == ["path_unreadable"]


def test_what_cannot_be_read_is_not_told_as_left_by_hand(tmp_path: Path) -> None:
    file = written(tmp_path / "etc" / "x")

    def ansible(_: str) -> int:
        notes = [{"role": "a", "item": path_item(file)}, {"role": "a", "completed": True}]
        lines = (json.dumps(note) + "\n" for note in notes)
        (tmp_path / "memory" / "managed.jsonl").write_text("".join(lines))
        return 0

    there = node(tmp_path, [inputs("a")], ansible)
    assert converge.converge(there, full=False) == 0
    looped(tmp_path / "etc")
    assert converge.converge(there, full=False) == 0
    assert told(tmp_path, "manual_change_kept") == []
    assert [event["role"] for event in told(tmp_path, "receipt_incomplete")] == ["a"]


@pytest.mark.parametrize("now", ["pipe", "link"])
def test_only_a_plain_file_is_read_for_a_diff(now: str, state: Path, tmp_path: Path) -> None:
    file = written(tmp_path / "x")
    sealed(state, inputs(), record(path_item(file)))
    file.unlink()
    if now == "pipe":
        os.mkfifo(file, 0o644)
    else:
        file.symlink_to(written(tmp_path / "other", "two\n"))
    [item] = drift.drift(state)["roles"]["web"]
    assert "diff" not in item

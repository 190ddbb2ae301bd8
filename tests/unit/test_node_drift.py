"""Drift: what changed on a node without a deploy, reported and mailed."""

import email
import email.policy
import os
from pathlib import Path
from typing import Any

import pytest
from receipt_samples import (
    inputs,
    path_item,
    record,
    write_file,
    write_receipt,
)

from chautari.node import drift, lock, receipts

Data = dict[str, Any]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


def write_role_receipt(state: Path, *items: Data, role: str = "web", **given: Any) -> None:
    write_receipt(state, inputs(role, **given), record(*items))


def drift_text(state: Path) -> str:
    return drift.drift_text(drift.find_drift(state))


def test_drift_of_a_node_without_a_deploy_is_empty(state: Path) -> None:
    assert drift_text(state).startswith("Nothing has been deployed here yet")
    assert drift.main([], state) == 0


def test_drift_escapes_control_characters(state: Path, tmp_path: Path) -> None:
    file = write_file(tmp_path / "x", "one\n")
    write_role_receipt(state, path_item(file), role="a\x1b[2Jb")
    write_file(file, "\x1b]0;title\x07 \u202egnp.exe\t\x9b1m ज्ञान \u200d ñ\n")
    text = drift_text(state)
    assert "\na\\x1b[2Jb\n" in text
    assert text.splitlines()[-1] == (
        "      +\\x1b]0;title\\x07 \\u202egnp.exe\t\\x9b1m ज्ञान \u200d ñ"
    )


def test_drift_reports_and_mails_a_name_that_is_not_utf8(
    state: Path, tmp_path: Path, mails: Path
) -> None:
    pattern = {"kind": "paths", "name": f"{tmp_path}/etc/*"}
    write_role_receipt(state, items=[pattern])
    write_file(tmp_path / "etc" / os.fsdecode(b"\xff"))
    assert "etc/\\udcff: exists again" in drift_text(state)
    assert drift.main(["--mail"], state) == 0
    assert len(list(mails.glob("mail.*"))) == 1


def test_drift_of_an_unchanged_node_names_the_last_deploy(
    state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_role_receipt(state, path_item(write_file(tmp_path / "x")))
    assert drift.main([], state) == 0
    assert capsys.readouterr().out.startswith("Nothing has changed since the deploy of 2")


def test_drift_groups_changes_by_role(
    state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = write_file(tmp_path / "one"), write_file(tmp_path / "two")
    write_role_receipt(state, path_item(one), role="a")
    write_role_receipt(state, path_item(two), role="b")
    write_role_receipt(state, role="c")
    one.unlink()
    two.chmod(0o600)
    assert drift.main([], state) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("Changed since the deploy of ")
    assert lines[1:] == [
        "a",
        f"  {one}: is missing",
        "b",
        f"  {two}: its mode changed from 0644 to 0600",
    ]


def test_drift_shows_the_diff_of_a_world_readable_file(state: Path, tmp_path: Path) -> None:
    file = write_file(tmp_path / "x", "one\ntwo\nthree\n")
    write_role_receipt(state, path_item(file))
    write_file(file, "one\nzwei\nthree\n")
    text = drift_text(state).splitlines()[2:]
    assert text == [
        f"  {file}: its content changed", "      --- deployed", "      +++ now",
        "      @@ -1,3 +1,3 @@", "       one", "      -two", "      +zwei", "       three",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after"), [(0o600, 0o600), (0o640, 0o640), (0o600, 0o644), (0o644, 0o600)]
)
def test_drift_shows_no_diff_of_a_private_file(
    before: int, after: int, state: Path, tmp_path: Path
) -> None:
    file = write_file(tmp_path / "x", "canary one\n", before)
    write_role_receipt(state, path_item(file))
    write_file(file, "canary two\n", after)
    text = drift_text(state)
    assert f"{file}: its content changed" in text
    assert "canary" not in text
    stored = b"".join(path.read_bytes() for path in state.rglob("*.json"))
    assert b"canary" not in stored


def test_drift_shows_the_diff_of_a_file_with_two_resources(state: Path, tmp_path: Path) -> None:
    file = write_file(tmp_path / "x")
    write_role_receipt(state, path_item(file), {"kind": "exists", "name": str(file)})
    write_file(file, "two\n")
    [item] = drift.find_drift(state)["roles"]["web"]
    assert item["diff"][-2:] == ["-one", "+two"]


def test_drift_shortens_a_long_diff(state: Path, tmp_path: Path) -> None:
    file = write_file(tmp_path / "x", "".join(f"a{n}\n" for n in range(500)))
    write_role_receipt(state, path_item(file))
    write_file(file, "".join(f"b{n}\n" for n in range(500)))
    [item] = drift.find_drift(state)["roles"]["web"]
    assert len(item["diff"]) == drift.MAX_DIFF_LINES + 1
    assert item["diff"][-1].endswith("more lines")


def test_drift_ignores_an_incomplete_receipt(state: Path) -> None:
    probe = {"kind": "probe", "name": "certificate", "script": "echo none; exit 1"}
    write_role_receipt(state, items=[probe])
    found = drift.find_drift(state)
    assert (found["roles"], found["known"]) == ({}, 1)


def test_damaged_receipt_does_not_hide_drift_of_other_roles(state: Path, tmp_path: Path) -> None:
    file = write_file(tmp_path / "x")
    write_role_receipt(state, path_item(file), role="a")
    write_role_receipt(state, role="b")
    (receipts.receipts_folder(state) / "b.json").write_text("{")
    file.unlink()
    assert list(drift.find_drift(state)["roles"]) == ["a", "b"]


def test_role_without_a_receipt_is_at_work_during_a_run(state: Path) -> None:
    receipts.record_begun_roles(state, ["web"])
    assert list(drift.find_drift(state)["roles"]) == ["web"]
    during = drift.find_drift(state, {"operator": "ana", "run": "r"})
    assert during["roles"] == {} and during["known"] == 1
    assert during["busy"] == {"operator": "ana", "run": "r"}


@pytest.mark.parametrize("harm", ["damaged", "missing"])
def test_drift_reports_an_unreadable_receipt_with_the_next_step(
    harm: str, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    receipts.record_begun_roles(state, ["web"])
    write_role_receipt(state)
    file = receipts.receipts_folder(state) / "web.json"
    file.write_text("{") if harm == "damaged" else file.unlink()
    assert drift.find_drift(state)["known"] == 1
    assert drift.main([], state) == 1
    first, role, text = capsys.readouterr().out.splitlines()
    assert (first, role) == ("Changed since the last deploy:", "web")
    assert (
        "the record (receipt) of its last deploy is damaged or missing" in text
        and "Deploy the region again" in text
    )


def test_drift_ignores_a_removed_role(state: Path) -> None:
    receipts.record_begun_roles(state, ["web", "tls"])
    write_role_receipt(state)
    receipts.delete_records_of_role(state, "tls")
    assert drift.find_drift(state)["roles"] == {}


@pytest.fixture
def mails(tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Install a fake sendmail; return its folder, with one file for each message."""
    folder = tmp_path / "mailed"
    folder.mkdir()
    program = tmp_path / "sendmail"
    program.write_text(f'#!/bin/sh\necho "$@" > {folder}/arguments\ncat > {folder}/mail.$$\n')
    program.chmod(0o755)
    monkeypatch.setattr(drift, "SENDMAIL", str(program))
    monkeypatch.setattr(lock, "LOCK", tmp_path / "lock")
    monkeypatch.setattr(lock, "HOLDER", tmp_path / "holder.json")
    return folder


def test_drift_mails_the_same_changes_once(state: Path, tmp_path: Path, mails: Path) -> None:
    file = write_file(tmp_path / "x")
    write_role_receipt(state, path_item(file))
    counts = []
    for text in (None, "two\n", None, "three\n", "one\n", None, "two\n"):
        if text is not None:
            write_file(file, text)
        assert drift.main(["--mail"], state) == 0
        counts.append(len(list(mails.glob("mail.*"))))
    assert counts == [0, 1, 1, 2, 2, 2, 3]


@pytest.mark.parametrize("begins", ["before", "during"])
def test_drift_mails_nothing_during_a_deploy(
    begins: str, state: Path, tmp_path: Path, mails: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_file(tmp_path / "x")
    write_role_receipt(state, path_item(file))
    drift.main(["--mail"], state)
    note = (state / "drift.mailed").read_text()
    file.unlink()
    holders = iter([{"operator": "ana"}, None] if begins == "before" else [None, {}])
    with monkeypatch.context() as working:
        working.setattr(lock, "lock_holder", lambda: next(holders))
        assert drift.main(["--mail"], state) == 0
    assert ((state / "drift.mailed").read_text(), list(mails.glob("mail.*"))) == (note, [])
    drift.main(["--mail"], state)
    assert len(list(mails.glob("mail.*"))) == 1


def test_mail_has_the_changes_and_the_next_step(state: Path, tmp_path: Path, mails: Path) -> None:
    file = write_file(tmp_path / "x")
    write_role_receipt(state, path_item(file))
    file.unlink()
    drift.main(["--mail"], state)
    [mail] = mails.glob("mail.*")
    message = email.message_from_bytes(mail.read_bytes(), policy=email.policy.default)
    text = message.get_content()
    assert (mails / "arguments").read_text() == "-t -oi\n"
    assert message["Subject"].endswith(": something changed since the last deploy")
    assert message["To"] == "root"
    assert f"{file}: is missing" in text
    assert "deploy the region again" in text


def test_failed_mail_is_sent_the_next_time(
    state: Path, tmp_path: Path, mails: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_file(tmp_path / "x")
    write_role_receipt(state, path_item(file))
    file.unlink()
    with monkeypatch.context() as broken:
        broken.setattr(drift, "SENDMAIL", "/bin/false")
        with pytest.raises(Exception, match="non-zero exit status"):
            drift.main(["--mail"], state)
    drift.main(["--mail"], state)
    assert len(list(mails.glob("mail.*"))) == 1


@pytest.mark.parametrize("now", ["pipe", "link"])
def test_drift_reads_only_plain_files_for_a_diff(now: str, state: Path, tmp_path: Path) -> None:
    file = write_file(tmp_path / "x")
    write_receipt(state, inputs(), record(path_item(file)))
    file.unlink()
    if now == "pipe":
        os.mkfifo(file, 0o644)
    else:
        file.symlink_to(write_file(tmp_path / "other", "two\n"))
    [item] = drift.find_drift(state)["roles"]["web"]
    assert "diff" not in item

"""Writing receipts: which roles get one, and why one is incomplete."""

import errno
import hashlib
from pathlib import Path
from typing import Any

import pytest
from receipt_samples import (
    RUN,
    codes,
    fail_reads,
    file,
    inputs,
    path_item,
    reason_codes,
    reason_text,
    record,
    state,
    write_file,
    write_receipt,
    write_web_receipt,
)

from chautari.node import drift, pending_handlers, receipt_writer, receipts
from chautari.node.receipt_writer import RoleRecord

__all__ = ["file", "state"]

COMMAND = {"name": "Run it", "tags": ["run_it"], "change": "command", "module": "command"}


def test_role_that_did_not_complete_gets_no_receipt(state: Path, file: Path) -> None:
    assert write_receipt(state, inputs(), record(path_item(file), completed=False)) == ""
    assert receipt_writer.write_receipts(state, RUN, [inputs()], {}) == {}
    assert reason_codes(state) == ["receipt_missing"]


@pytest.mark.parametrize(
    ("given", "recorded", "why"),
    [
        ({}, {}, ""),
        ({}, {"untracked": [COMMAND]},
         "the changes made by task 'Run it' are not known (a command's changes cannot be tracked)"),
        ({"tracked_by": {"run_it": ["rules"]}}, {"untracked": [COMMAND]}, ""),
        ({"tracked_by": {"another": ["rules"]}}, {"untracked": [COMMAND]}, "Run it"),
        ({}, {"rescued": ["Ask"]}, "the task 'Ask' did not succeed"),
        ({"items": [{"kind": "probe", "name": "rules", "script": "true"}]}, {}, ""),
        ({"items": [{"kind": "probe", "name": "rules", "script": "false"}]}, {},
         "rules is not in the desired state yet"),
        ({"items": [{"kind": "reload_marker", "name": "s", "settings": [], "marker": "/gone"}]}, {},
         "s is not in the desired state yet"),
    ],
)  # fmt: skip
def test_receipt_is_incomplete_when_a_change_is_untracked(
    given: dict[str, Any], recorded: dict[str, Any], why: str, state: Path, file: Path
) -> None:
    found = write_receipt(state, inputs(**given), record(path_item(file), **recorded))
    assert why in found and bool(found) == bool(why)
    assert ("receipt_incomplete" in reason_codes(state, **given)) == bool(why)


def test_incomplete_receipt_gives_its_reason(state: Path, file: Path) -> None:
    write_receipt(state, inputs(), record(rescued=["Ask"]))
    [found] = receipts.roles_to_run(state, [inputs()])["web"]
    assert (found["code"], reason_text(found)) == (
        "receipt_incomplete",
        "the task 'Ask' did not succeed",
    )


def test_failed_probe_makes_a_receipt_incomplete_not_changed(state: Path) -> None:
    probe = {"kind": "probe", "name": "certificate", "script": "echo none; exit 1"}
    write_receipt(state, inputs(items=[probe]), record())
    assert reason_codes(state) == ["receipt_incomplete"]


def test_file_changed_after_its_task_makes_the_receipt_incomplete(state: Path, file: Path) -> None:
    wrote = hashlib.sha1(file.read_bytes()).hexdigest()
    assert write_receipt(state, inputs(), record(path_item(file, sha1=wrote))) == ""
    write_file(file, "another program was quicker\n")
    why = write_receipt(state, inputs(), record(path_item(file, sha1=wrote)))
    assert why == f"{file} was changed by another program or person after the role wrote it"
    assert reason_codes(state) == ["receipt_incomplete"]


def test_receipt_holds_no_content_of_a_private_file(state: Path, file: Path) -> None:
    write_file(file, "canary\n", 0o600)
    write_receipt(
        state, inputs(), record(path_item(file, sha1=hashlib.sha1(b"canary\n").hexdigest()))
    )
    stored = b"".join(path.read_bytes() for path in state.rglob("*") if path.is_file())
    assert b"canary" not in stored
    assert b"sha1" not in stored


def test_declared_item_replaces_that_of_a_task(state: Path, file: Path) -> None:
    probe = {"kind": "probe", "name": "rules", "script": "echo 1"}
    write_receipt(
        state, inputs(items=[probe]), record(path_item(file), probe | {"script": "echo 2"})
    )
    found = receipts.load_receipt(state, "web")
    assert found is not None
    assert found.items == [path_item(file), probe]


def test_write_receipts_keeps_the_items_of_roles_apart(state: Path, tmp_path: Path) -> None:
    roles = [inputs("a"), inputs("b"), inputs("c")]
    records = {
        "a": record(path_item(write_file(tmp_path / "a"))),
        "b": RoleRecord(items={}, completed=False),
        "c": record(path_item(write_file(tmp_path / "c1")), path_item(write_file(tmp_path / "c2"))),
    }
    assert receipt_writer.write_receipts(state, RUN, roles, records) == {}
    assert {receipt.role: len(receipt.states) for receipt in receipts.all_receipts(state)} == {
        "a": 1, "c": 2,
    }  # fmt: skip
    assert list(receipts.roles_to_run(state, roles)) == ["b"]


def test_write_receipts_clears_pending_handlers_of_completed_roles(state: Path) -> None:
    for role in "ab":
        pending_handlers.append_pending(state, role, ["Reload"])
    receipt_writer.write_receipts(state, RUN, [inputs("a"), inputs("b")], {"a": record()})
    assert (receipts.pending_handlers(state, "a"), receipts.pending_handlers(state, "b")) == (
        [],
        ["Reload"],
    )


def contents(state: Path) -> list[str]:
    return sorted(
        path.read_text() for path in (receipts.receipts_folder(state) / "contents").glob("*")
    )


@pytest.mark.parametrize(
    ("file_mode", "text", "stored"),
    [
        (0o644, "one\n", True),
        (0o604, "one\n", True),
        (0o640, "canary\n", False),
        (0o600, "canary\n", False),
        (0o644, "x" * (receipt_writer.SHOWN_BYTES + 1), False),
    ],
)
def test_contents_hold_only_short_world_readable_texts(
    file_mode: int, text: str, stored: bool, state: Path, tmp_path: Path
) -> None:
    file = write_file(tmp_path / "x", text, file_mode)
    write_receipt(state, inputs(), record(path_item(file)))
    assert contents(state) == ([text] if stored else [])


def test_contents_leave_out_a_link(state: Path, file: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(file)
    write_receipt(state, inputs(), record(path_item(tmp_path / "link")))
    assert contents(state) == []


def test_prune_contents_deletes_texts_without_a_receipt(state: Path, file: Path) -> None:
    write_web_receipt(state, file)
    write_file(file, "two\n")
    write_web_receipt(state, file)
    assert contents(state) == ["one\n", "two\n"]
    receipt_writer.delete_unreferenced_texts(state)
    assert contents(state) == ["two\n"]


@pytest.mark.parametrize("kind", ["path", "paths"])
def test_unreadable_path_makes_the_receipt_incomplete(
    kind: str, state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = {"kind": kind, "name": str(write_file(tmp_path / "x"))}
    with monkeypatch.context() as broken:
        fail_reads(broken, errno.EIO)
        why = write_receipt(state, inputs(), record(item))
        assert why.startswith(f"{tmp_path}/x: cannot be read (Input/output error); ")
        # It is the deploy's own unfinished business: no drift, and no reason for another pass.
        assert set(codes(receipts.roles_to_run(state, [inputs()])["web"])) == {"receipt_incomplete"}
        assert drift.find_drift(state)["roles"] == {}
    found = receipts.roles_to_run(state, [inputs()])["web"]
    assert [reason_text(why) for why in found][1:] == [f"{tmp_path}/x: can be read again"]

"""Receipts: kept whole or not at all, and never taken for better than they are."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from receipt_samples import (
    RUN,
    codes,
    inputs,
    mode,
    path_item,
    reason_text,
    record,
    sealed,
    written,
)

from chautari.node import fingerprint, pending_handlers, receipt_writer, receipts
from chautari.node.receipt_writer import RoleRecord

COMMAND = {"name": "Run it", "tags": ["run_it"], "change": "command", "module": "command"}


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return written(tmp_path / "etc" / "web.conf")


def seal_one(state: Path, file: Path, **changed: Any) -> str:
    return sealed(state, inputs(**changed), record(path_item(file)))


def stale(state: Path, **changed: Any) -> list[str]:
    return codes(receipts.roles_to_run(state, [inputs(**changed)]).get("web", []))


# ── On the disk ──────────────────────────────────────────────────────────────────────────────


def test_receipt_is_read_back_as_it_was_written(state: Path, file: Path) -> None:
    assert seal_one(state, file) == ""
    found = receipts.load(state, "web")
    assert found is not None
    assert (found.role, found.run, found.incomplete_reason) == ("web", RUN, None)
    assert found.items == [path_item(file)]
    assert found.states == [fingerprint.path_state(str(file))]
    assert found.machine == fingerprint.machine_facts()
    assert receipts.all_receipts(state) == [found]


def test_receipt_is_for_root_alone_and_leaves_nothing_beside_it(state: Path, file: Path) -> None:
    seal_one(state, file)
    folder = receipts.receipts_folder(state)
    assert (mode(folder), mode(folder / "web.json")) == ("0o700", "0o600")
    assert sorted(path.name for path in folder.iterdir()) == ["contents", "web.json"]


def test_disk_that_is_full_leaves_the_old_receipt(
    state: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seal_one(state, file)
    before = receipts.load(state, "web")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        seal_one(state, file, files="f2")
    assert receipts.load(state, "web") == before


def test_receipt_that_was_cut_anywhere_is_none(state: Path, file: Path) -> None:
    seal_one(state, file)
    place = receipts.receipts_folder(state) / "web.json"
    whole = place.read_bytes()
    for length in range(len(whole)):
        place.write_bytes(whole[:length])
        assert receipts.load(state, "web") is None, length
    assert stale(state) == ["receipt_damaged"]


@pytest.mark.parametrize("flip", [0x01, 0x20, 0x80, 0xFF])
def test_receipt_with_a_flipped_byte_never_says_something_else(
    flip: int, state: Path, file: Path
) -> None:
    seal_one(state, file)
    place = receipts.receipts_folder(state) / "web.json"
    whole, right = place.read_bytes(), receipts.load(state, "web")
    for position in range(len(whole)):
        damaged = bytearray(whole)
        damaged[position] ^= flip
        place.write_bytes(damaged)
        # Two spellings of one number or of white space may be the very same receipt.
        assert receipts.load(state, "web") in (None, right), position


@pytest.mark.parametrize(
    "content", ["", "{}", "[]", "null", "7", '"x"', '{"digest": 1}', "\0" * 99]
)
def test_anything_else_in_its_place_is_a_damaged_receipt(
    content: str, state: Path, file: Path
) -> None:
    seal_one(state, file)
    (receipts.receipts_folder(state) / "web.json").write_text(content)
    assert stale(state) == ["receipt_damaged"]
    assert receipts.all_receipts(state) == []


def test_receipt_of_another_format_is_none(
    state: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seal_one(state, file)
    monkeypatch.setattr(receipts, "FORMAT", receipts.FORMAT + 1)
    assert receipts.load(state, "web") is None


def test_forgotten_receipt_makes_the_role_new(state: Path, file: Path) -> None:
    seal_one(state, file)
    receipts.delete_receipts(state, ["web", "never-there"])
    assert stale(state) == ["receipt_missing"]


# ── When a role has to run ───────────────────────────────────────────────────────────────────


def test_role_without_a_receipt_is_new(state: Path) -> None:
    assert stale(state) == ["receipt_missing"]


def test_role_that_is_as_it_was_left_need_not_run(state: Path, file: Path) -> None:
    seal_one(state, file)
    assert receipts.roles_to_run(state, [inputs()]) == {}


@pytest.mark.parametrize(
    ("changed", "kind", "text"),
    [
        ({"files": "f2"}, "role_changed", "the role itself changed"),
        ({"ansible": "a2"}, "ansible_changed", "the node's Ansible changed"),
        ({"variables": {"web_name": "d2"}}, "variable_changed", "web_name changed"),
        ({"variables": {"web_name": "d1", "web_port": "d"}}, "variable_added", "web_port is new"),
        ({"variables": {}}, "variable_removed", "web_name is no longer set"),
    ],
)
def test_changed_input_is_named(
    changed: dict[str, Any], kind: str, text: str, state: Path, file: Path
) -> None:
    seal_one(state, file)
    [found] = receipts.roles_to_run(state, [inputs(**changed)])["web"]
    assert (found["code"], reason_text(found)) == (kind, text)


def test_every_changed_input_is_named(state: Path, file: Path) -> None:
    seal_one(state, file)
    found = stale(state, files="f2", ansible="a2", variables={"b": "1", "a": "1"})
    assert found == [
        "role_changed", "ansible_changed", "variable_added", "variable_added", "variable_removed",
    ]  # fmt: skip


def test_file_that_was_edited_by_hand_is_named(state: Path, file: Path) -> None:
    seal_one(state, file)
    written(file, "two\n")
    [found] = receipts.roles_to_run(state, [inputs()])["web"]
    assert (found["code"], found["data"]["path"]) == ("path_changed", str(file))
    assert reason_text(found) == f"{file}: its content changed"


def test_machine_that_grew_makes_roles_run(
    state: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seal_one(state, file)
    now = fingerprint.machine_facts() | {"memory_mb": 1}
    monkeypatch.setattr(fingerprint, "machine_facts", lambda _: now)
    [found] = receipts.roles_to_run(state, [inputs()])["web"]
    assert (found["code"], found["data"]["fact"]) == ("machine_changed", "memory_mb")
    assert reason_text(found).endswith(", is 1")


def test_full_makes_every_role_run_and_still_says_what_differs(state: Path, file: Path) -> None:
    seal_one(state, file)
    file.unlink()
    found = receipts.roles_to_run(state, [inputs(), inputs("php")], full=True)
    assert {role: codes(reasons) for role, reasons in found.items()} == {
        "web": ["full_run", "path_missing"], "php": ["full_run", "receipt_missing"],
    }  # fmt: skip


def test_roles_that_build_on_one_that_runs_run_as_well(state: Path) -> None:
    roles = [
        inputs("web"), inputs("tls", needs=["web"]), inputs("php"),
        inputs("cloud", needs=["tls", "php"]),
    ]  # fmt: skip
    for given in roles:
        assert sealed(state, given, record()) == ""
    assert receipts.roles_to_run(state, roles) == {}
    receipts.delete_receipts(state, ["web"])
    found = receipts.roles_to_run(state, roles)
    assert {role: codes(reasons) for role, reasons in found.items()} == {
        "web": ["receipt_missing"], "tls": ["needs"], "cloud": ["needs"],
    }  # fmt: skip
    assert found["cloud"][0]["data"]["role"] == "tls"


def test_restarts_that_are_owed_make_the_role_run(state: Path, file: Path) -> None:
    seal_one(state, file)
    pending_handlers.append_pending(state, "web", ["Reload", "Restart"])
    [found] = receipts.roles_to_run(state, [inputs()])["web"]
    assert found["code"] == "pending_handlers"
    assert (
        reason_text(found) == "an interrupted run may have skipped these handlers: Reload, Restart"
    )


def test_differences_belong_to_the_role_that_manages_the_thing(state: Path, tmp_path: Path) -> None:
    roles = [inputs("a"), inputs("b"), inputs("c")]
    files = {role: written(tmp_path / role) for role in "abc"}
    for given in roles:
        sealed(state, given, record(path_item(files[given["role"]])))
    written(files["b"], "two\n")
    assert list(receipts.roles_to_run(state, roles)) == ["b"]


# ── Sealing ──────────────────────────────────────────────────────────────────────────────────


def test_role_that_did_not_come_to_its_end_gets_no_receipt(state: Path, file: Path) -> None:
    assert sealed(state, inputs(), record(path_item(file), completed=False)) == ""
    assert receipt_writer.write_receipts(state, RUN, [inputs()], {}) == {}
    assert stale(state) == ["receipt_missing"]


@pytest.mark.parametrize(
    ("given", "told", "why"),
    [
        ({}, {}, ""),
        ({}, {"untracked": [COMMAND]},
         "the changes of task 'Run it' are not known (a command's changes cannot be tracked)"),
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
def test_role_stays_open_when_something_cannot_be_vouched_for(
    given: dict[str, Any], told: dict[str, Any], why: str, state: Path, file: Path
) -> None:
    found = sealed(state, inputs(**given), record(path_item(file), **told))
    assert why in found and bool(found) == bool(why)
    assert ("receipt_incomplete" in stale(state, **given)) == bool(why)


def test_open_role_says_why_it_runs_again(state: Path, file: Path) -> None:
    sealed(state, inputs(), record(rescued=["Ask"]))
    [found] = receipts.roles_to_run(state, [inputs()])["web"]
    assert (found["code"], reason_text(found)) == (
        "receipt_incomplete",
        "the task 'Ask' did not succeed",
    )


def test_what_is_not_as_wished_yet_has_not_changed(state: Path) -> None:
    probe = {"kind": "probe", "name": "certificate", "script": "echo none; exit 1"}
    sealed(state, inputs(items=[probe]), record())
    assert stale(state) == ["receipt_incomplete"]


def test_file_that_is_not_what_the_role_wrote_leaves_it_open(state: Path, file: Path) -> None:
    wrote = hashlib.sha1(file.read_bytes()).hexdigest()
    assert sealed(state, inputs(), record(path_item(file, sha1=wrote))) == ""
    written(file, "somebody else was quicker\n")
    why = sealed(state, inputs(), record(path_item(file, sha1=wrote)))
    assert why == f"{file} was changed by something else after the role wrote it"
    assert stale(state) == ["receipt_incomplete"]


def test_receipt_keeps_nothing_of_what_was_written_but_a_digest(state: Path, file: Path) -> None:
    written(file, "canary\n", 0o600)
    sealed(state, inputs(), record(path_item(file, sha1=hashlib.sha1(b"canary\n").hexdigest())))
    kept = b"".join(path.read_bytes() for path in state.rglob("*") if path.is_file())
    assert b"canary" not in kept
    assert b"sha1" not in kept


def test_what_the_role_declares_is_watched_once_beside_what_its_tasks_told(
    state: Path, file: Path
) -> None:
    probe = {"kind": "probe", "name": "rules", "script": "echo 1"}
    sealed(state, inputs(items=[probe]), record(path_item(file), probe | {"script": "echo 2"}))
    found = receipts.load(state, "web")
    assert found is not None
    assert found.items == [path_item(file), probe]


def test_sealing_one_role_keeps_the_others_apart(state: Path, tmp_path: Path) -> None:
    roles = [inputs("a"), inputs("b"), inputs("c")]
    told = {
        "a": record(path_item(written(tmp_path / "a"))),
        "b": RoleRecord(items={}, completed=False),
        "c": record(path_item(written(tmp_path / "c1")), path_item(written(tmp_path / "c2"))),
    }
    assert receipt_writer.write_receipts(state, RUN, roles, told) == {}
    assert {receipt.role: len(receipt.states) for receipt in receipts.all_receipts(state)} == {
        "a": 1, "c": 2,
    }  # fmt: skip
    assert list(receipts.roles_to_run(state, roles)) == ["b"]


def test_sealing_pays_what_was_owed_by_the_roles_that_ended(state: Path) -> None:
    for role in "ab":
        pending_handlers.append_pending(state, role, ["Reload"])
    receipt_writer.write_receipts(state, RUN, [inputs("a"), inputs("b")], {"a": record()})
    assert (receipts.pending_handlers(state, "a"), receipts.pending_handlers(state, "b")) == (
        [],
        ["Reload"],
    )


# ── What lay in the files ────────────────────────────────────────────────────────────────────


def contents(state: Path) -> list[str]:
    return sorted(
        path.read_text() for path in (receipts.receipts_folder(state) / "contents").glob("*")
    )


@pytest.mark.parametrize(
    ("file_mode", "text", "kept"),
    [
        (0o644, "one\n", True),
        (0o604, "one\n", True),
        (0o640, "canary\n", False),
        (0o600, "canary\n", False),
        (0o644, "x" * (receipt_writer.SHOWN_BYTES + 1), False),
    ],
)
def test_only_short_texts_that_others_may_read_are_kept(
    file_mode: int, text: str, kept: bool, state: Path, tmp_path: Path
) -> None:
    file = written(tmp_path / "x", text, file_mode)
    sealed(state, inputs(), record(path_item(file)))
    assert contents(state) == ([text] if kept else [])


def test_link_to_a_text_is_not_kept(state: Path, file: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(file)
    sealed(state, inputs(), record(path_item(tmp_path / "link")))
    assert contents(state) == []


def test_texts_that_no_receipt_speaks_of_are_forgotten(state: Path, file: Path) -> None:
    seal_one(state, file)
    written(file, "two\n")
    seal_one(state, file)
    assert contents(state) == ["one\n", "two\n"]
    receipt_writer.prune_contents(state)
    assert contents(state) == ["two\n"]


# ── Pending handlers ─────────────────────────────────────────────────────────────────────────


def test_owed_restarts_are_told_once_each_in_their_order(state: Path) -> None:
    assert receipts.pending_handlers(state, "web") == []
    pending_handlers.append_pending(state, "web", ["Restart", "Reload"])
    pending_handlers.append_pending(state, "web", ["Reload", "Touch"])
    assert receipts.pending_handlers(state, "web") == ["Restart", "Reload", "Touch"]
    assert receipts.pending_handlers(state, "php") == []
    assert mode(state / "pending") == "0o700"


def test_receipts_are_plain_json_of_one_object(state: Path, file: Path) -> None:
    seal_one(state, file)
    body = json.loads((receipts.receipts_folder(state) / "web.json").read_text())
    assert (body["format"], body["role"]) == (receipts.FORMAT, "web")

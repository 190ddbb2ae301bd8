"""Receipts: kept whole or not at all, and never taken for better than they are."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from receipt_samples import RUN, inputs, kinds, mode, path_item, record, sealed, written

from chautari.node import fingerprint, pending_handlers, receipt_writer, receipts
from chautari.node.receipt_writer import Record


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return written(tmp_path / "etc" / "web.conf")


def seal_one(state: Path, file: Path, **changed: Any) -> str:
    return sealed(state, inputs(**changed), record(path_item(file)))


def stale(state: Path, **changed: Any) -> list[str]:
    return kinds(receipts.stale(state, [inputs(**changed)]).get("web", []))


# ── On the disk ──────────────────────────────────────────────────────────────────────────────


def test_receipt_is_read_back_as_it_was_written(state: Path, file: Path) -> None:
    assert seal_one(state, file) == ""
    found = receipts.load(state, "web")
    assert found is not None
    assert (found.role, found.run, found.unsealed) == ("web", RUN, "")
    assert found.items == [path_item(file)]
    assert found.states == [fingerprint.path_state(str(file))]
    assert found.machine == fingerprint.machine()
    assert receipts.left(state) == [found]


def test_receipt_is_for_root_alone_and_leaves_nothing_beside_it(state: Path, file: Path) -> None:
    seal_one(state, file)
    folder = receipts.folder_of(state)
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
    place = receipts.folder_of(state) / "web.json"
    whole = place.read_bytes()
    for length in range(len(whole)):
        place.write_bytes(whole[:length])
        assert receipts.load(state, "web") is None, length
    assert stale(state) == ["damaged"]


@pytest.mark.parametrize("flip", [0x01, 0x20, 0x80, 0xFF])
def test_receipt_with_a_flipped_byte_never_says_something_else(
    flip: int, state: Path, file: Path
) -> None:
    seal_one(state, file)
    place = receipts.folder_of(state) / "web.json"
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
    (receipts.folder_of(state) / "web.json").write_text(content)
    assert stale(state) == ["damaged"]
    assert receipts.left(state) == []


def test_receipt_of_another_format_is_none(
    state: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seal_one(state, file)
    monkeypatch.setattr(receipts, "FORMAT", receipts.FORMAT + 1)
    assert receipts.load(state, "web") is None


def test_forgotten_receipt_makes_the_role_new(state: Path, file: Path) -> None:
    seal_one(state, file)
    receipts.forget(state, ["web", "never-there"])
    assert stale(state) == ["new"]


# ── When a role has to run ───────────────────────────────────────────────────────────────────


def test_role_without_a_receipt_is_new(state: Path) -> None:
    assert stale(state) == ["new"]


def test_role_that_is_as_it_was_left_need_not_run(state: Path, file: Path) -> None:
    seal_one(state, file)
    assert receipts.stale(state, [inputs()]) == {}


@pytest.mark.parametrize(
    ("changed", "kind", "text"),
    [
        ({"files": "f2"}, "files", "the role itself changed"),
        ({"ansible": "a2"}, "ansible", "the node's Ansible changed"),
        ({"variables": {"web_name": "d2"}}, "variable", "web_name changed"),
        ({"variables": {"web_name": "d1", "web_port": "d"}}, "variable", "web_port is new"),
        ({"variables": {}}, "variable", "web_name is gone"),
    ],
)
def test_changed_input_is_named(
    changed: dict[str, Any], kind: str, text: str, state: Path, file: Path
) -> None:
    seal_one(state, file)
    [found] = receipts.stale(state, [inputs(**changed)])["web"]
    assert (found["kind"], found["text"]) == (kind, text)


def test_every_changed_input_is_named(state: Path, file: Path) -> None:
    seal_one(state, file)
    found = stale(state, files="f2", ansible="a2", variables={"b": "1", "a": "1"})
    assert found == ["files", "ansible", "variable", "variable", "variable"]


def test_file_that_was_edited_by_hand_is_named(state: Path, file: Path) -> None:
    seal_one(state, file)
    written(file, "two\n")
    [found] = receipts.stale(state, [inputs()])["web"]
    assert (found["kind"], found["name"]) == ("path", str(file))
    assert found["text"] == f"{file}: its content changed"


def test_machine_that_grew_makes_roles_run(
    state: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seal_one(state, file)
    now = fingerprint.machine() | {"memory_mb": 1}
    monkeypatch.setattr(fingerprint, "machine", lambda _: now)
    [found] = receipts.stale(state, [inputs()])["web"]
    assert (found["kind"], found["name"]) == ("machine", "memory_mb")
    assert found["text"].endswith(", is 1")


def test_full_makes_every_role_run_and_still_says_what_differs(state: Path, file: Path) -> None:
    seal_one(state, file)
    file.unlink()
    found = receipts.stale(state, [inputs(), inputs("php")], full=True)
    assert {role: kinds(reasons) for role, reasons in found.items()} == {
        "web": ["full", "path"], "php": ["full", "new"],
    }  # fmt: skip


def test_roles_that_build_on_one_that_runs_run_as_well(state: Path) -> None:
    roles = [
        inputs("web"), inputs("tls", needs=["web"]), inputs("php"),
        inputs("cloud", needs=["tls", "php"]),
    ]  # fmt: skip
    for given in roles:
        assert sealed(state, given, record()) == ""
    assert receipts.stale(state, roles) == {}
    receipts.forget(state, ["web"])
    found = receipts.stale(state, roles)
    assert {role: kinds(reasons) for role, reasons in found.items()} == {
        "web": ["new"], "tls": ["needs"], "cloud": ["needs"],
    }  # fmt: skip
    assert found["cloud"][0]["name"] == "tls"


def test_restarts_that_are_owed_make_the_role_run(state: Path, file: Path) -> None:
    seal_one(state, file)
    pending_handlers.owe(state, "web", ["Reload", "Restart"])
    [found] = receipts.stale(state, [inputs()])["web"]
    assert found["kind"] == "pending"
    assert found["text"] == "an interrupted run may have left undone: Reload, Restart"


def test_differences_belong_to_the_role_that_manages_the_thing(state: Path, tmp_path: Path) -> None:
    roles = [inputs("a"), inputs("b"), inputs("c")]
    files = {role: written(tmp_path / role) for role in "abc"}
    for given in roles:
        sealed(state, given, record(path_item(files[given["role"]])))
    written(files["b"], "two\n")
    assert list(receipts.stale(state, roles)) == ["b"]


COMMAND = {"name": "Run it", "tags": ["run_it"], "why": "a command"}


# ── Sealing ──────────────────────────────────────────────────────────────────────────────────


def test_role_that_did_not_come_to_its_end_gets_no_receipt(state: Path, file: Path) -> None:
    assert sealed(state, inputs(), record(path_item(file), done=False)) == ""
    assert receipt_writer.seal(state, RUN, [inputs()], {}) == {}
    assert stale(state) == ["new"]


@pytest.mark.parametrize(
    ("given", "told", "why"),
    [
        ({}, {}, ""),
        ({}, {"untracked": [COMMAND]},
         "what the task 'Run it' did cannot be looked up (a command)"),
        ({"tracked_by": {"run_it": ["rules"]}}, {"untracked": [COMMAND]}, ""),
        ({"tracked_by": {"another": ["rules"]}}, {"untracked": [COMMAND]}, "Run it"),
        ({}, {"rescued": ["Ask"]}, "the task 'Ask' did not succeed"),
        ({"items": [{"kind": "probe", "name": "rules", "script": "true"}]}, {}, ""),
        ({"items": [{"kind": "probe", "name": "rules", "script": "false"}]}, {},
         "rules: not as wished yet"),
        ({"items": [{"kind": "loaded", "name": "s", "settings": [], "stamp": "/gone"}]}, {},
         "s: not as wished yet"),
    ],
)  # fmt: skip
def test_role_stays_open_when_something_cannot_be_vouched_for(
    given: dict[str, Any], told: dict[str, Any], why: str, state: Path, file: Path
) -> None:
    found = sealed(state, inputs(**given), record(path_item(file), **told))
    assert why in found and bool(found) == bool(why)
    assert ("open" in stale(state, **given)) == bool(why)


def test_open_role_says_why_it_runs_again(state: Path, file: Path) -> None:
    sealed(state, inputs(), record(rescued=["Ask"]))
    [found] = receipts.stale(state, [inputs()])["web"]
    assert (found["kind"], found["text"]) == ("open", "the task 'Ask' did not succeed")


def test_what_is_not_as_wished_yet_has_not_changed(state: Path) -> None:
    probe = {"kind": "probe", "name": "certificate", "script": "echo none; exit 1"}
    sealed(state, inputs(items=[probe]), record())
    assert stale(state) == ["open"]


def test_file_that_is_not_what_the_role_wrote_leaves_it_open(state: Path, file: Path) -> None:
    wrote = hashlib.sha1(file.read_bytes()).hexdigest()
    assert sealed(state, inputs(), record(path_item(file, sha1=wrote))) == ""
    written(file, "somebody else was quicker\n")
    why = sealed(state, inputs(), record(path_item(file, sha1=wrote)))
    assert why == f"{file} was changed by something else after the role wrote it"
    assert stale(state) == ["open"]


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
        "b": Record(items={}, done=False),
        "c": record(path_item(written(tmp_path / "c1")), path_item(written(tmp_path / "c2"))),
    }
    assert receipt_writer.seal(state, RUN, roles, told) == {}
    assert {receipt.role: len(receipt.states) for receipt in receipts.left(state)} == {
        "a": 1, "c": 2,
    }  # fmt: skip
    assert list(receipts.stale(state, roles)) == ["b"]


def test_sealing_pays_what_was_owed_by_the_roles_that_ended(state: Path) -> None:
    for role in "ab":
        pending_handlers.owe(state, role, ["Reload"])
    receipt_writer.seal(state, RUN, [inputs("a"), inputs("b")], {"a": record()})
    assert (receipts.owed(state, "a"), receipts.owed(state, "b")) == ([], ["Reload"])


# ── What lay in the files ────────────────────────────────────────────────────────────────────


def contents(state: Path) -> list[str]:
    return sorted(path.read_text() for path in (receipts.folder_of(state) / "contents").glob("*"))


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
    receipt_writer.forget_contents(state)
    assert contents(state) == ["two\n"]


# ── Restarts ─────────────────────────────────────────────────────────────────────────────────


def test_owed_restarts_are_told_once_each_in_their_order(state: Path) -> None:
    assert receipts.owed(state, "web") == []
    pending_handlers.owe(state, "web", ["Restart", "Reload"])
    pending_handlers.owe(state, "web", ["Reload", "Touch"])
    assert receipts.owed(state, "web") == ["Restart", "Reload", "Touch"]
    assert receipts.owed(state, "php") == []
    assert mode(state / "pending") == "0o700"


def test_receipts_are_plain_json_of_one_object(state: Path, file: Path) -> None:
    seal_one(state, file)
    body = json.loads((receipts.folder_of(state) / "web.json").read_text())
    assert (body["format"], body["role"]) == (receipts.FORMAT, "web")

"""Receipts: written completely or not at all, and never trusted when damaged."""

import json
from pathlib import Path
from typing import Any

import pytest
from receipt_samples import (
    RUN,
    codes,
    file,
    inputs,
    make_link_loop,
    mode,
    path_item,
    reason_codes,
    reason_text,
    record,
    state,
    write_file,
    write_receipt,
    write_web_receipt,
)

from chautari.node import current_resources, drift, pending_handlers, receipts

__all__ = ["file", "state"]


def test_receipt_is_read_back_as_it_was_written(state: Path, file: Path) -> None:
    assert write_web_receipt(state, file) == ""
    found = receipts.load_receipt(state, "web")
    assert found is not None
    assert (found.role, found.run, found.incomplete_reason) == ("web", RUN, None)
    assert found.items == [path_item(file)]
    assert found.states == [current_resources.path_state(str(file))]
    assert found.machine == current_resources.machine_facts()
    assert receipts.all_receipts(state) == [found]


def test_file_that_is_watched_twice_is_named_once(state: Path, file: Path) -> None:
    pattern = {"kind": "paths", "name": f"{file.parent}/*"}
    write_receipt(state, inputs(items=[pattern]), record(path_item(file)))
    file.write_text("other\n")
    assert reason_codes(state, items=[pattern]) == ["path_changed"]


def test_receipt_is_readable_only_by_root(state: Path, file: Path) -> None:
    write_web_receipt(state, file)
    folder = receipts.receipts_folder(state)
    assert (mode(folder), mode(folder / "web.json")) == ("0o700", "0o600")
    assert sorted(path.name for path in folder.iterdir()) == ["contents", "web.json"]


def test_full_disk_keeps_the_old_receipt(
    state: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_web_receipt(state, file)
    before = receipts.load_receipt(state, "web")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_web_receipt(state, file, files="f2")
    assert receipts.load_receipt(state, "web") == before


def test_load_rejects_a_truncated_receipt(state: Path, file: Path) -> None:
    write_web_receipt(state, file)
    place = receipts.receipts_folder(state) / "web.json"
    whole = place.read_bytes()
    for length in range(len(whole)):
        place.write_bytes(whole[:length])
        assert receipts.load_receipt(state, "web") is None, length
    assert reason_codes(state) == ["receipt_damaged"]


@pytest.mark.parametrize("flip", [0x01, 0x20, 0x80, 0xFF])
def test_load_rejects_a_receipt_with_a_flipped_byte(flip: int, state: Path, file: Path) -> None:
    write_web_receipt(state, file)
    place = receipts.receipts_folder(state) / "web.json"
    whole, right = place.read_bytes(), receipts.load_receipt(state, "web")
    for position in range(len(whole)):
        damaged = bytearray(whole)
        damaged[position] ^= flip
        place.write_bytes(damaged)
        # Two spellings of one number or of white space may be the very same receipt.
        assert receipts.load_receipt(state, "web") in (None, right), position


@pytest.mark.parametrize(
    "content", ["", "{}", "[]", "null", "7", '"x"', '{"digest": 1}', "\0" * 99]
)
def test_load_rejects_other_content(content: str, state: Path, file: Path) -> None:
    write_web_receipt(state, file)
    (receipts.receipts_folder(state) / "web.json").write_text(content)
    assert reason_codes(state) == ["receipt_damaged"]
    assert receipts.all_receipts(state) == []


def test_load_rejects_a_receipt_of_another_format(
    state: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_web_receipt(state, file)
    monkeypatch.setattr(receipts, "FORMAT", receipts.FORMAT + 1)
    assert receipts.load_receipt(state, "web") is None


def test_role_with_a_deleted_receipt_runs_again(state: Path, file: Path) -> None:
    write_web_receipt(state, file)
    receipts.delete_receipts_of_roles(state, ["web", "never-there"])
    assert reason_codes(state) == ["receipt_missing"]


def test_role_without_a_receipt_runs(state: Path) -> None:
    assert reason_codes(state) == ["receipt_missing"]


def test_unchanged_role_does_not_run(state: Path, file: Path) -> None:
    write_web_receipt(state, file)
    assert receipts.roles_to_run(state, [inputs()]) == {}


@pytest.mark.parametrize(
    ("changed", "kind", "text"),
    [
        ({"files": "f2"}, "role_changed", "the role itself changed"),
        ({"ansible": "a2"}, "ansible_changed", "the Ansible environment of the node changed"),
        ({"variables": {"web_name": "d2"}}, "variable_changed", "web_name changed"),
        ({"variables": {"web_name": "d1", "web_port": "d"}}, "variable_added", "web_port is new"),
        ({"variables": {}}, "variable_removed", "web_name is no longer set"),
    ],
)
def test_roles_to_run_names_the_changed_input(
    changed: dict[str, Any], kind: str, text: str, state: Path, file: Path
) -> None:
    write_web_receipt(state, file)
    [found] = receipts.roles_to_run(state, [inputs(**changed)])["web"]
    assert (found["code"], reason_text(found)) == (kind, text)


def test_roles_to_run_names_every_changed_input(state: Path, file: Path) -> None:
    write_web_receipt(state, file)
    found = reason_codes(state, files="f2", ansible="a2", variables={"b": "1", "a": "1"})
    assert found == [
        "role_changed", "ansible_changed", "variable_added", "variable_added", "variable_removed",
    ]  # fmt: skip


def test_roles_to_run_names_a_file_edited_by_hand(state: Path, file: Path) -> None:
    write_web_receipt(state, file)
    write_file(file, "two\n")
    [found] = receipts.roles_to_run(state, [inputs()])["web"]
    assert (found["code"], found["data"]["path"]) == ("path_changed", str(file))
    assert reason_text(found) == f"{file}: its content changed"


def test_roles_run_when_the_memory_of_the_machine_changed(
    state: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_web_receipt(state, file)
    now = current_resources.machine_facts() | {"memory_mb": 1}
    monkeypatch.setattr(current_resources, "machine_facts", lambda _: now)
    [found] = receipts.roles_to_run(state, [inputs()])["web"]
    assert (found["code"], found["data"]["fact"]) == ("machine_changed", "memory_mb")
    assert reason_text(found).endswith(" to 1")


def test_full_runs_every_role_and_names_differences(state: Path, file: Path) -> None:
    write_web_receipt(state, file)
    file.unlink()
    found = receipts.roles_to_run(state, [inputs(), inputs("php")], full=True)
    assert {role: codes(reasons) for role, reasons in found.items()} == {
        "web": ["full_run", "path_missing"], "php": ["full_run", "receipt_missing"],
    }  # fmt: skip


def test_roles_run_with_the_roles_that_they_need(state: Path) -> None:
    roles = [
        inputs("web"), inputs("tls", needs=["web"]), inputs("php"),
        inputs("cloud", needs=["tls", "php"]),
    ]  # fmt: skip
    for given in roles:
        assert write_receipt(state, given, record()) == ""
    assert receipts.roles_to_run(state, roles) == {}
    receipts.delete_receipts_of_roles(state, ["web"])
    found = receipts.roles_to_run(state, roles)
    assert {role: codes(reasons) for role, reasons in found.items()} == {
        "web": ["receipt_missing"], "tls": ["needs"], "cloud": ["needs"],
    }  # fmt: skip
    assert found["cloud"][0]["data"]["role"] == "tls"


def test_pending_handlers_make_the_role_run(state: Path, file: Path) -> None:
    write_web_receipt(state, file)
    pending_handlers.append_pending(state, "web", ["Reload", "Restart"])
    [found] = receipts.roles_to_run(state, [inputs()])["web"]
    assert found["code"] == "pending_handlers"
    assert (
        reason_text(found) == "an interrupted run may have skipped these handlers: Reload, Restart"
    )


def test_difference_runs_only_the_role_that_manages_the_path(state: Path, tmp_path: Path) -> None:
    roles = [inputs("a"), inputs("b"), inputs("c")]
    files = {role: write_file(tmp_path / role) for role in "abc"}
    for given in roles:
        write_receipt(state, given, record(path_item(files[given["role"]])))
    write_file(files["b"], "two\n")
    assert list(receipts.roles_to_run(state, roles)) == ["b"]


def test_receipt_is_one_json_object(state: Path, file: Path) -> None:
    write_web_receipt(state, file)
    body = json.loads((receipts.receipts_folder(state) / "web.json").read_text())
    assert (body["format"], body["role"]) == (receipts.FORMAT, "web")


def test_unreadable_path_runs_only_its_own_role(state: Path, tmp_path: Path) -> None:
    lost, other = write_file(tmp_path / "etc" / "x"), write_file(tmp_path / "y")
    write_receipt(state, inputs("a"), record(path_item(lost)))
    write_receipt(state, inputs("b"), record(path_item(other)))
    make_link_loop(tmp_path / "etc")
    [(role, [why])] = receipts.roles_to_run(state, [inputs("a"), inputs("b")]).items()
    assert (role, why["code"], why["data"]["path"]) == ("a", "path_unreadable", str(lost))
    assert reason_text(why) == (
        f"{lost}: cannot be read (Too many levels of symbolic links); `stat {lost}` on the node "
        "shows more"
    )
    assert reason_text(why) in drift.drift_text(drift.find_drift(state))

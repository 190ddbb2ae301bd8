"""Receipts and journals of older versions."""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from receipt_samples import codes, inputs, reason_text, write_file

from chautari.node import current_resources, receipts, run_journal, runner, runs
from chautari.ssh.message_validation import parse_known_event

OLD_RUN = "20260101T120000-abcdef"


def save_old_receipt(state: Path, role: str, file: Path, **changed: Any) -> None:
    """Write a receipt as format 1 had it."""
    body: dict[str, Any] = {
        "format": 1, "role": role, "run": OLD_RUN, "sealed": 1.5,
        "inputs": {"role": role, "files": "f1", "ansible": "a1", "variables": {"web_name": "d1"}},
        "machine": current_resources.machine_facts(),
        "items": [
            {"kind": "path", "name": str(file)},
            {"kind": "loaded", "name": "s", "settings": [], "stamp": str(file)},
            {"kind": "unit", "name": "x.service", "wish": "started"},
        ],
        "states": [current_resources.path_state(str(file)), {"ok": True, "newer": []}, {}],
        "notices": ["make an A record"], "unsealed": "", "did": ["settings"],
    } | changed  # fmt: skip
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    place = receipts.receipts_folder(state) / f"{role}.json"
    write_file(place, json.dumps(body | {"digest": digest}, sort_keys=True))


def test_old_receipt_still_matches(tmp_path: Path) -> None:
    file = write_file(tmp_path / "x")
    save_old_receipt(tmp_path, "web", file)
    assert receipts.roles_to_run(tmp_path, [inputs()]) == {}
    [role] = receipts.up_to_date_roles(tmp_path, [inputs()], {})
    assert role["notices"] == [
        {"code": "role_message", "data": {"role": "web", "text": "make an A record"}}
    ]
    receipt = receipts.load_receipt(tmp_path, "web")
    assert receipt is not None
    assert (receipt.written_at, receipt.command_probes) == (1.5, ["settings"])
    assert receipt.items[2]["desired"] == "started"


def test_survey_names_an_old_receipt_that_it_cannot_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_old_receipt(tmp_path, "web", write_file(tmp_path / "x"))
    monkeypatch.setitem(sys.modules, "chautari.node.old_formats", None)
    monkeypatch.delattr("chautari.node.old_formats")
    assert codes(receipts.roles_to_run(tmp_path, [inputs()])["web"]) == ["receipt_outdated"]


def test_old_receipt_reports_a_change(tmp_path: Path) -> None:
    file = write_file(tmp_path / "x")
    save_old_receipt(tmp_path, "web", file)
    write_file(file, "two\n")
    assert "path_changed" in codes(receipts.roles_to_run(tmp_path, [inputs()])["web"])


def test_incomplete_old_receipt_keeps_its_reason(tmp_path: Path) -> None:
    save_old_receipt(tmp_path, "web", write_file(tmp_path / "x"), unsealed="a probe failed")
    [why] = receipts.roles_to_run(tmp_path, [inputs()])["web"]
    assert (why["code"], reason_text(why)) == ("receipt_incomplete", "a probe failed")


def test_roles_that_an_old_version_installed_can_be_removed(tmp_path: Path) -> None:
    write_file(tmp_path / "carried" / "framadate", "")
    assert receipts.obsolete_roles(tmp_path, ["web"]) == ["framadate"]
    receipts.delete_records_of_role(tmp_path, "framadate")
    assert receipts.obsolete_roles(tmp_path, ["web"]) == []


OLD_EVENTS: list[dict[str, Any]] = [
    {"event": "run_started", "run": OLD_RUN, "time": 1.0, "mode": "converge", "operator": "ana"},
    {"event": "chosen", "roles": {"a": [{"kind": "new", "name": "a", "text": "it is new"}]},
     "number": 0},
    {"event": "apt_at_work", "holder": "apt, process 7"},
    {"event": "packages_finished", "packages": ["x"], "ok": True},
    {"event": "role_started", "role": "a"},
    {"event": "notice", "role": "a", "message": "make an A record"},
    {"event": "role_finished", "role": "a", "seconds": 1.0, "ok": 1},
    {"event": "open", "role": "a", "why": "a probe failed"},
    {"event": "accepted", "role": "a", "items": ["/x: its content changed"]},
    {"event": "kept", "role": "b", "run": OLD_RUN, "notices": ["a notice"]},
    {"event": "may_follow", "roles": {"c": [{"kind": "path", "name": "/x", "text": "why"}]}},
    {"event": "budget", "bytes": 1, "packages": 1, "unknown": ["x"], "partial": False},
    {"event": "stays", "role": "d"},
    {"event": "without_mitogen", "log": []},
    {"event": "check_ended_early", "log": []},
    {"event": "checks_broken", "code": 4, "log": []},
    {"event": "stopped"},
    {"event": "broke", "message": "OSError"},
    {"event": "run_finished", "ok": True, "failed_checks": 0, "seconds": 1.0},
]  # fmt: skip
NEW_NAMES = [
    "run_started", "roles_selected", "apt_locked", "dpkg_repaired", "role_started", "role_message",
    "role_finished", "receipt_incomplete", "manual_change_kept", "role_up_to_date",
    "followup_roles", "download_estimate", "role_not_removable", "mitogen_fallback",
    "dry_run_incomplete", "checks_errored", "run_terminated", "run_crashed", "run_finished",
]  # fmt: skip


@pytest.fixture
def old_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a run that an old version wrote."""
    monkeypatch.setattr(runner, "STATE", tmp_path)
    monkeypatch.setattr(runner, "_unit_is_active", lambda _: False)
    place = tmp_path / "runs" / OLD_RUN
    write_file(place / "events.jsonl", "".join(json.dumps(event) + "\n" for event in OLD_EVENTS))
    write_file(place / "about.json", json.dumps({"mode": "converge", "even_if_busy": True}))
    return place


def test_old_journal_is_read_with_current_names(
    old_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert runner.follow_run(OLD_RUN, 0) == 0
    events = [parse_known_event(line) for line in capsys.readouterr().out.splitlines()]
    assert [event and event["event"] for event in events] == NEW_NAMES


def test_old_journal_is_read_from_an_offset(
    old_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = (old_run / "events.jsonl").read_text().splitlines(keepends=True)[0]
    runner.follow_run(OLD_RUN, len(first))
    names = [json.loads(line)["event"] for line in capsys.readouterr().out.splitlines()]
    assert names == NEW_NAMES[1:]


def test_damaged_old_event_is_malformed(tmp_path: Path) -> None:
    file = write_file(tmp_path / "events.jsonl", '{"event": "run_started"}\n')
    assert run_journal.select_event_parser(file)(b'{"event": "kept"}') == {"event": "malformed"}


def test_old_run_counts_as_a_deploy(old_run: Path) -> None:
    assert runs.newest_run(runner.STATE, deploys_only=True) == OLD_RUN
    about = runs.read_public_request(old_run)
    assert (about["mode"], about["interrupt_meetings"]) == ("deploy", True)

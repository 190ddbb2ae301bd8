"""The survey of a node."""

import io
import json
import os
import subprocess
import time
import zlib
from pathlib import Path
from typing import Any

import pytest
from receipt_samples import inputs, path_item, record, write_file, write_receipt
from run_samples import (
    ABOUT,
    printed_events,
)

from chautari.node import lock, main, survey
from chautari.preflight import facts

pytestmark = pytest.mark.usefixtures("node_state")
Data = dict[str, Any]


def survey_node(roles: list[Data], capsys: pytest.CaptureFixture[str]) -> Data:
    payload = io.BytesIO(zlib.compress(json.dumps(roles).encode()))
    assert main.main({"action": "survey"}, payload) == 0
    [found] = printed_events(capsys)
    return found


def test_survey_of_a_fresh_node_names_every_role(
    node_state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = survey_node([inputs("a"), inputs("b")], capsys)
    assert {role: reasons[0]["code"] for role, reasons in found["reasons"].items()} == {
        "a": "receipt_missing", "b": "receipt_missing",
    }  # fmt: skip
    assert (found["event"], found["up_to_date"], found["busy"]) == ("survey", [], None)


def test_survey_repeats_the_messages_of_an_up_to_date_role(
    node_state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_file(tmp_path / "x")
    write_receipt(node_state, inputs("a"), record(path_item(file), notices=["make an A record"]))
    found = survey_node([inputs("a"), inputs("b")], capsys)
    assert list(found["reasons"]) == ["b"]
    assert [(role["role"], role["notices"]) for role in found["up_to_date"]] == [
        ("a", [{"code": "role_message", "data": {"role": "a", "text": "make an A record"}}])
    ]
    file.unlink()
    assert list(survey_node([inputs("a")], capsys)["reasons"]) == ["a"]


def test_survey_of_a_busy_node_only_names_the_holder(
    node_state: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def never(*_: Any) -> Any:
        raise AssertionError("receipts were looked at")

    monkeypatch.setattr(survey.receipts, "roles_to_run", never)
    monkeypatch.setattr(lock, "lock_holder", lambda: ABOUT)
    found = survey_node([inputs("a")], capsys)
    assert found["busy"] == ABOUT
    assert not {"reasons", "up_to_date"} & set(found)


def test_survey_changes_nothing_on_the_node(
    node_state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_receipt(node_state, inputs("a"), record(path_item(write_file(tmp_path / "x"))))
    lock.LOCK.touch()

    def everything() -> dict[str, float]:
        return {str(path): path.stat().st_mtime_ns for path in node_state.rglob("*")}

    before = everything()
    survey_node([inputs("a"), inputs("b")], capsys)
    assert everything() == before


def test_machine_fact_lines_equal_those_of_the_preflight_script() -> None:
    now = time.time()
    script = subprocess.run(
        ["sh"], input=facts.SCRIPT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    ours, theirs = (
        facts.parse_facts(survey.machine_fact_lines([]), now, now),
        facts.parse_facts(script, now, now),
    )
    for name in ("os", "machine", "init", "venv", "deployed"):
        assert getattr(ours, name) == getattr(theirs, name), name
    assert ours.uid == os.geteuid()  # the script asks sudo as well
    assert abs(ours.memory_kb - theirs.memory_kb) < 1024
    assert abs(ours.skew - theirs.skew) < 5
    assert set(ours.free) == set(theirs.free)
    for mount in ours.free:
        assert abs(ours.free[mount] - theirs.free[mount]) < 500_000
    assert set(ours.free_inodes) == set(theirs.free_inodes)
    assert ours.listeners == ()


def test_machine_fact_lines_name_marker_and_earlier_deploy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(survey, "MARKER", write_file(tmp_path / "marker", "digest\n"))
    (tmp_path / "current").symlink_to("nowhere")
    role = {"role": "nextcloud", "installed": str(tmp_path / "current")}
    found = facts.parse_facts(survey.machine_fact_lines([role, {"role": "base"}]), 0, 0)
    assert (found.venv, found.deployed) == ("digest", "nextcloud")


def test_drift_answer_names_the_holder_of_the_lock(
    node_state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_file(tmp_path / "x")
    write_receipt(node_state, inputs("a"), record(path_item(file)))
    file.unlink()
    assert main.main({"action": "drift"}, io.BytesIO()) == 0
    [found] = printed_events(capsys)
    assert (found["event"], list(found["roles"]), found["busy"]) == ("drift", ["a"], None)


def test_survey_names_the_release_in_use(
    node_state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    current = tmp_path / "current"
    current.symlink_to("releases/34.0.4-00f226e6")
    folder = tmp_path / "folder"
    folder.mkdir()
    roles = [
        inputs("nextcloud") | {"installed": str(current)},
        inputs("other") | {"installed": str(folder)},
        inputs("missing") | {"installed": str(tmp_path / "missing")},
    ]
    lines = survey_node(roles, capsys)["facts"]
    assert [line for line in lines if line.startswith("release=")] == [
        "release=nextcloud 34.0.4-00f226e6"
    ]

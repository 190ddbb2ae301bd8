"""One look at a node, as the deploying side reads it."""

import io
import json
import os
import subprocess
import time
import zlib
from pathlib import Path
from typing import Any

import pytest
from receipt_samples import inputs, path_item, record, sealed, written
from test_node_runner import ABOUT, RUN, begun, place, said

from chautari.node import lock, main, packages, runner, survey
from chautari.preflight import facts

__all__ = ["place"]
Data = dict[str, Any]


def asked(roles: list[Data], capsys: pytest.CaptureFixture[str]) -> Data:
    payload = io.BytesIO(zlib.compress(json.dumps(roles).encode()))
    assert main.main({"action": "survey"}, payload) == 0
    [found] = said(capsys)
    return found


def test_fresh_node_names_every_role(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = asked([inputs("a"), inputs("b")], capsys)
    assert {role: reasons[0]["code"] for role, reasons in found["reasons"].items()} == {
        "a": "receipt_missing", "b": "receipt_missing",
    }  # fmt: skip
    assert (found["event"], found["up_to_date"], found["busy"]) == ("survey", [], None)


def test_role_that_is_as_it_was_left_tells_its_run_and_what_it_reported(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = written(tmp_path / "x")
    sealed(place, inputs("a"), record(path_item(file), notices=["make an A record"]))
    found = asked([inputs("a"), inputs("b")], capsys)
    assert list(found["reasons"]) == ["b"]
    assert [(kept["role"], kept["notices"]) for kept in found["up_to_date"]] == [
        ("a", [{"code": "role_message", "data": {"role": "a", "text": "make an A record"}}])
    ]
    file.unlink()
    assert list(asked([inputs("a")], capsys)["reasons"]) == ["a"]


def test_node_at_work_says_who_and_looks_nothing_up(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def never(*_: Any) -> Any:
        raise AssertionError("receipts were looked at")

    monkeypatch.setattr(survey.receipts, "roles_to_run", never)
    monkeypatch.setattr(lock, "holder", lambda: ABOUT)
    found = asked([inputs("a")], capsys)
    assert found["busy"] == ABOUT
    assert not {"reasons", "up_to_date"} & set(found)


def test_looking_changes_nothing_on_the_node(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sealed(place, inputs("a"), record(path_item(written(tmp_path / "x"))))
    lock.LOCK.touch()

    def everything() -> dict[str, float]:
        return {str(path): path.stat().st_mtime_ns for path in place.rglob("*")}

    before = everything()
    asked([inputs("a"), inputs("b")], capsys)
    assert everything() == before


def test_facts_are_those_that_the_preflight_s_script_prints() -> None:
    now = time.time()
    script = subprocess.run(
        ["sh"], input=facts.SCRIPT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    ours, theirs = (
        facts.parse(survey.machine_fact_lines([]), now, now),
        facts.parse(script, now, now),
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


def test_marker_and_earlier_deploy_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(survey, "MARKER", written(tmp_path / "marker", "digest\n"))
    (tmp_path / "current").symlink_to("nowhere")
    role = {"role": "nextcloud", "installed": str(tmp_path / "current")}
    found = facts.parse(survey.machine_fact_lines([role, {"role": "base"}]), 0, 0)
    assert (found.venv, found.deployed) == ("digest", "nextcloud")


def test_drift_is_told_with_who_is_at_work(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = written(tmp_path / "x")
    sealed(place, inputs("a"), record(path_item(file)))
    file.unlink()
    assert main.main({"action": "drift"}, io.BytesIO()) == 0
    [found] = said(capsys)
    assert (found["event"], list(found["roles"]), found["busy"]) == ("drift", ["a"], None)


@pytest.fixture
def memory(place: Path) -> Path:
    """An unpacked bundle of one role whose receipt is out of date."""
    folder = runner.MEMORY / RUN
    written(folder / "roles.json", json.dumps([inputs("a", files="f2"), inputs("b")]))
    written(folder / "plays.json", json.dumps({r: {"hosts": r, "roles": [r]} for r in "ab"}))
    written(folder / "lib" / "chautari" / "__init__.py", "")
    for role in "ab":
        sealed(place, inputs(role), record())
    return folder


def events(folder: Path) -> list[Data]:
    return [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What was started in place of Ansible; it fails."""
    found: list[list[str]] = []

    def run(argv: list[str], place: Path, memory: Path, extra: dict[str, str]) -> int:
        found.append(
            [Path(argv[0]).name, *argv[1:], *filter(None, [extra.get("CHAUTARI_CHECKING")])]
        )
        (place / "log").write_text("no luck\n")
        return 2

    monkeypatch.setattr(runner, "_run_logged", run)
    # Whatever is half done on the machine of these tests is none of theirs.
    monkeypatch.setattr(packages, "find_interrupted", list)
    return found


def test_plan_asks_ansible_s_check_and_keeps_every_receipt(
    place: Path, memory: Path, started: list[list[str]]
) -> None:
    folder = begun(place)
    before = {path.name: path.read_bytes() for path in (place / "receipts").glob("*.json")}
    assert runner.plan(folder, memory, {"run": RUN}) is True
    assert started == [["ansible-playbook", "playbooks/run.yml", "--check", "--diff", "yes"]]
    assert {p.name: p.read_bytes() for p in (place / "receipts").glob("*.json")} == before
    told = [event["event"] for event in events(folder)]
    assert told == ["roles_selected", "dry_run_incomplete", "role_up_to_date", "download_estimate"]
    assert not (place / "lib").exists()


def test_plan_with_nothing_to_do_starts_nothing(
    place: Path, memory: Path, started: list[list[str]]
) -> None:
    written(memory / "roles.json", json.dumps([inputs("a"), inputs("b")]))
    folder = begun(place)
    assert runner.plan(folder, memory, {"run": RUN}) is True
    assert started == []


def test_converge_that_fails_says_so_and_leaves_the_watch(
    place: Path, memory: Path, started: list[list[str]]
) -> None:
    folder = begun(place)
    assert runner.converge_node(folder, memory, {"run": RUN}) is False
    assert started == [["ansible-playbook", "playbooks/run.yml", "no"]]
    assert events(folder)[-1] == {"event": "playbook_failed", "code": 2, "log": ["no luck"]}
    assert (place / "lib" / "chautari" / "__init__.py").is_file()
    assert sorted(path.name for path in (place / "receipts").glob("*.json")) == ["b.json"]


def test_cut_off_installation_is_finished_before_any_role_runs(
    place: Path, memory: Path, started: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages, "find_interrupted", lambda: ["nginx"])
    monkeypatch.setattr(lock, "apt_holder", lambda: "")
    folder = begun(place)
    assert runner.converge_node(folder, memory, {"run": RUN}) is False
    assert [argv[0] for argv in started] == ["sh", "ansible-playbook"]
    [told] = [event for event in events(folder) if event["event"] == "dpkg_repaired"]
    assert (told["packages"], told["ok"]) == (["nginx"], False)


def test_packages_are_left_alone_where_nothing_runs(
    place: Path, memory: Path, started: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages, "find_interrupted", lambda: ["nginx"])
    written(memory / "roles.json", json.dumps([inputs("a"), inputs("b")]))
    assert runner.converge_node(begun(place), memory, {"run": RUN}) is True
    assert started == []


def test_worker_of_a_plan_converges_and_checks_nothing(
    place: Path, memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    for name in ("converge_node", "run_checks", "plan"):
        monkeypatch.setattr(runner, name, lambda *_, name=name: done.append(name) or True)
    for about, wanted in (
        ({"mode": "plan"}, ["plan"]),
        ({"mode": "verify"}, ["run_checks"]),
        ({"mode": "deploy"}, ["converge_node", "run_checks"]),
        ({"mode": "deploy", "checks": False}, ["converge_node"]),
    ):
        done.clear()
        assert runner._run_mode(place, memory, about, 0.0) is True
        assert done == wanted

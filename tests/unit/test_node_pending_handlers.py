"""Neither a kill nor a full disk loses a restart, or a note that a receipt is made from."""

import os
from pathlib import Path
from typing import Any

import pytest
from playbook_samples import Data, lines, play, roles, write
from receipt_samples import mode

from chautari.node import receipts
from chautari.node.converge import read_records
from chautari.node.pending_handlers import PendingHandlers, append_pending

COMMAND = "ansible.builtin.command"


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


def begun(state: Path, role: str = "web") -> PendingHandlers:
    restarts = PendingHandlers(state)
    restarts.begin(role)
    return restarts


def test_restart_outlives_a_kill_between_the_change_and_its_result(state: Path) -> None:
    begun(state).record_tentative(["Reload"])
    assert receipts.pending_handlers(state, "web") == ["Reload"]


def test_task_that_changed_nothing_asks_for_no_restart(state: Path) -> None:
    restarts = begun(state)
    restarts.record_tentative(["Reload"])
    restarts.discard_tentative()
    restarts.end()
    assert not receipts.pending_file(state, "web").exists()


def test_restart_that_another_task_asked_for_stays(state: Path) -> None:
    restarts = begun(state)
    for changed in (False, True, False):
        restarts.record_tentative(["Look", "Reload"] if changed else ["Reload", "Restart"])
        if changed:
            restarts.record(["Look", "Reload"])
        else:
            restarts.discard_tentative()
    restarts.end()
    assert receipts.pending_handlers(state, "web") == ["Reload", "Look"]


def test_restart_that_an_earlier_run_left_undone_stays(state: Path) -> None:
    begun(state).record_tentative(["Reload"])
    restarts = begun(state)
    restarts.record_tentative(["Reload", "Look"])
    restarts.discard_tentative()
    restarts.end()
    assert receipts.pending_handlers(state, "web") == ["Reload"]


def test_task_without_a_result_may_have_changed_something(state: Path) -> None:
    restarts = begun(state)
    restarts.record_tentative(["Reload"])
    restarts.record_tentative([])
    restarts.discard_tentative()
    restarts.record_tentative(["Look"])
    restarts.end()
    assert receipts.pending_handlers(state, "web") == ["Reload", "Look"]


def test_what_one_role_owes_is_not_another_s(state: Path) -> None:
    restarts = begun(state, "a")
    restarts.record_tentative(["Reload"])
    restarts.end()
    restarts.begin("b")
    restarts.record_tentative(["Reload"])
    restarts.discard_tentative()
    restarts.end()
    assert (receipts.pending_handlers(state, "a"), receipts.pending_handlers(state, "b")) == (
        ["Reload"],
        [],
    )


def test_each_restart_costs_the_disk_s_time_once_a_role(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    restarts = begun(state)
    for _ in range(30):
        restarts.record_tentative(["Reload", "Look"])
        restarts.discard_tentative()
    restarts.end()
    assert len(synced) == 1
    restarts.record_tentative(["Reload"])
    restarts.record(["Reload"])
    restarts.end()
    assert len(synced) == 2


def test_restart_that_found_no_room_is_noted_when_there_is_some(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    restarts = begun(state)
    with monkeypatch.context() as disk:
        disk.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            restarts.record_tentative(["Reload"])
    assert receipts.pending_handlers(state, "web") == []
    restarts.record(["Reload"])
    assert receipts.pending_handlers(state, "web") == ["Reload"]


def test_owed_restarts_are_told_once_each_in_their_order(state: Path) -> None:
    assert receipts.pending_handlers(state, "web") == []
    append_pending(state, "web", ["Restart", "Reload"])
    append_pending(state, "web", ["Reload", "Touch"])
    assert receipts.pending_handlers(state, "web") == ["Restart", "Reload", "Touch"]
    assert receipts.pending_handlers(state, "php") == []
    assert mode(state / "pending") == "0o700"


# ── In real playbooks ────────────────────────────────────────────────────────────────────────


def quiet(name: str, script: str, **more: Any) -> Data:
    return {"name": name, COMMAND: {"argv": ["sh", "-c", script]}, "changed_when": False} | more


def full(file: str) -> tuple[Data, Data]:
    """Return the tasks that let a file take nothing more, and again."""
    there = "{{ out }}/" + file
    return (
        quiet("Leave no room", f"mv {there} {there}.aside; mkdir {there}"),
        quiet("Make room", f"rmdir {there}; mv {there}.aside {there}"),
    )


def written(name: str) -> Data:
    arguments = {"dest": "{{ out }}/" + name, "content": "x", "mode": "0600"}
    return {"name": f"Write {name}", "ansible.builtin.copy": arguments, "notify": "Reload"}


def tasks() -> dict[str, list[Data]]:
    no_journal, journal = full("events.jsonl")
    no_notes, notes = full("managed.jsonl")
    look = "cp {{ out }}/state/pending/doubts {{ out }}/doubts.seen"
    fails = {"name": "Fail", "ansible.builtin.fail": {"msg": "no"}}
    return {
        "doubts": [
            quiet("Look", look, notify="Reload"),
            {"name": "Skip", COMMAND: "false", "when": False, "notify": ["Reload"]},
        ],
        "chains": [
            {"name": "Change", COMMAND: "true", "notify": "First"},
            {"name": "Ask each", COMMAND: "true", "loop": [{"asks": "Second"}, {"asks": "Third"}],
             "changed_when": "item['asks'] == 'Third'", "notify": "{{ item['asks'] }}"},
        ],
        "no_journal": [no_journal, written("one"), journal],
        "no_notes": [no_notes, written("two"), notes],
        "after": [quiet("Go well", "true")],
        "fails": [
            quiet("Find nothing to do", "true", notify="Never"),
            {"name": "Change half", COMMAND: "false", "notify": "Restart", "ignore_errors": True},
            {"name": "Try", "block": [no_journal, fails], "always": [journal]},
        ],
    }  # fmt: skip


def handlers(folder: Path) -> dict[str, list[Data]]:
    look = quiet("Look", f"cp {folder}/state/pending/chains {folder}/chains.seen", listen="Last")
    first = {"name": "First", COMMAND: "true", "notify": ["Last"]}
    turns = [{"name": name, COMMAND: "true"} for name in ("Second", "Third")]
    plain = {"name": "Reload", COMMAND: "true"}
    return {
        "doubts": [plain],
        "chains": [first, *turns, look],
        "no_journal": [plain],
        "no_notes": [plain],
        "fails": [{"name": name, COMMAND: "true"} for name in ("Never", "Restart")],
    }


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("node")
    roles(folder, tasks())
    for role, found in handlers(folder).items():
        write(folder / "roles" / role / "handlers" / "main.yml", found)
    plays: list[Data] = [
        {"hosts": "all", "gather_facts": False, "roles": [name], "vars": {"out": str(folder)}}
        for name in tasks()
    ]
    done = play(folder, plays, {"g": {"hosts": {"bog1": None}}})
    assert done.returncode == 2, done.stdout + done.stderr
    # The plugin raises where it should, and nowhere else.
    raised = [line for line in done.stderr.splitlines() if "Callback dispatch" in line]
    assert raised and all("Is a directory" in line for line in raised), done.stderr
    return folder


def test_restart_is_noted_before_the_task_that_may_ask_for_it(place: Path) -> None:
    assert (place / "doubts.seen").read_text() == "Reload\n"
    assert not (place / "state" / "pending" / "doubts").exists()


def test_restarts_that_handlers_and_turns_of_a_loop_ask_for_are_noted(place: Path) -> None:
    assert (place / "chains.seen").read_text().splitlines() == ["First", "Third", "Last"]


def test_task_that_failed_owes_its_restart_and_one_that_changed_nothing_does_not(
    place: Path,
) -> None:
    assert receipts.pending_handlers(place / "state", "fails") == ["Restart"]


def test_journal_without_room_costs_the_role_neither_its_notes_nor_its_restarts(
    place: Path,
) -> None:
    record = read_records(place / "managed.jsonl")["no_journal"]
    assert list(record.items) == [f"path {place}/one"]
    assert receipts.pending_handlers(place / "state", "no_journal") == ["Reload"]


def test_role_of_which_something_could_not_be_noted_is_not_done(place: Path) -> None:
    done = {
        role for role, record in read_records(place / "managed.jsonl").items() if record.completed
    }
    assert done == {"doubts", "chains", "after"}
    assert receipts.pending_handlers(place / "state", "no_notes") == ["Reload"]


def test_report_goes_on_when_there_is_room_again(place: Path) -> None:
    ended = [e["role"] for e in lines(place / "events.jsonl") if e["event"] == "role_finished"]
    assert ended == list(tasks())

"""Handlers are recorded before the task that notifies them, despite kills and full disks."""

import os
from pathlib import Path

import pytest
from receipt_samples import mode

from chautari.node import receipts
from chautari.node.pending_handlers import PendingHandlers, append_pending

COMMAND = "ansible.builtin.command"


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


def begin_role(state: Path, role: str = "web") -> PendingHandlers:
    restarts = PendingHandlers(state)
    restarts.begin_role(role)
    return restarts


def test_tentative_handler_outlives_a_kill(state: Path) -> None:
    begin_role(state).record_tentative(["Reload"])
    assert receipts.pending_handlers(state, "web") == ["Reload"]


def test_discarded_handler_is_not_pending(state: Path) -> None:
    restarts = begin_role(state)
    restarts.record_tentative(["Reload"])
    restarts.discard_tentative()
    restarts.keep_only_notified()
    assert not receipts.pending_handlers_file(state, "web").exists()


def test_discard_keeps_a_handler_that_another_task_notified(state: Path) -> None:
    restarts = begin_role(state)
    for changed in (False, True, False):
        restarts.record_tentative(["Look", "Reload"] if changed else ["Reload", "Restart"])
        if changed:
            restarts.record(["Look", "Reload"])
        else:
            restarts.discard_tentative()
    restarts.keep_only_notified()
    assert receipts.pending_handlers(state, "web") == ["Reload", "Look"]


def test_discard_keeps_a_handler_of_an_earlier_run(state: Path) -> None:
    begin_role(state).record_tentative(["Reload"])
    restarts = begin_role(state)
    restarts.record_tentative(["Reload", "Look"])
    restarts.discard_tentative()
    restarts.keep_only_notified()
    assert receipts.pending_handlers(state, "web") == ["Reload"]


def test_tentative_handler_without_a_result_stays_pending(state: Path) -> None:
    restarts = begin_role(state)
    restarts.record_tentative(["Reload"])
    restarts.record_tentative([])
    restarts.discard_tentative()
    restarts.record_tentative(["Look"])
    restarts.keep_only_notified()
    assert receipts.pending_handlers(state, "web") == ["Reload", "Look"]


def test_pending_handlers_are_separate_for_each_role(state: Path) -> None:
    restarts = begin_role(state, "a")
    restarts.record_tentative(["Reload"])
    restarts.keep_only_notified()
    restarts.begin_role("b")
    restarts.record_tentative(["Reload"])
    restarts.discard_tentative()
    restarts.keep_only_notified()
    assert (receipts.pending_handlers(state, "a"), receipts.pending_handlers(state, "b")) == (
        ["Reload"],
        [],
    )


def test_each_handler_is_synced_once_a_role(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    restarts = begin_role(state)
    for _ in range(30):
        restarts.record_tentative(["Reload", "Look"])
        restarts.discard_tentative()
    restarts.keep_only_notified()
    assert len(synced) == 1
    restarts.record_tentative(["Reload"])
    restarts.record(["Reload"])
    restarts.keep_only_notified()
    assert len(synced) == 2


def test_handler_is_recorded_once_the_disk_has_room(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    restarts = begin_role(state)
    with monkeypatch.context() as disk:
        disk.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            restarts.record_tentative(["Reload"])
    assert receipts.pending_handlers(state, "web") == []
    restarts.record(["Reload"])
    assert receipts.pending_handlers(state, "web") == ["Reload"]


def test_append_pending_keeps_each_handler_once_in_order(state: Path) -> None:
    assert receipts.pending_handlers(state, "web") == []
    append_pending(state, "web", ["Restart", "Reload"])
    append_pending(state, "web", ["Reload", "Touch"])
    assert receipts.pending_handlers(state, "web") == ["Restart", "Reload", "Touch"]
    assert receipts.pending_handlers(state, "php") == []
    assert mode(state / "pending") == "0o700"

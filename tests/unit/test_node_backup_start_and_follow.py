"""Other programs on a node learn why the newest backup failed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chautari.node.backup import start_and_follow

NO_DISK = {"code": "disk_not_mounted", "data": {"path": "/mnt/backup"}}
LOGIN = {"code": "login_refused", "data": {}}


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([], []),
        ([{"event": "finished", "ok": True, "error": None}], []),
        (
            [
                {"event": "target_finished", "target": "disk", "ok": False, "error": NO_DISK},
                {"event": "target_finished", "target": "box", "ok": True, "error": None},
                {"event": "finished", "ok": False, "error": None},
            ],
            ["disk: No disk is mounted at /mnt/backup. Fix: connect the disk and mount it."],
        ),
        (
            [{"event": "finished", "ok": False,
              "error": {"code": "several", "data": {"problems": [NO_DISK, LOGIN]}}}],
            ["No disk is mounted at /mnt/backup. Fix: connect the disk and mount it.",
             "The target refuses the login of this node. Fix: ask the operators of the target to "
             "deploy their region, so that the target accepts this node's key."],
        ),
    ],
)  # fmt: skip
def test_reasons_name_the_target_and_the_fix(
    tmp_path: Path, events: list[dict[str, object]], expected: list[str]
) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text("".join(f"{json.dumps(event)}\n" for event in events))
    assert start_and_follow.failure_reasons(file) == expected


def test_reasons_of_a_node_without_a_backup_are_empty(tmp_path: Path) -> None:
    assert start_and_follow.failure_reasons(tmp_path / "missing") == []

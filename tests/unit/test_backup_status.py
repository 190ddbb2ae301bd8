"""How backups stand: fresh, late, failed, damaged, or not known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from region_samples import load_sample_region
from test_backup_node_state import DRILL, TARGET

from chautari.backup.status import NodeAnswer, backup_statuses
from chautari.region.model import Region
from chautari.report.backup_texts import STATES, age_text, size_text
from chautari.report.model import BackupStatus

NOW = 1764500000
HOUR, DAY = 3600, 86400
TEXT = """\
region: andes
domain: andes.example.org
contact: ops@andes.example.org
operators: {{ana: {key} ana@laptop}}
nodes:
  bog1: {{address: 203.0.113.10, services: [nextcloud]}}
  med1: {{address: 203.0.113.11}}
mail: {{relay: smtp.example.org, user: region, from: cloud@andes.example.org}}
backup: {{to: [disk], targets: {{disk: {{disk: /mnt/backup}}}}, drill_days: 10}}
"""
FRESH = TARGET | {"last_success": NOW - 3 * HOUR, "last_attempt": NOW - 3 * HOUR}
PROVEN = DRILL | {"time": NOW - 2 * DAY}


@pytest.fixture
def region(tmp_path: Path) -> Region:
    return load_sample_region(tmp_path, TEXT).region


def judge(region: Region, target: Any = FRESH, drill: Any = PROVEN) -> list[BackupStatus]:
    targets = {} if target is None else {"disk": target}
    state = {"format": 1, "targets": targets, "drill": drill}
    answer = NodeAnswer("bog1", json.dumps(state).encode())
    return backup_statuses(region, {"bog1": answer}, NOW)


@pytest.mark.parametrize(
    ("change", "code", "state", "words"),
    [
        ({}, "stored", "green", "the last backup is 3 hours old"),
        ({"last_success": NOW - 26 * HOUR}, "stored", "green", "26 hours old"),
        ({"last_success": NOW - 26 * HOUR - 1}, "too_old", "broken", "the limit is 26 hours"),
        ({"last_success": NOW - 9 * DAY}, "too_old", "broken", "9 days old"),
        ({"last_success": NOW + 300}, "stored", "green", "less than a minute"),
        ({"last_success": NOW + HOUR}, "in_future", "broken", "in the future"),
        (
            {"check_ok": False, "check_error": {"reason": "segment 5"}},
            "damaged", "broken", "may be unusable: The check of the repository found damage: seg",
        ),
        (
            {"error": {"code": "files_left_out", "data": {"count": 2, "paths": ["a", "b"]}}},
            "incomplete", "pending", "3 hours old. The backup succeeded, but left out 2 files",
        ),
        ({"quota_bytes": 1000, "quota_used": 900}, "stored", "green", "3 hours"),
        ({"quota_bytes": 1000, "quota_used": 901}, "nearly_full", "pending", "90 % of the space"),
        ({"quota_bytes": 0, "quota_used": 901}, "stored", "green", "3 hours"),
        ({"check_ok": None, "last_check": None}, "stored", "green", "3 hours"),
        (
            {"error": {"code": "archive_exists", "data": {}}},
            "failed", "broken", "3 hours old, but there is a problem: An archive with this name",
        ),
        (
            {"error": {"code": "target_unreachable", "data": {}}, "last_attempt": NOW},
            "failed", "broken", "The target does not answer; the newest backup is 3 hours old",
        ),
        (
            {"error": {"code": "no_space", "data": {}}, "last_success": None},
            "failed", "broken", "no backup is stored yet",
        ),
        ({"last_success": None}, "never", "pending", "there is no backup yet"),
        ({"last_success": None, "last_attempt": None}, "never", "pending", "no backup yet"),
    ],
)  # fmt: skip
def test_target_is_judged(
    change: dict[str, Any], code: str, state: str, words: str, region: Region
) -> None:
    [found, _] = judge(region, FRESH | change)
    assert (found.code, found.state) == (code, state)
    assert words in found.cause
    assert bool(found.next_step) == (state != "green")
    assert "?" not in found.cause + found.next_step


@pytest.mark.parametrize(
    ("drill", "code", "state", "words"),
    [
        (PROVEN, "drill_passed", "green", "2 days ago"),
        (DRILL | {"time": NOW - 10 * DAY}, "drill_passed", "green", "10 days ago"),
        (DRILL | {"time": NOW - 10 * DAY - 1}, "drill_old", "pending", "10 days"),
        (None, "drill_never", "pending", "no restore has been tested yet"),
        (PROVEN | {"ok": False}, "drill_failed", "broken", "failed 2 days ago"),
        (
            PROVEN | {"ok": False, "error": {"code": "rows_differ", "data": {"table": "x"}}},
            "drill_failed", "broken", "2 days ago: rows_differ (table=x)",
        ),
        (DRILL | {"time": NOW + DAY}, "in_future", "broken", "in the future"),
    ],
)  # fmt: skip
def test_drill_is_judged(drill: Any, code: str, state: str, words: str, region: Region) -> None:
    [_, found] = judge(region, drill=drill)
    assert (found.target, found.code, found.state) == ("", code, state)
    assert words in found.cause and bool(found.next_step) == (state != "green")
    assert "?" not in found.cause + found.next_step


def test_target_of_a_peer_waits_for_its_letter(region: Region) -> None:
    assert region.backup is not None
    own = region.backup.model_copy(update={"to": ("himalaya",), "targets": {}})
    [found, _] = judge(region.model_copy(update={"backup": own}), None)
    assert (found.code, found.state) == ("waiting_for_peer", "pending")
    assert "deploy federation status andes" in found.next_step


def test_node_is_believed_about_its_own_targets_only(region: Region) -> None:
    state = {"format": 1, "targets": {"disk": FRESH, "other": FRESH}}
    answers = {
        name: NodeAnswer(name, json.dumps(state).encode())
        for name in ("bog1", "med1")  # med1 has nothing to store
    }
    found = backup_statuses(region, answers, NOW)
    assert [(item.node, item.target) for item in found] == [("bog1", "disk"), ("bog1", "")]


def test_record_that_cannot_be_read_is_broken(region: Region) -> None:
    [found] = backup_statuses(region, {"bog1": NodeAnswer("bog1", b"{")}, NOW)
    assert (found.code, found.state) == ("file_unreadable", "broken")
    problem = ("node_unreachable", {"reason": "No route to host.", "fix": "check the machine"})
    [found] = backup_statuses(region, {"bog1": NodeAnswer("bog1", problem=problem)}, NOW)
    assert (found.state, found.next_step) == ("broken", "check the machine")
    [found, drill] = backup_statuses(region, {"bog1": NodeAnswer("bog1")}, NOW)
    assert (found.code, drill.code) == ("never", "drill_never")


def test_hostile_texts_of_a_node_stay_short_and_on_one_line(region: Region) -> None:
    data = {"path": "\x1b[31m\n" * 2000, "{region}": "{0.__class__}"}
    [found, _] = judge(region, FRESH | {"error": {"code": "no_space", "data": data}})
    assert len(found.cause) < 600 and found.cause.isprintable()


def test_failed_backup_says_what_to_do_first(region: Region) -> None:
    [found, _] = judge(region, FRESH | {"error": {"code": "target_unreachable", "data": {}}})
    step = "check whether its server is up; then run: deploy backup andes --node bog1"
    assert found.next_step == step


@pytest.mark.parametrize(
    "data", [{"problems": 5}, {"problems": [1]}, {"problems": [{"code": 1, "data": 2}]}, {}]
)
def test_error_of_a_faulty_node_is_shown_as_it_is(data: dict[str, Any], region: Region) -> None:
    [found, _] = judge(region, FRESH | {"error": {"code": "several", "data": data}})
    assert found.code == "failed" and found.cause.isprintable()


def test_every_state_has_texts_that_fit_its_code() -> None:
    for code, (cause, step) in STATES.items():
        for text in (cause, step):
            assert callable(text) or not text.endswith("."), code


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "less than a minute"), (59, "less than a minute"), (60, "1 minute"),
        (3599, "59 minutes"), (3600, "1 hour"), (2 * DAY - 1, "47 hours"), (2 * DAY, "2 days"),
    ],
)  # fmt: skip
def test_age_is_shown_in_the_unit_that_people_choose(seconds: int, text: str) -> None:
    assert age_text(seconds) == text


def test_sizes_are_shown_as_disks_are_sold() -> None:
    assert [size_text(item) for item in (0, 999, 1500, 2.5e9, 3e12, 4e15)] == [
        "0 B", "999 B", "1.5 kB", "2.5 GB", "3.0 TB", "4000.0 TB",
    ]  # fmt: skip

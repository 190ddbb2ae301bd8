"""The events of real playbooks, run on this machine with the plugin that nodes use."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from playbook_samples import lines, play, roles, write

from chautari.node import receipts

FAIL = {"ansible.builtin.fail": {"msg": "no luck"}}
NESTED = [{"name": "Fail in an included file"} | FAIL]
ROLES: dict[str, list[dict[str, Any]]] = {
    "good": [
        {
            "name": "Name the record",
            "tags": ["report"],
            "ansible.builtin.debug": {"msg": "make an A record"},
        },
        {"name": "Report in its name only", "ansible.builtin.debug": {"msg": "no report"}},
        {"name": "Change", "ansible.builtin.command": "true", "notify": "Reload"},
        {"name": "Skip", "ansible.builtin.command": "false", "when": False},
        {"name": "Warn", "ansible.builtin.command": "true", "changed_when": False},
    ],
    "rescued": [
        {
            "name": "Try",
            "block": [{"name": "Fail at first"} | FAIL],
            "rescue": [{"name": "Mend", "ansible.builtin.command": "true"}],
        },
        {
            "name": "Try a file",
            "block": [{"name": "Include", "ansible.builtin.include_tasks": "nested.yml"}],
            "rescue": [{"name": "Mend again", "ansible.builtin.debug": {"msg": "x"}}],
        },
    ],
    "rescue_fails": [
        {
            "name": "Try",
            "block": [{"name": "Fail at first"} | FAIL],
            "rescue": [{"name": "Fail for good", "ansible.builtin.fail": {"msg": "beyond help"}}],
        }
    ],
    "always_fails": [
        {
            "name": "Try",
            "block": [{"name": "Go well", "ansible.builtin.debug": {"msg": "x"}}],
            "rescue": [{"name": "Never", "ansible.builtin.debug": {"msg": "x"}}],
            "always": [{"name": "Clean up"} | FAIL],
        }
    ],
    "secret": [
        {
            "name": "Use the secret",
            "ansible.builtin.command": "ls /canary-secret",
            "no_log": True,
        }
    ],
    "loop": [
        {
            "name": "Do each",
            "ansible.builtin.command": "ls /{{ item }}",
            "changed_when": False,
            "loop": ["tmp", "not-there-1", "not-there-2"],
        }
    ],
    "command": [{"name": "Run it", "ansible.builtin.command": "sh -c 'echo why >&2; exit 3'"}],
    "long": [{"name": "Talk", "ansible.builtin.fail": {"msg": "{{ 'x' * 5000 }}"}}],
}


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("node")
    roles(folder, ROLES)
    write(folder / "roles" / "rescued" / "tasks" / "nested.yml", NESTED)
    handler = {"name": "Reload", "ansible.builtin.command": "true", "changed_when": False}
    write(folder / "roles" / "good" / "handlers" / "main.yml", [handler])
    leave = {"ansible.builtin.meta": "end_host", "when": "inventory_hostname == 'spare'"}
    plays = [
        {"hosts": name, "gather_facts": False, "pre_tasks": [leave], "roles": [name]}
        for name in ROLES
    ]
    # A play whose hosts all failed ends the playbook; the spare one keeps it going.
    hosts = {name: {"hosts": {f"on_{name}": None, "spare": None}} for name in ROLES}
    done = play(folder, plays, hosts)
    assert done.returncode == 2, done.stderr
    assert "callback" not in (done.stdout + done.stderr).lower()
    return [event for event in lines(folder / "events.jsonl") if event["role"] != "setup"]


def of_role(events: list[dict[str, Any]], role: str) -> list[dict[str, Any]]:
    return [event for event in events if event.get("role") == role]


def brief(events: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    return [
        (event["event"], *(event[key] for key in ("task", "status") if key in event))
        for event in events
    ]


def failure(events: list[dict[str, Any]], role: str) -> dict[str, Any]:
    [found] = [event for event in of_role(events, role) if event["event"] == "failure"]
    return found


def test_roles_follow_each_other_and_all_are_closed(events: list[dict[str, Any]]) -> None:
    marks = [e for e in events if e["event"] in ("role_started", "role_finished")]
    assert [(event["event"], event["role"]) for event in marks] == [
        (kind, role) for role in ROLES for kind in ("role_started", "role_finished")
    ]


def test_role_that_goes_well_tells_each_task_and_its_counts(events: list[dict[str, Any]]) -> None:
    told = of_role(events, "good")
    assert brief(told) == [
        ("role_started",),
        ("task", "Name the record", "ok"),
        ("role_message",),
        ("task", "Report in its name only", "ok"),
        ("task", "Change", "changed"),
        ("task", "Skip", "skipped"),
        ("task", "Warn", "ok"),
        ("task", "Reload", "ok"),
        ("role_finished",),
    ]
    counts = {key: told[-1][key] for key in ("ok", "changed", "failed", "skipped", "rescued")}
    assert counts == {"ok": 4, "changed": 1, "failed": 0, "skipped": 1, "rescued": 0}
    assert told[-1]["seconds"] >= 0


def test_debug_task_with_the_report_tag_becomes_a_notice(events: list[dict[str, Any]]) -> None:
    notices = [event for event in events if event["event"] == "role_message"]
    assert notices == [{"event": "role_message", "role": "good", "text": "make an A record"}]


def test_failure_that_a_rescue_takes_up_is_not_final(events: list[dict[str, Any]]) -> None:
    told = of_role(events, "rescued")
    assert brief(told) == [
        ("role_started",),
        ("task", "Fail at first", "rescued"),
        ("task", "Mend", "changed"),
        ("task", "Include", "ok"),
        ("task", "Fail in an included file", "rescued"),
        ("task", "Mend again", "ok"),
        ("role_finished",),
    ]
    assert (told[-1]["failed"], told[-1]["rescued"]) == (0, 2)


def test_failure_in_the_rescue_itself_is_final(events: list[dict[str, Any]]) -> None:
    assert brief(of_role(events, "rescue_fails"))[1:] == [
        ("task", "Fail at first", "rescued"),
        ("task", "Fail for good", "failed"),
        ("failure", "Fail for good"),
        ("role_finished",),
    ]
    assert failure(events, "rescue_fails")["message"] == "beyond help"


def test_failure_in_an_always_part_is_final(events: list[dict[str, Any]]) -> None:
    assert failure(events, "always_fails")["task"] == "Clean up"


def test_failure_carries_message_and_journal(events: list[dict[str, Any]]) -> None:
    found = failure(events, "command")
    assert found["message"].splitlines()[-1] == "why"
    assert found["journal"] == ["nginx[1]: a warning"]
    assert of_role(events, "command")[-1]["failed"] == 1


def test_failed_items_of_a_loop_are_named(events: list[dict[str, Any]]) -> None:
    message = failure(events, "loop")["message"]
    assert "not-there-1" in message
    assert "not-there-2" in message


def test_secret_of_a_failed_task_is_hidden(events: list[dict[str, Any]]) -> None:
    assert failure(events, "secret")["message"] == (
        "its output is hidden, since it may hold a secret"
    )
    assert "canary" not in json.dumps(events)


def test_long_message_is_cut(events: list[dict[str, Any]]) -> None:
    assert failure(events, "long")["message"] == "x" * 2000 + " …"


def test_no_message_is_a_traceback(events: list[dict[str, Any]]) -> None:
    assert "Traceback" not in json.dumps(events)
    assert os.environ.get("CHAUTARI_EVENTS") is None


def test_tasks_and_handlers_of_a_shared_role_belong_to_the_role_that_includes_it(
    tmp_path: Path,
) -> None:
    include = {"ansible.builtin.include_role": {"name": "shared", "tasks_from": "site.yml"}}
    change = {"name": "Write", "ansible.builtin.command": "true", "notify": "Reload"}
    handler = {"name": "Load", "ansible.builtin.command": "true", "listen": "Reload"}
    roles(tmp_path, {"site": [{"name": "Include"} | include]})
    write(tmp_path / "roles/site/meta/main.yml", {"dependencies": [{"role": "shared"}]})
    write(tmp_path / "roles/site/tasks/remove.yml", [{"name": "Remove"} | include])
    write(tmp_path / "roles/shared/tasks/site.yml", [change])
    write(tmp_path / "roles/shared/handlers/main.yml", [handler])
    remove = {"ansible.builtin.include_role": {"name": "site", "tasks_from": "remove.yml"}}
    plays: list[dict[str, Any]] = [
        {"hosts": "site", "gather_facts": False, "roles": ["site"]},
        {"hosts": "site", "gather_facts": False, "tasks": [{"name": "Remove site"} | remove]},
    ]
    done = play(tmp_path, plays, {"site": {"hosts": {"here": None}}})
    assert done.returncode == 0, done.stderr
    told = [event for event in lines(tmp_path / "events.jsonl") if event["role"] != "setup"]
    assert {event["role"] for event in told} == {"site"}
    assert [event["task"] for event in told if event["event"] == "task"] == [
        "Include", "Write", "Load", "Remove", "Write", "Load",
    ]  # fmt: skip
    assert {note["role"] for note in lines(tmp_path / "managed.jsonl")} == {"site"}
    assert receipts.pending_handlers(tmp_path / "state", "site") == ["Reload"]

"""What the plugin notes for the receipts, from real playbooks on this machine."""

import json
from pathlib import Path
from typing import Any

import pytest
from playbook_samples import Data, lines, play, roles, write

from chautari.node import receipts
from chautari.node.converge import read_records

SECRET = 'canary "quoted" ñ'
COMMAND = "ansible.builtin.command"


def template(src: str, dest: str, **more: Any) -> Data:
    return {"ansible.builtin.template": {"src": src, "dest": dest, "mode": "0600"}} | more


# All of them write under `out`.
TASKS: dict[str, list[Data]] = {
    "files": [
        {"name": "Write with a secret"} | template("s.j2", "{{ out }}/secret", no_log=True),
        {"name": "Write openly"} | template("s.j2", "{{ out }}/open"),
        {"name": "Write into a folder"} | template("s.j2", "{{ out }}"),
        {"name": "Write nothing", "ansible.builtin.file": {"path": "/never"}, "when": False},
    ],
    "loops": [
        {
            "name": "Make each",
            "ansible.builtin.file": {"path": "{{ out }}/{{ item }}", "state": "touch",
                                     "mode": "0600"},
            "loop": ["one", "two"],
            "when": "item != 'three'",
        },
        {
            "name": "Write each with a secret",
            "ansible.builtin.copy": {"dest": "{{ out }}/{{ item }}", "content": "x",
                                     "mode": "0600"},
            "loop": ["s1", "s2"],
            "no_log": True,
        },
        {
            "name": "Some are not meant",
            "ansible.builtin.file": {"path": "{{ out }}/{{ item }}", "state": "touch",
                                     "mode": "0600"},
            "loop": ["three", "four"],
            "when": "item != 'three'",
        },
    ],
    "commands": [
        {"name": "Only look", COMMAND: "true", "changed_when": False},
        {"name": "Change something", COMMAND: "true"},
        {"name": "Make once", COMMAND: {"cmd": "true", "creates": "{{ out }}/open"}},
    ],
    "handlers": [
        {"name": "Change", COMMAND: "true", "notify": ["Reload", "Look"]},
        {"name": "Change not", COMMAND: "true", "changed_when": False, "notify": "Never"},
    ],
    "tells": [
        {
            "name": "Report the secret",
            "tags": ["report"],
            "ansible.builtin.debug": {"msg": f"it is {SECRET}, and 7"},
        },
        {"name": "Report at length", "tags": ["report"],
         "ansible.builtin.debug": {"msg": "x" * 1990 + SECRET}},
        {"name": "Fetch", "ansible.builtin.get_url": {
            "url": "file://{{ out }}/open", "dest": "{{ out }}/fetched", "mode": "0600"}},
        {"name": "Fetch what is there", "ansible.builtin.get_url": {
            "url": "file://{{ out }}/s.j2", "dest": "{{ out }}/fetched", "mode": "0600",
            "force": False}},
        {"name": "Tell what would be fetched of images", "tags": ["download_estimate"],
         "ansible.builtin.debug": {
            "msg": "the image {{ item }}"}, "loop": ["one", "two"], "when": "item == 'two'"},
    ],
    "rescues": [
        {
            "name": "Try",
            "block": [{"name": "Ask", "ansible.builtin.fail": {"msg": "no"}}],
            "rescue": [{"name": "Go on", "ansible.builtin.debug": {"msg": "x"}}],
        }
    ],
    "fails": [
        {"name": "Write before", "ansible.builtin.file": {"path": "{{ out }}", "mode": "0700"}},
        {"name": "Change first", COMMAND: "true", "notify": "Never done"},
        {"name": "Fail", "ansible.builtin.fail": {"msg": SECRET}},
    ],
}  # fmt: skip


def prepared(folder: Path) -> None:
    """Write roles, handlers, templates and secrets."""
    (folder / "out").mkdir()
    roles(folder, TASKS)
    (folder / "roles" / "files" / "templates").mkdir()
    (folder / "roles" / "files" / "templates" / "s.j2").write_text("{{ secret }}\n")
    pending = folder / "state" / "pending" / "handlers"
    look = f"cp {pending} {folder}/pending.seen"
    write(folder / "roles" / "handlers" / "handlers" / "main.yml", [
        {"name": "Look", COMMAND: look, "changed_when": False},
        {"name": "Reload", COMMAND: "true"},
    ])  # fmt: skip
    handler = {"name": "Never done", COMMAND: "false"}
    write(folder / "roles" / "fails" / "handlers" / "main.yml", [handler])
    (folder / "secrets.json").write_text(json.dumps([SECRET, "7"]))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("node")
    prepared(folder)
    variables = {"secret": SECRET, "out": str(folder / "out")}
    makes_up = {"name": "Make up", COMMAND: "true", "changed_when": True, "notify": "Reload"}
    plays: list[Data] = [
        {"hosts": "all", "gather_facts": False, "roles": [name], "vars": variables}
        | ({"tasks": [makes_up]} if name == "handlers" else {})
        for name in TASKS
    ]
    done = play(folder, plays, {"g": {"hosts": {"bog1": None}}})
    assert done.returncode == 2, done.stdout + done.stderr
    assert "callback" not in (done.stdout + done.stderr).lower()
    return folder


def items(place: Path, role: str) -> dict[str, Data]:
    return read_records(place / "managed.jsonl")[role].items


def test_template_is_noted_where_it_was_written(place: Path) -> None:
    out = place / "out"
    found = items(place, "files")
    assert set(found) == {f"path {out}/secret", f"path {out}/open", f"path {out}/s.j2"}


def test_file_with_a_secret_is_watched_and_nothing_of_it_noted(place: Path) -> None:
    found = items(place, "files")[f"path {place}/out/secret"]
    assert found == {"kind": "path", "name": f"{place}/out/secret"}
    assert "sha1" in items(place, "files")[f"path {place}/out/open"]
    assert "canary" not in (place / "managed.jsonl").read_text()


def test_each_turn_of_a_loop_is_noted(place: Path) -> None:
    names = [item["name"].rsplit("/", 1)[1] for item in items(place, "loops").values()]
    assert names == ["one", "two", "s1", "s2", "four"]


def test_only_a_command_that_may_change_something_is_untracked(place: Path) -> None:
    record = read_records(place / "managed.jsonl")["commands"]
    assert [task["name"] for task in record.untracked] == ["Change something"]
    assert list(record.items) == [f"exists {place}/out/open"]


def test_restart_is_noted_as_owed_before_its_handler_runs(place: Path) -> None:
    assert (place / "pending.seen").read_text().splitlines()[:2] == ["Reload", "Look"]


def test_task_that_makes_up_for_restarts_owes_none_itself(place: Path) -> None:
    assert {file.name for file in (place / "state" / "pending").iterdir()} == {"handlers", "fails"}


def test_role_that_came_to_its_end_is_done(place: Path) -> None:
    done = {
        role for role, record in read_records(place / "managed.jsonl").items() if record.completed
    }
    assert done == {"files", "loops", "commands", "handlers", "tells", "rescues"}


def test_role_that_failed_is_not_done_and_owes_its_restarts(place: Path) -> None:
    assert read_records(place / "managed.jsonl")["fails"].completed is False
    assert receipts.pending_handlers(place / "state", "fails") == ["Never done"]


def test_failure_that_a_rescue_takes_up_is_noted(place: Path) -> None:
    assert read_records(place / "managed.jsonl")["rescues"].rescued == ["Ask"]


def test_secrets_are_masked_in_events_and_notices(place: Path) -> None:
    everything = (place / "events.jsonl").read_text() + (place / "managed.jsonl").read_text()
    assert "canary" not in everything
    notices = read_records(place / "managed.jsonl")["tells"].notices
    # What is that short is no secret, and none is halved where a long message is cut.
    assert notices == ["it is ********, and 7", "x" * 1990 + "********"]
    events = lines(place / "events.jsonl")
    assert [event["text"] for event in events if event["event"] == "role_message"] == notices
    [failed] = [e for e in events if e["event"] == "failure" and e["task"] == "Fail"]
    assert failed["message"] == "********"


def test_download_is_noted_with_its_address(place: Path) -> None:
    notes = [note for note in lines(place / "managed.jsonl") if "download" in note]
    assert [note["download"] for note in notes] == [f"file://{place}/out/open", "the image two"]


def test_what_a_task_changed_is_told_from_what_it_found_so(place: Path) -> None:
    notes = [n for n in lines(place / "managed.jsonl") if n.get("item", {}).get("kind") == "path"]
    assert {note["item"]["name"]: note.get("changed", False) for note in notes} == {
        f"{place}/out/{name}": True
        for name in ("secret", "open", "s.j2", "one", "two", "s1", "s2", "four", "fetched")
    } | {f"{place}/out/fetched": False, f"{place}/out": True}


def test_check_notes_no_restart_and_tells_differences(tmp_path: Path) -> None:
    prepared(tmp_path)
    (tmp_path / "out" / "open").write_text("before\n")
    variables = {"secret": "after", "out": str(tmp_path / "out")}
    plays: list[Data] = [
        {"hosts": "all", "gather_facts": False, "roles": [name], "vars": variables}
        for name in ("files", "handlers")
    ]
    hosts = {"g": {"hosts": {"bog1": None}}}
    done = play(tmp_path, plays, hosts, "--check", "--diff", CHAUTARI_CHECKING="yes")
    assert done.returncode == 0, done.stdout
    assert not (tmp_path / "state" / "pending").exists()
    events = lines(tmp_path / "events.jsonl")
    found = {e["task"]: e["diff"] for e in events if e["event"] == "difference"}
    assert "Write with a secret" not in found
    assert "-before" in found["Write openly"] and "+after" in found["Write openly"]
    assert (tmp_path / "out" / "open").read_text() == "before\n"

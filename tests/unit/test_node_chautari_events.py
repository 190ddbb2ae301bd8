"""What the plugin reports and records of real playbooks, run on this machine."""

import json
import os
from pathlib import Path

import pytest
from playbook_samples import (
    ALL,
    EVENTS,
    PENDING,
    RECORDS,
    Data,
    PlaybookRun,
    change,
    play_of,
    plays_of_shared_role,
    run_playbook,
    write_roles,
    write_shared_role,
)

from chautari.node import receipts
from chautari.node.converge import read_role_records


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> PlaybookRun:
    """Run all roles, also those that fail: each run of Ansible takes seconds to begin."""
    folder = tmp_path_factory.mktemp("node")
    write_roles(folder)
    write_shared_role(folder)
    # A deploy adds such a task for handlers that are pending since an earlier run.
    late = {"tasks": [change("Notify the pending handlers", notify="Reload")]}
    plays = [play_of(role, folder, **(late if role == "handlers" else {})) for role in ALL]
    found = run_playbook(folder, [*plays, *plays_of_shared_role(folder)], [*ALL, "site"])
    assert found.done.returncode == 2, found.output
    # The plugin raises where it should, and nowhere else.
    raised = [line for line in found.done.stderr.splitlines() if "Callback dispatch" in line]
    mentions = [line for line in found.output.splitlines() if "callback" in line.lower()]
    assert raised == mentions, found.output
    assert raised and all("Is a directory" in line for line in raised), found.output
    return found


def brief(events: list[Data]) -> list[tuple[str, ...]]:
    return [
        (event["event"], *(event[key] for key in ("task", "status") if key in event))
        for event in events
    ]


def failure(run: PlaybookRun, role: str) -> Data:
    [found] = [event for event in run.events(role) if event["event"] == "failure"]
    return found


def items(run: PlaybookRun, role: str) -> dict[str, Data]:
    return read_role_records(run.folder / "managed.jsonl")[role].items


def completed_roles(run: PlaybookRun) -> set[str]:
    records = read_role_records(run.folder / "managed.jsonl")
    return {role for role, record in records.items() if record.completed}


def pending_handlers(run: PlaybookRun, role: str) -> list[str]:
    return receipts.pending_handlers(run.folder / "state", role)


# ── Events ───────────────────────────────────────────────────────────────────────────────────


def test_events_begin_and_end_each_role_in_turn(run: PlaybookRun) -> None:
    marks = [e for e in run.events(*EVENTS) if e["event"] in ("role_started", "role_finished")]
    assert [(event["event"], event["role"]) for event in marks] == [
        (kind, role) for role in EVENTS for kind in ("role_started", "role_finished")
    ]


def test_events_name_each_task_and_count_outcomes(run: PlaybookRun) -> None:
    found = run.events("good")
    assert brief(found) == [
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
    counts = {key: found[-1][key] for key in ("ok", "changed", "failed", "skipped", "rescued")}
    assert counts == {"ok": 4, "changed": 1, "failed": 0, "skipped": 1, "rescued": 0}
    assert found[-1]["seconds"] >= 0


def test_debug_task_with_the_report_tag_becomes_a_message(run: PlaybookRun) -> None:
    messages = [event for event in run.events(*EVENTS) if event["event"] == "role_message"]
    assert messages == [{"event": "role_message", "role": "good", "text": "make an A record"}]


def test_debug_task_with_the_failure_tag_is_a_failure_in_a_role_that_completes(
    run: PlaybookRun,
) -> None:
    assert failure(run, "not_achieved") == {
        "event": "failure", "role": "not_achieved", "task": "Report what was not done",
        "message": "as before", "journal": [],
    }  # fmt: skip
    record = read_role_records(run.folder / "managed.jsonl")["not_achieved"]
    assert record.completed and record.rescued == ["Report what was not done"]


def test_task_with_the_login_tag_asks_for_a_login_before_it_runs(run: PlaybookRun) -> None:
    assert brief(run.events("asks_for_login"))[:3] == [
        ("role_started",),
        ("login_requested",),
        ("task", "Wait for a login", "ok"),
    ]
    assert sum(event["event"] == "login_requested" for event in run.events(*EVENTS)) == 1


def test_rescued_failure_is_not_final(run: PlaybookRun) -> None:
    found = run.events("rescued")
    assert brief(found) == [
        ("role_started",),
        ("task", "Fail at first", "rescued"),
        ("task", "Repair", "changed"),
        ("task", "Include", "ok"),
        ("task", "Fail in an included file", "rescued"),
        ("task", "Repair again", "ok"),
        ("role_finished",),
    ]
    assert (found[-1]["failed"], found[-1]["rescued"]) == (0, 2)


def test_failure_in_a_rescue_is_final(run: PlaybookRun) -> None:
    assert brief(run.events("rescue_fails"))[1:] == [
        ("task", "Fail at first", "rescued"),
        ("task", "Fail for good", "failed"),
        ("failure", "Fail for good"),
        ("role_finished",),
    ]
    assert failure(run, "rescue_fails")["message"] == "beyond help"


def test_failure_in_an_always_part_is_final(run: PlaybookRun) -> None:
    assert failure(run, "always_fails")["task"] == "Clean up"


def test_failure_has_the_message_and_the_journal(run: PlaybookRun) -> None:
    found = failure(run, "command")
    assert found["message"].splitlines()[-1] == "why"
    assert found["journal"] == ["nginx[1]: a warning"]
    assert run.events("command")[-1]["failed"] == 1


def test_failure_names_the_failed_items_of_a_loop(run: PlaybookRun) -> None:
    message = failure(run, "loop")["message"]
    assert "not-there-1" in message
    assert "not-there-2" in message


def test_failure_hides_the_output_of_a_no_log_task(run: PlaybookRun) -> None:
    assert (
        failure(run, "secret")["message"] == "its output is hidden because it may contain a secret"
    )
    assert "canary" not in json.dumps(run.events())


def test_failure_shortens_a_long_message(run: PlaybookRun) -> None:
    assert failure(run, "long")["message"] == "x" * 2000 + " …"


def test_events_hold_no_traceback(run: PlaybookRun) -> None:
    assert "Traceback" not in json.dumps(run.events())
    assert os.environ.get("CHAUTARI_EVENTS") is None


def test_tasks_of_a_shared_role_belong_to_the_role_that_includes_it(run: PlaybookRun) -> None:
    assert {event["role"] for event in run.events()} - {"setup"} == {*ALL, "site"}
    assert [event["task"] for event in run.events("site") if event["event"] == "task"] == [
        "Include", "Write", "Load", "Remove", "Write", "Load",
    ]  # fmt: skip
    assert {record["role"] for record in run.records()} <= {*ALL, "site"}
    assert [r["untracked"]["name"] for r in run.records("site") if "untracked" in r] == [
        "Write"
    ] * 2
    assert pending_handlers(run, "site") == ["Reload"]


# ── Records for receipts ─────────────────────────────────────────────────────────────────────


def test_record_names_the_file_that_a_template_wrote(run: PlaybookRun) -> None:
    out = run.folder / "out"
    found = items(run, "files")
    assert set(found) == {f"path {out}/secret", f"path {out}/open", f"path {out}/s.j2"}


def test_record_of_a_file_with_a_secret_holds_no_digest(run: PlaybookRun) -> None:
    out = run.folder / "out"
    found = items(run, "files")[f"path {out}/secret"]
    assert found == {"kind": "path", "name": f"{out}/secret"}
    assert "sha1" in items(run, "files")[f"path {out}/open"]
    assert "canary" not in (run.folder / "managed.jsonl").read_text()


def test_record_names_each_item_of_a_loop(run: PlaybookRun) -> None:
    names = [item["name"].rsplit("/", 1)[1] for item in items(run, "loops").values()]
    assert names == ["one", "two", "s1", "s2", "four"]


def test_record_has_as_untracked_only_commands_that_may_change_something(run: PlaybookRun) -> None:
    record = read_role_records(run.folder / "managed.jsonl")["commands"]
    assert [task["name"] for task in record.untracked] == ["Change something"]
    assert list(record.items) == [f"exists {run.folder}/out/open"]


def test_pending_handler_is_recorded_before_it_runs(run: PlaybookRun) -> None:
    seen = (run.folder / "handlers.seen").read_text()
    assert seen.splitlines()[:2] == ["Reload", "Look"]


def test_task_outside_of_the_role_leaves_no_pending_handler(run: PlaybookRun) -> None:
    pending = {file.name for file in (run.folder / "state" / "pending").iterdir()}
    assert pending & set(RECORDS) == {"handlers", "fails"}


def test_record_of_a_role_whose_tasks_all_ran_is_completed(run: PlaybookRun) -> None:
    assert completed_roles(run) & set(RECORDS) == {
        "files", "loops", "commands", "handlers", "reports", "rescues",
    }  # fmt: skip
    assert completed_roles(run) & set(EVENTS) == {
        "good",
        "asks_for_login",
        "not_achieved",
        "rescued",
    }


def test_record_of_a_failed_role_is_not_completed(run: PlaybookRun) -> None:
    assert read_role_records(run.folder / "managed.jsonl")["fails"].completed is False
    assert pending_handlers(run, "fails") == ["Never done"]


def test_record_names_the_rescued_task(run: PlaybookRun) -> None:
    assert read_role_records(run.folder / "managed.jsonl")["rescues"].rescued == ["Ask"]


def test_events_and_records_mask_secrets(run: PlaybookRun) -> None:
    files = (run.folder / "events.jsonl"), (run.folder / "managed.jsonl")
    assert "canary" not in "".join(file.read_text() for file in files)
    notices = read_role_records(run.folder / "managed.jsonl")["reports"].notices
    # A text that short is no secret, and no secret is cut in two where a long message is cut.
    assert notices == ["it is ********, and 7", "x" * 1990 + "********"]
    messages = [e["text"] for e in run.events(*RECORDS) if e["event"] == "role_message"]
    assert messages == notices
    [failed] = [e for e in run.events("fails") if e["event"] == "failure" and e["task"] == "Fail"]
    assert failed["message"] == "********"


def test_record_of_a_download_has_its_address(run: PlaybookRun) -> None:
    downloads = [record["download"] for record in run.records() if "download" in record]
    assert downloads == [f"file://{run.folder}/out/open", "the image two"]


def test_record_says_whether_the_task_changed_the_file(run: PlaybookRun) -> None:
    out = f"{run.folder}/out"
    paths = [r for r in run.records(*RECORDS) if r.get("item", {}).get("kind") == "path"]
    assert {record["item"]["name"]: record.get("changed", False) for record in paths} == {
        f"{out}/{name}": True
        for name in ("secret", "open", "s.j2", "one", "two", "s1", "s2", "four")
    } | {f"{out}/fetched": False, out: True}


def test_check_mode_records_no_handler_and_reports_differences(tmp_path: Path) -> None:
    write_roles(tmp_path)
    (tmp_path / "out" / "open").write_text("before\n")
    roles = ("files", "handlers")
    plays = [play_of(name, tmp_path, secret="after") for name in roles]
    found = run_playbook(tmp_path, plays, roles, "--check", "--diff", CHAUTARI_CHECKING="yes")
    assert found.done.returncode == 0, found.output
    assert not (tmp_path / "state" / "pending").exists()
    diffs = {e["task"]: e["diff"] for e in found.events() if e["event"] == "difference"}
    assert "Write with a secret" not in diffs
    assert "-before" in diffs["Write openly"] and "+after" in diffs["Write openly"]
    assert (tmp_path / "out" / "open").read_text() == "before\n"


# ── Pending handlers, and a full disk ────────────────────────────────────────────────────────


def test_tentative_handler_is_recorded_before_its_task_and_discarded_after(
    run: PlaybookRun,
) -> None:
    assert (run.folder / "tentative.seen").read_text() == "Reload\n"
    assert not (run.folder / "state" / "pending" / "tentative").exists()


def test_handlers_that_handlers_and_loops_notify_are_recorded(run: PlaybookRun) -> None:
    seen = (run.folder / "chained.seen").read_text()
    assert seen.splitlines() == ["First", "Third", "Last"]


def test_failed_task_leaves_its_handler_pending(run: PlaybookRun) -> None:
    assert pending_handlers(run, "half_failed") == ["Restart"]


def test_full_journal_loses_no_record_and_no_handler(run: PlaybookRun) -> None:
    record = read_role_records(run.folder / "managed.jsonl")["full_journal"]
    assert list(record.items) == [f"path {run.folder}/one"]
    assert pending_handlers(run, "full_journal") == ["Reload"]


def test_role_with_a_lost_record_is_not_completed(run: PlaybookRun) -> None:
    assert completed_roles(run) & set(PENDING) == {"tentative", "chained", "after"}
    assert pending_handlers(run, "full_records") == ["Reload"]


def test_events_continue_when_the_disk_has_room_again(run: PlaybookRun) -> None:
    ended = [e["role"] for e in run.events(*PENDING) if e["event"] == "role_finished"]
    assert ended == list(PENDING)

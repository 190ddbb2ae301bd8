"""Which roles run, how often, and which receipts they leave."""

import json
from pathlib import Path
from typing import Any

import pytest
from receipt_samples import (
    FakeAnsible,
    codes,
    events_of,
    inputs,
    make_link_loop,
    path_item,
    reason_text,
    run_context,
    write_file,
)

from chautari.node import converge, dpkg_repair, pending_handlers, receipts, runner
from chautari.node.receipts import RoleInputs

Data = dict[str, Any]


def writes_and_records(file: Path, text: str) -> Any:
    """Return a function for FakeAnsible that writes a file and records it."""

    def does() -> list[Data]:
        write_file(file, text)
        return [{"item": path_item(file)}]

    return does


def run_pass(
    folder: Path, roles: list[RoleInputs], full: bool = False, **does: Any
) -> tuple[int, FakeAnsible]:
    ansible = FakeAnsible(folder / "memory", does)
    return converge.converge(run_context(folder, roles, ansible), full), ansible


def test_fresh_node_runs_every_role_in_one_pass(tmp_path: Path) -> None:
    code, ansible = run_pass(tmp_path, [inputs("a"), inputs("b")])
    assert (code, ansible.ran) == (0, [["a", "b"]])
    assert [receipt.role for receipt in receipts.all_receipts(tmp_path / "state")] == ["a", "b"]


def test_up_to_date_node_does_not_start_ansible(tmp_path: Path) -> None:
    roles = [inputs("a"), inputs("b")]
    run_pass(tmp_path, roles)
    code, ansible = run_pass(tmp_path, roles)
    assert (code, ansible.ran) == (0, [])


def test_changed_role_runs_with_the_roles_that_need_it(tmp_path: Path) -> None:
    roles = [inputs("a"), inputs("b"), inputs("c", needs=["a"])]
    run_pass(tmp_path, roles)
    _, ansible = run_pass(tmp_path, [inputs("a", files="f2"), *roles[1:]])
    assert ansible.ran == [["a", "c"]]
    assert [event["role"] for event in events_of(tmp_path, "role_up_to_date")] == ["b"]


def test_full_runs_everything_once(tmp_path: Path) -> None:
    roles = [inputs("a"), inputs("b")]
    run_pass(tmp_path, roles)
    _, ansible = run_pass(tmp_path, roles, full=True)
    assert ansible.ran == [["a", "b"]]


def test_role_that_changes_files_of_another_causes_a_second_pass(tmp_path: Path) -> None:
    file = tmp_path / "etc" / "shared"
    roles = [inputs("a"), inputs("b")]
    run_pass(tmp_path, roles, a=writes_and_records(file, "of a\n"))

    def breaks() -> None:
        file.unlink()

    changed = [roles[0], inputs("b", files="f2")]
    code, ansible = run_pass(tmp_path, changed, a=writes_and_records(file, "of a\n"), b=breaks)
    assert (code, ansible.ran) == (0, [["b"], ["a"]])
    assert file.read_text() == "of a\n"
    assert receipts.roles_to_run(tmp_path / "state", changed) == {}


def test_manual_change_that_the_role_keeps_is_reported(tmp_path: Path) -> None:
    file, does = tmp_path / "hosts", {"a": lambda: [{"item": path_item(tmp_path / "hosts")}]}
    write_file(file, "one line of it is the role's\n")
    run_pass(tmp_path, [inputs("a")], **does)
    write_file(file, "by hand\n")
    run_pass(tmp_path, [inputs("a")], **does)
    [event] = events_of(tmp_path, "manual_change_kept")
    assert event["role"] == "a" and str(file) in reason_text(event["changes"][0])


def test_role_that_was_not_completed_keeps_no_manual_change(tmp_path: Path) -> None:
    """As settings of SSH that a login has yet to confirm."""
    file = tmp_path / "etc" / "drop-in"
    run_pass(tmp_path, [inputs("a")], a=writes_and_records(file, "settings\n"))
    file.unlink()
    rescued = [{"rescued": "Wait for a login"}, {"item": path_item(file)}]
    run_pass(tmp_path, [inputs("a")], a=lambda: rescued)
    assert events_of(tmp_path, "manual_change_kept") == []


def test_manual_change_that_several_roles_watch_is_reported_once(tmp_path: Path) -> None:
    file = write_file(tmp_path / "sshd_config", "as it was\n")
    watch = {role: lambda: [{"item": path_item(file)}] for role in ("ssh", "firewall")}
    run_pass(tmp_path, [inputs("ssh"), inputs("firewall")], **watch)
    write_file(file, "by hand\n")
    run_pass(tmp_path, [inputs("ssh"), inputs("firewall")], **watch)
    assert [event["role"] for event in events_of(tmp_path, "manual_change_kept")] == ["ssh"]


@pytest.mark.parametrize("order", [("ssh", "firewall"), ("firewall", "ssh")])
def test_role_reports_no_change_that_another_one_may_still_restore(
    tmp_path: Path, order: tuple[str, str]
) -> None:
    """The firewall watches settings of SSH, which wait for a login."""
    file, roles = tmp_path / "drop-in", [inputs(name) for name in order]
    watch = [{"item": path_item(file)}]
    writes = writes_and_records(file, "settings\n")
    run_pass(tmp_path, roles, ssh=writes, firewall=lambda: watch)
    file.unlink()
    rescued = [{"rescued": "Wait for a login"}, *watch]
    _, ansible = run_pass(tmp_path, roles, ssh=lambda: rescued, firewall=lambda: watch)
    assert ansible.ran == [list(order)]
    assert events_of(tmp_path, "manual_change_kept") == []


def test_change_by_a_role_is_not_reported_as_manual(tmp_path: Path) -> None:
    """As a certificate that was refused for a while and takes its placeholder's place."""
    file = tmp_path / "certificate"
    open_at_first = [{"rescued": "Ask for it"}, *writes_and_records(file, "placeholder\n")()]
    run_pass(tmp_path, [inputs("a")], a=lambda: open_at_first)
    _, ansible = run_pass(tmp_path, [inputs("a")], a=writes_and_records(file, "the real one\n"))
    assert ansible.ran == [["a"]]
    assert events_of(tmp_path, "manual_change_kept") == []


def test_roles_that_overwrite_each_other_end_after_few_passes(tmp_path: Path) -> None:
    file = tmp_path / "x"
    code, ansible = run_pass(
        tmp_path,
        [inputs("a"), inputs("b")],
        a=writes_and_records(file, "a\n"),
        b=writes_and_records(file, "b\n"),
    )
    assert code == 0
    assert len(ansible.ran) <= converge.MAX_PASSES


@pytest.mark.parametrize(
    ("given", "records"),
    [
        (
            {},
            [
                {
                    "untracked": {
                        "name": "Run it",
                        "tags": ["run_it"],
                        "change": "command",
                        "module": "command",
                    }
                }
            ],
        ),
        ({}, [{"rescued": "Ask"}]),
        ({"items": [{"kind": "probe", "name": "p", "script": "echo none; exit 1"}]}, []),
        (
            {"items": [{"kind": "reload_marker", "name": "l", "settings": [], "marker": "/gone"}]},
            [],
        ),
    ],
    ids=["untracked", "rescued", "probe", "loaded"],
)
def test_role_with_an_incomplete_receipt_runs_once_a_deploy(
    given: Data, records: list[Data], tmp_path: Path
) -> None:
    roles = [inputs("a", **given), inputs("b", needs=["a"])]
    for _ in range(2):
        code, ansible = run_pass(tmp_path, roles, a=lambda: records)
        assert (code, ansible.ran) == (0, [["a", "b"]])
    assert [event["role"] for event in events_of(tmp_path, "receipt_incomplete")] == ["a", "a"]


def test_failure_keeps_the_receipts_of_earlier_roles(tmp_path: Path) -> None:
    roles = [inputs("a"), inputs("b"), inputs("c")]
    code, ansible = run_pass(tmp_path, roles, b=lambda: False)
    assert (code, ansible.ran) == (2, [["a", "b"]])
    assert [receipt.role for receipt in receipts.all_receipts(tmp_path / "state")] == ["a"]
    _, again = run_pass(tmp_path, roles)
    assert again.ran == [["b", "c"]]


def test_receipts_of_chosen_roles_are_deleted_before_ansible_starts(tmp_path: Path) -> None:
    roles = [inputs("a"), inputs("b")]
    run_pass(tmp_path, roles)
    seen: list[list[str]] = []

    class Killed(Exception):
        pass

    def killed() -> None:
        seen.append([receipt.role for receipt in receipts.all_receipts(tmp_path / "state")])
        raise Killed

    changed = [inputs("a", files="f2"), roles[1]]
    with pytest.raises(Killed):
        run_pass(tmp_path, changed, a=killed)
    assert seen == [["b"]]
    assert list(receipts.roles_to_run(tmp_path / "state", changed)) == ["a"]


def test_records_of_an_earlier_pass_write_no_receipt(tmp_path: Path) -> None:
    run_pass(tmp_path, [inputs("a")])
    code, _ = run_pass(tmp_path, [inputs("a", files="f2")], a=lambda: False)
    assert code == 2
    assert receipts.all_receipts(tmp_path / "state") == []


def test_only_the_first_chosen_play_gathers_facts(tmp_path: Path) -> None:
    roles = [inputs("a"), inputs("b"), inputs("c")]
    run_pass(tmp_path, roles)
    changed = [roles[0], inputs("b", files="f2"), inputs("c", files="f2")]
    _, ansible = run_pass(tmp_path, changed)
    [plays] = ansible.plays
    assert [(play["hosts"], play["gather_facts"]) for play in plays] == [("b", True), ("c", False)]


HANDLERS = """\
---
- name: Reload nginx
  ansible.builtin.command: "true"
- name: "Restart: all"
  ansible.builtin.command: "true"
- ansible.builtin.command: "true"
  name: Test it
  listen: Load the rules
- name: Ask
  ansible.builtin.command: "true"
  listen:
    - First of two
    - 'Second of two'
"""


def handlers_of_play(folder: Path, *names: str) -> list[str]:
    write_file(folder / "memory" / "roles" / "a" / "handlers" / "main.yml", HANDLERS)
    pending_handlers.append_pending(folder / "state", "a", names)
    _, ansible = run_pass(folder, [inputs("a"), inputs("b")])
    [[first, second]] = ansible.plays
    assert "tasks" not in second
    notified: list[str] = [name for task in first.get("tasks", ()) for name in task["notify"]]
    return notified


@pytest.mark.parametrize(
    ("owed", "notified"),
    [
        (["Reload nginx"], True),
        (["Restart: all"], True),
        (["Load the rules"], True),
        (["First of two"], True),
        (["Second of two"], True),
        (["Reload"], False),
        (["nginx"], False),
        (["the rules"], False),
        (["Renamed since"], False),
    ],
)
def test_pending_handlers_are_notified_when_the_role_still_has_them(
    owed: list[str], notified: bool, tmp_path: Path
) -> None:
    assert handlers_of_play(tmp_path, *owed) == (owed if notified else [])


def test_task_for_pending_handlers_always_notifies_them(tmp_path: Path) -> None:
    write_file(tmp_path / "memory" / "roles" / "a" / "handlers" / "main.yml", HANDLERS)
    pending_handlers.append_pending(tmp_path / "state", "a", ["Reload nginx", "Renamed", "Ask"])
    _, ansible = run_pass(tmp_path, [inputs("a")])
    [[play]] = ansible.plays
    [task] = play["tasks"]
    assert (task["notify"], task["changed_when"]) == (["Reload nginx", "Ask"], True)
    assert receipts.pending_handlers(tmp_path / "state", "a") == []


def test_handlers_stay_pending_when_their_play_fails(tmp_path: Path) -> None:
    pending_handlers.append_pending(tmp_path / "state", "a", ["Reload nginx"])
    run_pass(tmp_path, [inputs("a")], a=lambda: False)
    assert receipts.pending_handlers(tmp_path / "state", "a") == ["Reload nginx"]


def test_role_with_lost_records_is_reported_once(tmp_path: Path) -> None:
    there = run_context(tmp_path, [inputs("a")], lambda _: 0)
    assert converge.converge(there, full=False) == 0
    assert receipts.load_receipt(there.state, "a") is None
    [event] = events_of(tmp_path, "receipt_incomplete")
    assert (event["role"], "`df -h /run /var`" in reason_text(event["reason"])) == ("a", True)


def test_plan_changes_no_receipt(tmp_path: Path) -> None:
    roles = [inputs("a")]
    run_pass(tmp_path, roles)
    before = (tmp_path / "state" / "receipts" / "a.json").read_bytes()
    ansible = FakeAnsible(tmp_path / "memory", {})
    converge.run_roles_and_return_exit_code(
        run_context(tmp_path, roles, ansible), [inputs("a", files="f2")], recording=False
    )
    assert ansible.ran == [["a"]]
    assert (tmp_path / "state" / "receipts" / "a.json").read_bytes() == before


def test_reasons_are_reported_before_each_pass(tmp_path: Path) -> None:
    run_pass(tmp_path, [inputs("a")])
    first, second = events_of(tmp_path, "roles_selected")
    assert (first["pass_number"], codes(first["roles"]["a"])) == (0, ["receipt_missing"])
    assert (second["pass_number"], second["roles"]) == (1, {})


def test_up_to_date_role_repeats_its_last_messages(tmp_path: Path) -> None:
    roles = [inputs("a")]
    run_pass(tmp_path, roles, a=lambda: [{"notice": "make an A record"}])
    run_pass(tmp_path, roles)
    [event] = events_of(tmp_path, "role_up_to_date")
    assert (event["role"], event["notices"]) == (
        "a",
        [{"code": "role_message", "data": {"role": "a", "text": "make an A record"}}],
    )


def test_read_records_groups_lines_by_role(tmp_path: Path) -> None:
    one, two = {"kind": "path", "name": "/x", "sha1": "1"}, {"kind": "path", "name": "/x"}
    records = [
        {"role": "a", "item": one}, {"role": "a", "item": two},
        {"role": "b", "item": {"kind": "exists", "name": "/x"}},
        {"role": "a", "untracked": {"name": "T", "tags": [], "why": "why"}},
        {"role": "a", "notice": "n"},
        {"role": "a", "download": "https://example.org/n.tar"},
        {"role": "b", "rescued": "R"}, {"role": "a", "completed": True},
    ]  # fmt: skip
    (tmp_path / "n").write_text("".join(json.dumps(record) + "\n" for record in records))
    found = converge.read_role_records(tmp_path / "n")
    assert list(found["a"].items.values()) == [two]
    assert found["a"].untracked == [{"name": "T", "tags": [], "why": "why"}]
    assert found["a"].notices == ["n"]
    assert (found["a"].completed, found["b"].completed, found["b"].rescued) == (True, False, ["R"])
    assert converge.read_role_records(tmp_path / "gone") == {}


def busy(
    folder: Path, monkeypatch: pytest.MonkeyPatch, roles: list[RoleInputs], full: bool = False,
    code: int = 0,
) -> list[str]:  # fmt: skip
    """Return the playbooks that ran when the role `a` can check whether it is in use."""
    ran: list[str] = []

    def ansible(playbook: str) -> int:
        ran.append(playbook)
        return code

    write_file(folder / "memory" / "roles" / "a" / "tasks" / "in_use.yml", "[]\n")
    monkeypatch.setattr(runner, "_run_context", lambda *_: run_context(folder, roles, ansible))
    monkeypatch.setattr(runner, "install_drift_code", lambda *_: None)
    monkeypatch.setattr(dpkg_repair, "repair_dpkg", lambda *_: ran.append("packages"))
    assert runner.try_to_converge(folder, folder / "memory", {"full": full}) == (code == 0)
    return ran


def test_check_in_use_runs_before_any_role(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    roles = [inputs("a"), inputs("b")]
    assert busy(tmp_path, monkeypatch, roles, code=2) == ["playbooks/in_use.yml"]
    assert busy(tmp_path, monkeypatch, roles)[:2] == ["playbooks/in_use.yml", "packages"]
    [play] = json.loads((tmp_path / "memory" / "playbooks" / "in_use.yml").read_text())
    assert play["tasks"][0]["ansible.builtin.include_role"] == {
        "name": "a", "tasks_from": "in_use.yml",
    }  # fmt: skip


def test_check_in_use_is_skipped_when_no_role_would_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    roles = [inputs("a")]
    run_pass(tmp_path, roles)
    assert busy(tmp_path, monkeypatch, roles) == []
    assert busy(tmp_path, monkeypatch, roles, full=True)[0] == "playbooks/in_use.yml"


def test_check_in_use_includes_roles_to_remove(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    roles = [inputs("b")]
    run_pass(tmp_path, roles)
    (tmp_path / "memory" / "obsolete_roles.json").write_text('["a"]')
    write_file(tmp_path / "memory" / "roles" / "a" / "tasks" / "remove.yml", "[]\n")
    assert busy(tmp_path, monkeypatch, roles)[0] == "playbooks/in_use.yml"


def test_unreadable_path_is_not_reported_as_a_manual_change(tmp_path: Path) -> None:
    file = write_file(tmp_path / "etc" / "x")

    def ansible(_: str) -> int:
        records = [{"role": "a", "item": path_item(file)}, {"role": "a", "completed": True}]
        lines = (json.dumps(record) + "\n" for record in records)
        (tmp_path / "memory" / "managed.jsonl").write_text("".join(lines))
        return 0

    there = run_context(tmp_path, [inputs("a")], ansible)
    assert converge.converge(there, full=False) == 0
    make_link_loop(tmp_path / "etc")
    assert converge.converge(there, full=False) == 0
    assert events_of(tmp_path, "manual_change_kept") == []
    assert [event["role"] for event in events_of(tmp_path, "receipt_incomplete")] == ["a"]

"""Run the roles whose receipts do not match, until all of them match.

One pass is one `ansible-playbook` over the selected roles. What a role changes may break another
role's receipt, so receipts are compared again after each pass. Three passes are enough for roles
that do not overwrite each other's files.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from chautari.node import future_mtimes, receipts, task_resources
from chautari.node.changes_since_receipt import diff_resource, unreadable_path_reason
from chautari.node.events import Reason, RunEvent, make_reason
from chautari.node.receipt_writer import RoleRecord, delete_unreferenced_texts, write_receipts
from chautari.node.receipts import Receipt, RoleInputs

MAX_PASSES = 3
REMOVE_TASKS = "tasks/remove.yml"
IN_USE_TASKS = "in_use.yml"
# Reasons that mean that a role has other inputs than before.
NEW_INPUTS = frozenset({
    "role_changed", "ansible_changed", "variable_changed", "variable_added", "variable_removed",
    "machine_changed", "facts_added", "receipt_missing", "receipt_damaged",
    "receipt_outdated",
})  # fmt: skip
# A line of a role's handlers that is a name, or one of the names that a handler listens to.
_NAME = re.compile(r"^[- ]*(?:name:|listen:)? *(['\"]?)(.*?)\1 *$", re.MULTILINE)
Emit = Callable[[RunEvent], None]
Ansible = Callable[[str], int]


@dataclass(frozen=True)
class RunContext:
    """The folders and functions of one run.

    Attributes:
        state: folder that outlives runs, with the receipts.
        memory: the unpacked bundle.
        run: the run's id.
        ansible: runs `ansible-playbook` on a playbook and returns its exit code.
        emit: writes an event to the journal.
    """

    state: Path
    memory: Path
    run: str
    ansible: Ansible
    emit: Emit

    @property
    def roles(self) -> list[RoleInputs]:
        """Return the inputs of the node's roles, in the order they run."""
        inputs: list[RoleInputs] = json.loads((self.memory / "roles.json").read_text())
        return inputs


def converge(context: RunContext, full: bool) -> int:
    """Run the roles that have to run; return Ansible's last exit code, 0 when none had to."""
    roles, ran = context.roles, set[str]()
    for number in range(MAX_PASSES):
        reasons = receipts.roles_to_run(context.state, roles, full=full and number == 0)
        # A role whose receipt stays incomplete has just run: it waits for the next deploy.
        selected = [
            i
            for i in roles
            if i["role"] in reasons and not _ran_and_only_waits_for_receipts(i, reasons, ran)
        ]
        names = [inputs["role"] for inputs in selected]
        why = {name: reasons[name] for name in names}
        context.emit({"event": "roles_selected", "roles": why, "pass_number": number})
        if not selected:
            break
        before = {name: receipts.load_receipt(context.state, name) for name in names}
        receipts.delete_receipts_of_roles(context.state, names)
        receipts.record_begun_roles(context.state, names)
        code = run_roles_and_return_exit_code(context, selected)
        ran.update(names)
        if code:
            return code
        _report_manual_changes_kept_in_receipts(context, before, reasons)
    report_up_to_date(context, roles, ran)
    for name in ran:
        if receipts.load_receipt(context.state, name) is None:
            unrecorded = make_reason("not_recorded")
            context.emit({"event": "receipt_incomplete", "role": name, "reason": unrecorded})
    delete_unreferenced_texts(context.state)
    return 0


def is_up_to_date(context: RunContext, full: bool) -> bool:
    """Return whether no role would run and none would be removed."""
    if removal_reasons_by_role(context):
        return False
    return not receipts.roles_to_run(context.state, context.roles, full=full)


def run_in_use_tasks(context: RunContext) -> int:
    """Run `tasks/in_use.yml` of each role that has it; return Ansible's exit code.

    It fails while people use the service, and runs only where a deploy would change something.
    """
    names = [inputs["role"] for inputs in context.roles] + _read_obsolete_roles(context)
    title = "Check whether people are using the service"
    return run_task_file_of_roles(context, names, IN_USE_TASKS, title, facts=False)


def run_task_file_of_roles(
    context: RunContext, names: list[str], tasks: str, title: str, facts: bool = True
) -> int:
    """Run the task file of each role that has it, and not the role; return Ansible's exit code."""
    file = Path("tasks") / tasks
    plays = [
        _play_that_includes(role, tasks, title, facts=facts)
        for role in names
        if _role_has_file(context, role, str(file))
    ]
    return _run_plays(context, tasks, plays) if plays else 0


def remove_roles(context: RunContext, purge: bool) -> int:
    """Run the `remove.yml` of each obsolete role, the last one first; return Ansible's exit code.

    Services depend on roles that were set up before them, so removal goes in the opposite order.
    Data is kept unless `purge` is set. A role without removal tasks stays, and is reported.
    """
    removable = removal_reasons_by_role(context)
    for role in set(_read_obsolete_roles(context)) - set(removable):
        context.emit({"event": "role_not_removable", "role": role})
    if not removable:
        return 0
    context.emit({"event": "roles_selected", "roles": removable, "pass_number": 0})
    plays = [
        _play_that_includes(role, "remove.yml", f"Remove {role}", vars={"purge": purge})
        for role in reversed(list(removable))
    ]
    code = _run_plays(context, "remove.yml", plays)
    if code == 0:
        for role in removable:
            receipts.delete_records_of_role(context.state, role)
    return code


def removal_reasons_by_role(context: RunContext) -> dict[str, list[Reason]]:
    """Return the obsolete roles that have removal tasks, in the order of their set-up."""
    obsolete = _read_obsolete_roles(context)
    why = make_reason("obsolete_role")
    return {role: [why] for role in obsolete if _role_has_file(context, role, REMOVE_TASKS)}


def _read_obsolete_roles(context: RunContext) -> list[str]:
    file = context.memory / "obsolete_roles.json"
    roles: list[str] = json.loads(file.read_text()) if file.is_file() else []
    return roles


def _role_has_file(context: RunContext, role: str, name: str) -> bool:
    return (context.memory / "roles" / role / name).is_file()


def _play_that_includes(
    role: str, tasks_from: str, name: str, facts: bool = True, **more: object
) -> dict[str, object]:
    include = {"name": role, "tasks_from": tasks_from}
    return {
        "name": name, "hosts": "all", "become": False, "gather_facts": facts, **more,
        "tasks": [{"name": name, "ansible.builtin.include_role": include}],
    }  # fmt: skip


def _run_plays(context: RunContext, name: str, plays: list[dict[str, object]]) -> int:
    """Write a playbook and run it; JSON is YAML, so no YAML library is needed."""
    playbook = context.memory / "playbooks" / name
    playbook.parent.mkdir(exist_ok=True)
    playbook.write_text(json.dumps(plays))
    return context.ansible(f"playbooks/{name}")


def run_roles_and_return_exit_code(
    context: RunContext, selected: list[RoleInputs], recording: bool = True
) -> int:
    """Run the selected roles; with `recording`, write the receipts of those that completed."""
    records = context.memory / "managed.jsonl"
    records.unlink(missing_ok=True)
    plays = _plays_of_roles(context, selected)
    if recording:
        future_mtimes.reset_future_mtimes(
            item for inputs in selected for item in inputs.get("items", ())
        )
    # Ansible gathers facts as it begins: an address that changes meanwhile is in no file yet.
    machine = receipts.gather_machine_facts(selected)
    code = _run_plays(context, "run.yml", plays)
    if recording:
        incomplete = write_receipts(
            context.state, context.run, selected, read_role_records(records), machine
        )
        for role, why in incomplete.items():
            context.emit({"event": "receipt_incomplete", "role": role, "reason": why})
    return code


def _ran_and_only_waits_for_receipts(
    inputs: RoleInputs, reasons: dict[str, list[Reason]], ran: set[str]
) -> bool:
    """Return whether a role ran in this deploy and only waits for its receipt to be complete."""
    role = inputs["role"]
    return role in ran and all(
        item["code"] == "receipt_incomplete"
        or (item["code"] == "needs" and item["data"]["role"] in ran)
        for item in reasons[role]
    )


def _plays_of_roles(context: RunContext, selected: list[RoleInputs]) -> list[dict[str, object]]:
    """Return the plays of the selected roles."""
    known = json.loads((context.memory / "plays.json").read_text())
    plays: list[dict[str, object]] = []
    for inputs in selected:
        play = dict(known[inputs["role"]])
        # The runner is root already, and a bare machine has no sudo yet.
        play["become"] = False
        # Facts are gathered once, by the first role that runs.
        play["gather_facts"] = not plays
        if handlers := _pending_handlers_of_role(context, inputs):
            play["tasks"] = [{
                "name": "Run the handlers that an interrupted run may have skipped",
                "ansible.builtin.command": {"argv": ["true"]},
                "changed_when": True,
                "notify": handlers,
            }]  # fmt: skip
        plays.append(play)
    return plays


def _pending_handlers_of_role(context: RunContext, inputs: RoleInputs) -> list[str]:
    """Return the pending handlers that the role still has; a newer version may rename them."""
    names = set[str]()
    for role in (inputs["role"], *inputs.get("shared_roles", ())):
        file = context.memory / "roles" / role / "handlers" / "main.yml"
        text = file.read_text() if file.is_file() else ""
        names |= {match[1] for match in _NAME.findall(text)}
    pending = receipts.pending_handlers(context.state, inputs["role"])
    return [name for name in pending if name in names]


def _report_manual_changes_kept_in_receipts(
    context: RunContext, before: dict[str, Receipt | None], reasons: dict[str, list[Reason]]
) -> None:
    """Report manual changes that a role does not manage and its new receipt records.

    A role with new inputs may leave other things behind than before, so only roles with their old
    inputs count. What was unchanged before this run, and what a command of the role changed in it,
    is the role's own work.
    """
    now = {role: receipts.load_receipt(context.state, role) for role in before}
    complete = {role for role, new in now.items() if new and not new.incomplete_reason}
    for role, old in before.items():
        new = now[role]
        if old is None or new is None or role not in complete:
            continue
        if any(r["code"] in NEW_INPUTS for r in reasons[role]):
            continue
        changes = [
            change
            for change in _differences_between_receipts(old, new)
            if role == _role_that_reports_change(change, reasons, complete)
        ]
        if changes:
            context.emit({"event": "manual_change_kept", "role": role, "changes": changes})


def _role_that_reports_change(
    change: Reason, reasons: Mapping[str, list[Reason]], complete: set[str]
) -> str | None:
    """Return the role that reports a manual change: the first of those that watch the resource.

    One that was not completed may still restore it, so then none of them does.
    """
    watching = [role for role, why in reasons.items() if change in why]
    return watching[0] if watching and complete.issuperset(watching) else None


def _differences_between_receipts(old: Receipt, new: Receipt) -> list[Reason]:
    states = {task_resources.resource_key(i): s for i, s in zip(new.items, new.states, strict=True)}
    return [
        difference
        for item, before in zip(old.items, old.states, strict=True)
        if (key := task_resources.resource_key(item)) in states
        and not unreadable_path_reason(item, states[key])
        and not {item["name"], item.get("file")} & set(new.command_probes)
        for difference in diff_resource(item, before, states[key])
    ]


def report_up_to_date(context: RunContext, roles: list[RoleInputs], ran: set[str]) -> None:
    """Report the roles that did not run, with their notices of the run that wrote the receipt."""
    for role in receipts.up_to_date_roles(context.state, roles, dict.fromkeys(ran)):
        context.emit({
            "event": "role_up_to_date", "role": role["role"], "run": role["run"],
            "notices": role["notices"],
        })  # fmt: skip


def read_role_records(file: Path) -> dict[str, RoleRecord]:
    """Return what the event plugin recorded of each role that ran."""
    records: dict[str, RoleRecord] = {}
    for line in file.read_text().splitlines() if file.is_file() else ():
        note = json.loads(line)
        record = records.setdefault(note["role"], RoleRecord())
        if "item" in note:
            key = task_resources.resource_key(note["item"])
            record.items[key] = task_resources.merge_resource_descriptions(
                record.items.get(key), note["item"]
            )
        elif "untracked" in note:
            record.untracked.append(note["untracked"])
        elif "notice" in note:
            record.notices.append(note["notice"])
        elif "rescued" in note:
            record.rescued.append(note["rescued"])
        elif "completed" in note:
            record.completed = True
    return records

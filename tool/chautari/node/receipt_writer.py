"""Write the receipts of the roles that completed; say why a receipt is incomplete."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TypedDict

from chautari.node import current_resources, desired_state_mismatch, receipts, task_resources
from chautari.node.changes_since_receipt import Item, State, unreadable_path_reason
from chautari.node.events import Reason, make_reason
from chautari.node.receipts import Receipt, RoleInputs

# The inputs of a role that its receipt holds.
RECORDED_INPUTS = ("role", "files", "ansible", "facts", "variables")


class UntrackedTask(TypedDict):
    """A task whose changes cannot be read from its module's arguments.

    `change` is a key of `reason_texts.UNTRACKED`.
    """

    name: str
    tags: list[str]
    change: str
    module: str


class RoleRecord:
    """What the event plugin recorded of a role's tasks; `completed` when all of them ran."""

    def __init__(
        self,
        items: Mapping[str, Item] = MappingProxyType({}),
        untracked: Iterable[UntrackedTask] = (),
        notices: Iterable[str] = (),
        rescued: Iterable[str] = (),
        completed: bool = False,
    ) -> None:
        """Begin with what is recorded already."""
        self.items, self.untracked = dict(items), list(untracked)
        self.notices, self.rescued, self.completed = list(notices), list(rescued), completed


def write_role_receipt(state: Path, receipt: Receipt) -> None:
    """Write a receipt so that a power cut leaves the old or the new one."""
    body = {"format": receipts.FORMAT} | vars(receipt)
    whole = json.dumps(body | {"digest": receipts.receipt_digest(body)}, sort_keys=True)
    replace_file_for_root_only(receipts.receipts_folder(state) / f"{receipt.role}.json", whole)


def replace_file_for_root_only(file: Path, text: str) -> None:
    """Replace a file in one step, for root only, once the new content is on the disk."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    aside = file.with_name(f".{file.name}.new")
    with open(aside, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    aside.replace(file)


def write_receipts(
    state: Path,
    run: str,
    roles: list[RoleInputs],
    records: Mapping[str, RoleRecord],
    machine: State | None = None,
) -> dict[str, Reason]:
    """Write the receipts of the roles that completed; return why some of them are incomplete.

    A receipt records the current states. When a file is not what its role wrote a moment ago,
    another program changed it meanwhile, and the receipt is incomplete. `machine` holds the facts
    that the roles used: `gather_machine_facts` from before they ran, or the current ones.
    """
    ended = [i for i in roles if records.get(i["role"], RoleRecord()).completed]
    lists = [_watched_items(inputs, records[inputs["role"]]) for inputs in ended]
    states = current_resources.current_states(item for items in lists for item in items)
    machine = receipts.gather_machine_facts(ended) if machine is None else machine
    position, incomplete = 0, dict[str, Reason]()
    for inputs, items in zip(ended, lists, strict=True):
        role, record = inputs["role"], records[inputs["role"]]
        own = states[position : position + len(items)]
        position += len(items)
        why = _incomplete_reason(inputs, record, items, own)
        if why:
            incomplete[role] = why
        write_role_receipt(state, _build_receipt(run, inputs, machine, items, own, record, why))
        save_world_readable_texts(state, items, own)
        receipts.pending_handlers_file(state, role).unlink(missing_ok=True)
    return incomplete


def _build_receipt(
    run: str, inputs: RoleInputs, machine: State, items: list[Item], states: list[State],
    record: RoleRecord, incomplete: Reason | None,
) -> Receipt:  # fmt: skip
    role = inputs["role"]
    recorded: RoleInputs = {name: inputs[name] for name in RECORDED_INPUTS if name in inputs}  # type: ignore[literal-required,assignment]
    plain = [{key: value for key, value in item.items() if key != "sha1"} for item in items]
    notices = [make_reason("role_message", role=role, text=text) for text in record.notices]
    facts = receipts.select_facts_for_role(inputs, machine)
    return Receipt(
        role, run, time.time(), recorded, facts, plain, states, notices, incomplete,
        _trackers_of_untracked_tasks(inputs, record),
    )  # fmt: skip


def _watched_items(inputs: RoleInputs, record: RoleRecord) -> list[Item]:
    """Return the resources that tasks reported and those that the role declares, each once."""
    items = dict(record.items)
    for item in inputs.get("items", ()):
        items[task_resources.resource_key(item)] = item
    return list(items.values())


def _trackers_of_untracked_tasks(inputs: RoleInputs, record: RoleRecord) -> list[str]:
    """Return the probes, paths and markers that track what the role's commands did in this run."""
    known = inputs.get("tracked_by", {})
    tags = [tag for task in record.untracked for tag in task["tags"]]
    return list(dict.fromkeys(name for tag in tags for name in known.get(tag, ())))


def _incomplete_reason(
    inputs: RoleInputs, record: RoleRecord, items: list[Item], states: list[State]
) -> Reason | None:
    for task in record.untracked:
        if not inputs.get("tracked_by", {}).keys() & set(task["tags"]):
            known = {"task": task["name"], "change": task["change"], "module": task["module"]}
            return make_reason("untracked_task", **known)
    if record.rescued:
        return make_reason("task_failed", task=record.rescued[0])
    for item, state in zip(items, states, strict=True):
        if why := unreadable_path_reason(item, state):
            return why
        if state.get("ok") is False:
            return make_reason("not_desired", name=item["name"])
        if "sha1" in item and current_resources.file_digest(item["name"], "sha1") != item["sha1"]:
            return make_reason("changed_meanwhile", path=item["name"])
        if why := desired_state_mismatch.desired_state_mismatch(item, state):
            return why
    return None


# ── The contents of files, for diffs ─────────────────────────────────────────────────────────


SHOWN_BYTES = 65_536


def save_world_readable_texts(state: Path, items: list[Item], states: list[State]) -> None:
    """Save the texts that every account of the node may read, so that drift can show a diff."""
    for item, now in zip(items, states, strict=True):
        if item["kind"] != "path" or now["is"] != "file" or not int(now["mode"], 8) & 0o004:
            continue
        # A file that vanished meanwhile is reported by the next survey.
        with contextlib.suppress(OSError):
            saved = receipts.receipts_folder(state) / "contents" / now["sha256"]
            _save_small_file_if_digest_matches(Path(item["name"]), saved)


def _save_small_file_if_digest_matches(file: Path, saved: Path) -> None:
    if saved.exists() or file.stat().st_size > SHOWN_BYTES:
        return
    content = file.read_bytes()
    if hashlib.sha256(content).hexdigest() == saved.name:
        saved.parent.mkdir(mode=0o700, exist_ok=True)
        aside = saved.with_suffix(".new")
        aside.write_bytes(content)
        aside.replace(saved)


def delete_unreferenced_texts(state: Path) -> None:
    """Delete saved texts that no receipt refers to."""
    used = {s.get("sha256") for receipt in receipts.all_receipts(state) for s in receipt.states}
    for file in (receipts.receipts_folder(state) / "contents").glob("*"):
        if file.name not in used:
            file.unlink(missing_ok=True)

"""Seals roles: writes the receipt of each one that came to its end, or why it stays open."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypedDict

from chautari.node import desired_state, fingerprint, receipts, resources
from chautari.node.differences import unread
from chautari.node.receipts import Inputs, Receipt

# Of a role's inputs, what its receipt keeps.
KEPT = ("role", "files", "ansible", "facts", "variables")


class UntrackedTask(TypedDict):
    """A task whose changes cannot be read from its module's arguments, and why."""

    name: str
    tags: list[str]
    why: str


class Record:
    """What a role's tasks told while it ran, and whether it came to its end."""

    def __init__(
        self,
        items: Mapping[str, dict[str, Any]] = MappingProxyType({}),
        untracked: Iterable[UntrackedTask] = (),
        notices: Iterable[str] = (),
        rescued: Iterable[str] = (),
        done: bool = False,
    ) -> None:
        """Begin with what is told already."""
        self.items, self.untracked = dict(items), list(untracked)
        self.notices, self.rescued, self.done = list(notices), list(rescued), done


def save(state: Path, receipt: Receipt) -> None:
    """Write a receipt aside, and put it in place only when it is on the disk."""
    body = {"format": receipts.FORMAT} | vars(receipt)
    whole = json.dumps(body | {"digest": receipts.digest(body)}, sort_keys=True)
    replace(receipts.folder_of(state) / f"{receipt.role}.json", whole)


def replace(file: Path, text: str) -> None:
    """Replace a file in one step, for root alone, so that a power cut leaves old or new."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    aside = file.with_name(f".{file.name}.new")
    with open(aside, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    aside.replace(file)


def seal(
    state: Path,
    run: str,
    roles: list[Inputs],
    records: Mapping[str, Record],
    machine: dict[str, Any] | None = None,
) -> dict[str, str]:
    """Write the receipts of the roles that came to their end; return those that stay open, and why.

    What is recorded is how things stand now; when a file is not what its role wrote into it a
    moment ago, somebody else changed it meanwhile, and the receipt stays open. `machine` is what
    the roles went by: `machine_of` from before they ran, or of now.
    """
    ended = [inputs for inputs in roles if records.get(inputs["role"], Record()).done]
    lists = [_items(inputs, records[inputs["role"]]) for inputs in ended]
    states = fingerprint.states(item for items in lists for item in items)
    machine = receipts.machine_of(ended) if machine is None else machine
    position, still_open = 0, {}
    for inputs, items in zip(ended, lists, strict=True):
        role, record = inputs["role"], records[inputs["role"]]
        mine = states[position : position + len(items)]
        position += len(items)
        why = _open(inputs, record, items, mine)
        if why:
            still_open[role] = why
        kept = {name: inputs[name] for name in KEPT if name in inputs}
        plain = [{key: value for key, value in item.items() if key != "sha1"} for item in items]
        known = receipts.for_role(inputs, machine)
        save(state, Receipt(
            role, run, time.time(), kept, known, plain, mine, record.notices, why,
            _trackers(inputs, record),
        ))  # fmt: skip
        keep_contents(state, items, mine)
        receipts.pending_file(state, role).unlink(missing_ok=True)
    return still_open


def _items(inputs: Inputs, record: Record) -> list[dict[str, Any]]:
    """Return what the tasks reported and what the role declares beside it, each thing once."""
    found = dict(record.items)
    for item in inputs.get("items", ()):
        found[resources.key(item)] = item
    return list(found.values())


def _trackers(inputs: Inputs, record: Record) -> list[str]:
    """Return the probes, paths and markers that track what the role's commands did in this run."""
    known = inputs.get("tracked_by", {})
    tags = [tag for task in record.untracked for tag in task["tags"]]
    return list(dict.fromkeys(name for tag in tags for name in known.get(tag, ())))


def _open(
    inputs: Inputs, record: Record, items: list[dict[str, Any]], states: list[dict[str, Any]]
) -> str:
    for task in record.untracked:
        if not inputs.get("tracked_by", {}).keys() & set(task["tags"]):
            return f"what the task '{task['name']}' did cannot be looked up ({task['why']})"
    if record.rescued:
        return f"the task '{record.rescued[0]}' did not succeed"
    for item, state in zip(items, states, strict=True):
        if why := unread(item, state):
            return why
        if state.get("ok") is False:
            return f"{item['name']}: not as wished yet"
        if "sha1" in item and fingerprint.digest(item["name"], "sha1") != item["sha1"]:
            return f"{item['name']} was changed by something else after the role wrote it"
        if why := desired_state.unlike(item, state):
            return why
    return ""


# ── What lay in the files, for diffs ─────────────────────────────────────────────────────────


SHOWN_BYTES = 65_536


def keep_contents(state: Path, items: list[Any], states: list[Any]) -> None:
    """Keep the texts that everybody on the node may read anyway, so that drift can show a diff."""
    for item, now in zip(items, states, strict=True):
        if item["kind"] != "path" or now["is"] != "file" or not int(now["mode"], 8) & 0o004:
            continue
        # A file that went away meanwhile is the next look's business.
        with contextlib.suppress(OSError):
            _keep(Path(item["name"]), receipts.folder_of(state) / "contents" / now["sha256"])


def _keep(file: Path, kept: Path) -> None:
    if kept.exists() or file.stat().st_size > SHOWN_BYTES:
        return
    content = file.read_bytes()
    if hashlib.sha256(content).hexdigest() == kept.name:
        kept.parent.mkdir(mode=0o700, exist_ok=True)
        aside = kept.with_suffix(".new")
        aside.write_bytes(content)
        aside.replace(kept)


def forget_contents(state: Path) -> None:
    """Delete kept texts that no receipt speaks of any more."""
    spoken = {s.get("sha256") for receipt in receipts.left(state) for s in receipt.states}
    for file in (receipts.folder_of(state) / "contents").glob("*"):
        if file.name not in spoken:
            file.unlink(missing_ok=True)

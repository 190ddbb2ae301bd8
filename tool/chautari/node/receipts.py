"""Receipts: what a role was given and left behind, so that nothing is run that is already true.

A role that ran to its end leaves `receipts/ROLE.json`: digests of its inputs, the list of things
it manages and how each of them stood. A receipt holds while all of that is still so. It only ever
errs on the careful side: what is missing, damaged, or cannot be told makes the role run.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from chautari.node import fingerprint
from chautari.node.differences import Reason, between, machines, reason, unread

FORMAT = 1
# Of a role's inputs, what its receipt keeps.
KEPT = ("role", "files", "ansible", "facts", "variables")
Inputs = dict[str, Any]  # of one role: role, files, facts, variables, needs, items, covers


class Receipt:
    """What one role left behind.

    `unsealed` says why it must run again although it ended well; `did` names the probes, paths and
    stamps that tell of what its commands did in that run. (Written out, since `dataclasses` takes
    longer to load than all receipts of a node.)
    """

    def __init__(
        self,
        role: str,
        run: str,
        sealed: float,
        inputs: Inputs,
        machine: dict[str, Any],
        items: list[dict[str, Any]],
        states: list[dict[str, Any]],
        notices: Iterable[str] = (),
        unsealed: str = "",
        did: Iterable[str] = (),
    ) -> None:
        """Keep what was recorded; the attributes are what the file holds."""
        self.role, self.run, self.sealed = role, run, sealed
        self.inputs, self.machine, self.items, self.states = inputs, machine, items, states
        self.notices, self.unsealed, self.did = list(notices), unsealed, list(did)

    def __eq__(self, other: object) -> bool:
        """Two receipts are the same when they say the same."""
        return isinstance(other, Receipt) and vars(self) == vars(other)


class Record:
    """What a role's tasks told while it ran, and whether it came to its end."""

    def __init__(
        self,
        items: Mapping[str, dict[str, Any]] = MappingProxyType({}),
        uncovered: Mapping[str, str] = MappingProxyType({}),
        notices: Iterable[str] = (),
        rescued: Iterable[str] = (),
        done: bool = False,
    ) -> None:
        """Begin with what is told already."""
        self.items, self.uncovered = dict(items), dict(uncovered)
        self.notices, self.rescued, self.done = list(notices), list(rescued), done


def folder_of(state: Path) -> Path:
    """Return the folder of the receipts under the node's state folder."""
    return state / "receipts"


def load(state: Path, role: str) -> Receipt | None:
    """Return a role's receipt; None when there is none, or it is not whole."""
    try:
        body = json.loads((folder_of(state) / f"{role}.json").read_text())
        if body.pop("digest") != _digest(body) or body.pop("format") != FORMAT:
            return None
        return Receipt(**body)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def save(state: Path, receipt: Receipt) -> None:
    """Write a receipt aside, and put it in place only when it is on the disk."""
    body = {"format": FORMAT} | vars(receipt)
    write(folder_of(state) / f"{receipt.role}.json", body | {"digest": _digest(body)})


def write(file: Path, data: Any) -> None:
    """Replace a JSON file in one step, for root alone, so that a power cut leaves old or new."""
    _replace(file, json.dumps(data, sort_keys=True))


def _replace(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    aside = file.with_name(f".{file.name}.new")
    with open(aside, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    aside.replace(file)


def forget(state: Path, roles: Iterable[str]) -> None:
    """Take the receipts of `roles` away: they are about to run, and may not come to their end."""
    for role in roles:
        (folder_of(state) / f"{role}.json").unlink(missing_ok=True)


def left(state: Path) -> list[Receipt]:
    """Return every whole receipt on the node, by the roles' names."""
    names = sorted(file.stem for file in folder_of(state).glob("*.json"))
    return [found for name in names if (found := load(state, name)) is not None]


def stale(state: Path, roles: list[Inputs], full: bool = False) -> dict[str, list[Reason]]:
    """Return the roles that have to run, in their order, each with every reason.

    A role whose own receipt holds runs as well when one that it needs has to run.
    """
    found = {inputs["role"]: load(state, inputs["role"]) for inputs in roles}
    kept = [receipt for receipt in found.values() if receipt is not None]
    now = dict(zip((r.role for r in kept), drifted(kept), strict=True))
    reasons: dict[str, list[Reason]] = {}
    for inputs in roles:
        role, receipt = inputs["role"], found[inputs["role"]]
        told = [reason("full", role, "everything was asked to run (--full)")] if full else []
        told += [pending(state, role)] if pending_file(state, role).exists() else []
        if receipt is None:
            told.append(_without(state, role))
        else:
            told += changed_inputs(receipt.inputs, inputs) + now[role]
        told += [
            reason("needs", other, f"it builds on {other}, which runs")
            for other in inputs.get("needs", ()) if other in reasons
        ]  # fmt: skip
        if told:
            reasons[role] = told
    return reasons


def _without(state: Path, role: str) -> Reason:
    if (folder_of(state) / f"{role}.json").exists():
        return reason("damaged", role, "its receipt is damaged")
    return reason("new", role, "it has not come to its end here yet")


def changed_inputs(then: Inputs, now: Inputs) -> list[Reason]:
    """Return which inputs of a role are other ones than those it ran with."""
    found = []
    if then.get("files") != now.get("files"):
        found.append(reason("files", now["role"], "the role itself changed"))
    if then.get("ansible") != now.get("ansible"):
        found.append(reason("ansible", now["role"], "the node's Ansible changed"))
    if set(now.get("facts", ())) - set(then.get("facts", ())):
        told = "what it takes from the machine was not noted yet"
        found.append(reason("machine", now["role"], told))
    before, after = then.get("variables", {}), now.get("variables", {})
    for name in sorted({*before, *after}):
        if before.get(name) != after.get(name):
            word = "changed" if name in before and name in after else "is new"
            word = word if name in after else "is gone"
            found.append(reason("variable", name, f"{name} {word}"))
    return found


def drifted(receipts: list[Receipt]) -> list[list[Reason]]:
    """Return for each receipt what is not as its role left it; one pass over the whole node."""
    machine = machine_of(receipt.inputs for receipt in receipts)
    now = fingerprint.states(item for receipt in receipts for item in receipt.items)
    found, position = [], 0
    for receipt in receipts:
        then, states = receipt.states, now[position : position + len(receipt.items)]
        position += len(receipt.items)
        told = [reason("open", receipt.role, receipt.unsealed)] if receipt.unsealed else []
        told += machines(receipt.machine, _for_role(receipt.inputs, machine))
        for item, before, after in zip(receipt.items, then, states, strict=True):
            told += between(item, before, after)
        found.append(told)
    return found


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
    machine = machine_of(ended) if machine is None else machine
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
        known = _for_role(inputs, machine)
        save(state, Receipt(
            role, run, time.time(), kept, known, plain, mine, record.notices, why,
            [told for task in record.uncovered for told in inputs.get("covers", {}).get(task, [])],
        ))  # fmt: skip
        keep_contents(state, items, mine)
        pending_file(state, role).unlink(missing_ok=True)
    return still_open


def machine_of(roles: Iterable[Inputs]) -> dict[str, Any]:
    """Return all of the machine that any of these roles goes by."""
    return fingerprint.machine(name for inputs in roles for name in inputs.get("facts", ()))


def _for_role(inputs: Inputs, machine: dict[str, Any]) -> dict[str, Any]:
    """Return of all that is known of the machine what concerns one role."""
    named = fingerprint.MACHINE.union(inputs.get("facts", ()))
    return {name: value for name, value in machine.items() if name in named}


def _items(inputs: Inputs, record: Record) -> list[dict[str, Any]]:
    """Return what the tasks reported and what the role declares beside it, each thing once."""
    from chautari.node import managed  # a mere look needs no rules for tasks

    found = dict(record.items)
    for item in inputs.get("items", ()):
        found[managed.key(item)] = item
    return list(found.values())


def _open(
    inputs: Inputs, record: Record, items: list[dict[str, Any]], states: list[dict[str, Any]]
) -> str:
    from chautari.node import wishes  # as above

    covers = inputs.get("covers", {})
    for task, why in record.uncovered.items():
        if task not in covers:
            return f"what the task '{task}' did cannot be looked up ({why})"
    if record.rescued:
        return f"the task '{record.rescued[0]}' did not succeed"
    for item, state in zip(items, states, strict=True):
        if why := unread(item, state):
            return why
        if state.get("ok") is False:
            return f"{item['name']}: not as wished yet"
        if "sha1" in item and fingerprint.digest(item["name"], "sha1") != item["sha1"]:
            return f"{item['name']} was changed by something else after the role wrote it"
        if why := wishes.unlike(item, state):
            return why
    return ""


# ── Roles that a node carries ────────────────────────────────────────────────────────────────


def carry(state: Path, roles: Iterable[str]) -> None:
    """Note which roles were begun on the node: an interrupted one has no receipt, and is there."""
    folder = state / "carried"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for role in roles:
        (folder / role).touch()


def unwanted(state: Path, wanted: Iterable[str]) -> list[str]:
    """Return the roles that the node carries and that are wanted no more."""
    carried = {file.name for file in (state / "carried").glob("*")}
    carried |= {file.stem for file in folder_of(state).glob("*.json")}
    return sorted(carried - set(wanted))


def lost(state: Path) -> list[str]:
    """Return the roles that the node carries and whose receipt is damaged or missing."""
    return [role for role in unwanted(state, ()) if load(state, role) is None]


def drop(state: Path, role: str) -> None:
    """Forget a role that was taken off the node."""
    forget(state, [role])
    pending_file(state, role).unlink(missing_ok=True)
    (state / "carried" / role).unlink(missing_ok=True)


# ── What lay in the files, for diffs ─────────────────────────────────────────────────────────


SHOWN_BYTES = 65_536


def keep_contents(state: Path, items: list[Any], states: list[Any]) -> None:
    """Keep the texts that everybody on the node may read anyway, so that drift can show a diff."""
    for item, now in zip(items, states, strict=True):
        if item["kind"] != "path" or now["is"] != "file" or not int(now["mode"], 8) & 0o004:
            continue
        # A file that went away meanwhile is the next look's business.
        with contextlib.suppress(OSError):
            _keep(Path(item["name"]), folder_of(state) / "contents" / now["sha256"])


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
    spoken = {s.get("sha256") for receipt in left(state) for s in receipt.states}
    for file in (folder_of(state) / "contents").glob("*"):
        if file.name not in spoken:
            file.unlink(missing_ok=True)


# ── Restarts that are owed ───────────────────────────────────────────────────────────────────


def pending_file(state: Path, role: str) -> Path:
    """Return where the restarts that a role still owes are noted until it came to its end."""
    return state / "pending" / role


def owe(state: Path, role: str, handlers: Iterable[str]) -> None:
    """Note, safe from a power cut, handlers that a task asks for, or may ask for once it ends."""
    from chautari.node import journal  # a mere look owes nothing

    file = pending_file(state, role)
    with contextlib.suppress(FileExistsError):
        file.parent.mkdir(parents=True, mode=0o700)
    journal.add(file, "".join(f"{name}\n" for name in handlers), synced=True)


def settle(state: Path, role: str, handlers: Iterable[str]) -> None:
    """Keep of what a role owes these handlers alone."""
    text = "".join(f"{name}\n" for name in handlers)
    if text:
        _replace(pending_file(state, role), text)
    else:
        pending_file(state, role).unlink(missing_ok=True)


def owed(state: Path, role: str) -> list[str]:
    """Return the handlers that an interrupted run of the role may have left undone, each once."""
    try:
        text = pending_file(state, role).read_text(errors="replace")
        return list(dict.fromkeys(text.splitlines()))
    except OSError:
        return []


def pending(state: Path, role: str) -> Reason:
    """Return the reason that restarts of an interrupted run may be owed."""
    names = ", ".join(owed(state, role))
    return reason("pending", role, f"an interrupted run may have left undone: {names}")


def _digest(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()

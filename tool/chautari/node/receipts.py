"""Receipts: what a role was given and left behind, so that nothing is run that is already true.

A role that ran to its end leaves `receipts/ROLE.json`: digests of its inputs, the list of things
it manages and how each of them stood. A receipt holds while all of that is still so. It only ever
errs on the careful side: what is missing, damaged, or cannot be told makes the role run.

This module travels with every look at a node; what writes receipts is in `sealing.py`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from chautari.node import fingerprint
from chautari.node.differences import Reason, between, machines, reason

FORMAT = 1
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


def folder_of(state: Path) -> Path:
    """Return the folder of the receipts under the node's state folder."""
    return state / "receipts"


def load(state: Path, role: str) -> Receipt | None:
    """Return a role's receipt; None when there is none, or it is not whole."""
    try:
        body = json.loads((folder_of(state) / f"{role}.json").read_text())
        if body.pop("digest") != digest(body) or body.pop("format") != FORMAT:
            return None
        return Receipt(**body)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


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
        told += machines(receipt.machine, for_role(receipt.inputs, machine))
        for item, before, after in zip(receipt.items, then, states, strict=True):
            told += between(item, before, after)
        found.append(told)
    return found


def machine_of(roles: Iterable[Inputs]) -> dict[str, Any]:
    """Return all of the machine that any of these roles goes by."""
    return fingerprint.machine(name for inputs in roles for name in inputs.get("facts", ()))


def for_role(inputs: Inputs, machine: dict[str, Any]) -> dict[str, Any]:
    """Return of all that is known of the machine what concerns one role."""
    named = fingerprint.MACHINE.union(inputs.get("facts", ()))
    return {name: value for name, value in machine.items() if name in named}


# ── Roles that a node carries ────────────────────────────────────────────────────────────────


def carry(state: Path, roles: Iterable[str]) -> None:
    """Note which roles were begun on the node: an interrupted one has no receipt, and is there."""
    folder = state / "carried"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for role in roles:
        (folder / role).touch()


def unwanted(state: Path, wanted: Iterable[str]) -> list[str]:
    """Return the roles that the node carries and that are wanted no more."""
    installed = {file.name for file in (state / "carried").glob("*")}
    installed |= {file.stem for file in folder_of(state).glob("*.json")}
    return sorted(installed - set(wanted))


def lost(state: Path) -> list[str]:
    """Return the roles that the node carries and whose receipt is damaged or missing."""
    return [role for role in unwanted(state, ()) if load(state, role) is None]


def drop(state: Path, role: str) -> None:
    """Forget a role that was taken off the node."""
    forget(state, [role])
    pending_file(state, role).unlink(missing_ok=True)
    (state / "carried" / role).unlink(missing_ok=True)


# ── Restarts that are owed ───────────────────────────────────────────────────────────────────


def pending_file(state: Path, role: str) -> Path:
    """Return where the restarts that a role still owes are noted until it came to its end."""
    return state / "pending" / role


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


def digest(body: Mapping[str, Any]) -> str:
    """Return what tells a receipt that was cut short or damaged from one that is whole."""
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()

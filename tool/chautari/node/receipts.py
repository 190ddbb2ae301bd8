"""Receipts: the inputs of a role and the state that it left, so that only what changed is run.

A role that completed leaves `receipts/ROLE.json`: digests of its inputs, the list of resources it
manages and the state of each. A receipt matches while all of that is still so. When in doubt, the
role runs again: when a receipt is missing or damaged, or a resource cannot be read.

This module travels with every survey; `receipt_writer.py` writes receipts.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from chautari.node import current_resources
from chautari.node.changes_since_receipt import (
    Item,
    State,
    diff_machine_facts,
    diff_resource,
    make_reason,
)

if TYPE_CHECKING:
    from chautari.node.events import Reason, UpToDateRole

FORMAT = 2


class RoleInputs(TypedDict, total=False):
    """The inputs of a role, as the control side sends them; a survey sends only what is compared.

    Attributes:
        files, ansible: digests.
        variables: a digest for each variable.
        facts: names of the machine's facts that the role uses.
        needs: roles that this role depends on.
        shared_roles: roles whose tasks it imports.
        items: resources that the role declares, to watch in addition to those of its tasks.
        installed: a path that exists once the role is installed; then it needs less free space.
        tracked_by: by tag of a task, the probes, paths and markers that track its changes.
    """

    role: str
    files: str
    ansible: str
    facts: list[str]
    variables: dict[str, str]
    needs: list[str]
    shared_roles: list[str]
    items: list[Item]
    tracked_by: dict[str, list[str]]
    installed: str


class Receipt:
    """What one role left behind.

    `incomplete_reason` says why it must run again although it ended well. `command_probes` names
    the probes, paths and markers that track what its commands did in that run. (Written without
    `dataclasses`, which takes longer to load than all receipts of a node.)
    """

    def __init__(
        self,
        role: str,
        run: str,
        written_at: float,
        inputs: RoleInputs,
        machine: State,
        items: list[Item],
        states: list[State],
        notices: Iterable[Reason] = (),
        incomplete_reason: Reason | None = None,
        command_probes: Iterable[str] = (),
    ) -> None:
        """Set the attributes; a receipt's file holds them under the same names."""
        self.role, self.run, self.written_at = role, run, written_at
        self.inputs, self.machine, self.items, self.states = inputs, machine, items, states
        self.notices, self.command_probes = list(notices), list(command_probes)
        self.incomplete_reason = incomplete_reason

    def __eq__(self, other: object) -> bool:
        """Return whether both hold the same data."""
        return isinstance(other, Receipt) and vars(self) == vars(other)


def receipts_folder(state: Path) -> Path:
    """Return the folder of the receipts under the node's state folder."""
    return state / "receipts"


def load_receipt(state: Path, role: str) -> Receipt | None:
    """Return a role's receipt; None when there is none, or it is damaged."""
    try:
        body = json.loads((receipts_folder(state) / f"{role}.json").read_text())
        if body.pop("digest") != receipt_digest(body):
            return None
        written = body.pop("format")
        if written == 1:
            from chautari.node import old_formats  # does not travel with a survey

            body = old_formats.upgrade_receipt(body)
        elif written != FORMAT:
            return None
        return Receipt(**body)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, ImportError):
        return None


def delete_receipts_of_roles(state: Path, roles: Iterable[str]) -> None:
    """Delete the receipts of `roles`, which are about to run and may be interrupted."""
    for role in roles:
        (receipts_folder(state) / f"{role}.json").unlink(missing_ok=True)


def all_receipts(state: Path) -> list[Receipt]:
    """Return every receipt on the node that is not damaged, ordered by role name."""
    names = sorted(file.stem for file in receipts_folder(state).glob("*.json"))
    return [receipt for name in names if (receipt := load_receipt(state, name)) is not None]


def roles_to_run(
    state: Path, roles: list[RoleInputs], full: bool = False
) -> dict[str, list[Reason]]:
    """Return the roles whose receipt no longer matches, in their order, each with its reasons.

    A role whose own receipt matches runs as well when a role that it needs has to run.
    """
    known = {inputs["role"]: load_receipt(state, inputs["role"]) for inputs in roles}
    matching = [receipt for receipt in known.values() if receipt is not None]
    drift = dict(zip((r.role for r in matching), drift_reasons(matching), strict=True))
    reasons: dict[str, list[Reason]] = {}
    for inputs in roles:
        role, receipt = inputs["role"], known[inputs["role"]]
        why = [make_reason("full_run")] if full else []
        why += (
            [make_pending_handlers_reason(state, role)]
            if pending_handlers_file(state, role).exists()
            else []
        )
        if receipt is None:
            why.append(_no_receipt_reason(state, role))
        else:
            why += changed_input_reasons(receipt.inputs, inputs) + drift[role]
        why += [
            make_reason("needs", role=need) for need in inputs.get("needs", ()) if need in reasons
        ]
        if why:
            reasons[role] = why
    return reasons


def up_to_date_roles(
    state: Path, roles: Iterable[RoleInputs], reasons: Mapping[str, object]
) -> list[UpToDateRole]:
    """Return the roles without a reason to run that have a receipt, with what it holds of them."""
    names = (inputs["role"] for inputs in roles if inputs["role"] not in reasons)
    known = (load_receipt(state, name) for name in names)
    return [{"role": r.role, "run": r.run, "notices": r.notices} for r in known if r is not None]


def _no_receipt_reason(state: Path, role: str) -> Reason:
    """Return why there is no receipt; a survey cannot read those of older versions."""
    try:
        text = (receipts_folder(state) / f"{role}.json").read_text()
        outdated = json.loads(text).get("format") == 1
    except FileNotFoundError:
        return make_reason("receipt_missing")
    except (OSError, ValueError, AttributeError):
        outdated = False
    return make_reason("receipt_outdated" if outdated else "receipt_damaged")


def changed_input_reasons(before: RoleInputs, after: RoleInputs) -> list[Reason]:
    """Return which inputs of a role differ from those that it ran with."""
    changed = []
    if before.get("files") != after.get("files"):
        changed.append(make_reason("role_changed"))
    if before.get("ansible") != after.get("ansible"):
        changed.append(make_reason("ansible_changed"))
    if set(after.get("facts", ())) - set(before.get("facts", ())):
        changed.append(make_reason("facts_added"))
    old, new = before.get("variables", {}), after.get("variables", {})
    for name in sorted({*old, *new}):
        if old.get(name) != new.get(name):
            code = "variable_changed" if name in old and name in new else "variable_added"
            changed.append(make_reason(code if name in new else "variable_removed", variable=name))
    return changed


def drift_reasons(receipts: list[Receipt]) -> list[list[Reason]]:
    """Return for each receipt how the node differs from it, in one pass over the whole node."""
    machine = gather_machine_facts(receipt.inputs for receipt in receipts)
    current = current_resources.current_states(
        item for receipt in receipts for item in receipt.items
    )
    found, position = [], 0
    for receipt in receipts:
        states = current[position : position + len(receipt.items)]
        position += len(receipt.items)
        incomplete = receipt.incomplete_reason
        why = [make_reason("receipt_incomplete", reason=incomplete)] if incomplete else []
        why += diff_machine_facts(receipt.machine, select_facts_for_role(receipt.inputs, machine))
        for item, before, after in zip(receipt.items, receipt.states, states, strict=True):
            # A file may be watched by its name and by a pattern.
            why += [change for change in diff_resource(item, before, after) if change not in why]
        found.append(why)
    return found


def gather_machine_facts(roles: Iterable[RoleInputs]) -> State:
    """Return the facts of the machine that any of these roles uses."""
    return current_resources.machine_facts(
        name for inputs in roles for name in inputs.get("facts", ())
    )


def select_facts_for_role(inputs: RoleInputs, machine: State) -> State:
    """Return the facts of the machine that one role uses."""
    used = current_resources.MACHINE.union(inputs.get("facts", ()))
    return {name: value for name, value in machine.items() if name in used}


# ── Roles that are installed on the node ─────────────────────────────────────────────────────


def _folders_recording_installed_roles(state: Path) -> tuple[Path, Path]:
    # Versions before 0.1.0 wrote `carried`.
    return state / "installed", state / "carried"


def record_begun_roles(state: Path, roles: Iterable[str]) -> None:
    """Record that roles begin to run: an interrupted one has no receipt, and is installed."""
    folder, _ = _folders_recording_installed_roles(state)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for role in roles:
        (folder / role).touch()


def obsolete_roles(state: Path, assigned: Iterable[str]) -> list[str]:
    """Return the roles that are installed on the node and no longer assigned to it."""
    installed = {
        file.name
        for folder in _folders_recording_installed_roles(state)
        for file in folder.glob("*")
    }
    installed |= {file.stem for file in receipts_folder(state).glob("*.json")}
    return sorted(installed - set(assigned))


def installed_roles_without_receipt(state: Path) -> list[str]:
    """Return the installed roles whose receipt is damaged or missing."""
    return [role for role in obsolete_roles(state, ()) if load_receipt(state, role) is None]


def delete_records_of_role(state: Path, role: str) -> None:
    """Delete all records of a role that was removed from the node."""
    delete_receipts_of_roles(state, [role])
    pending_handlers_file(state, role).unlink(missing_ok=True)
    for folder in _folders_recording_installed_roles(state):
        (folder / role).unlink(missing_ok=True)
    # What changes from now on belongs to others; what is older, the role left behind. The preflight
    # compares the times.
    removed = state / "removed"
    removed.mkdir(exist_ok=True, mode=0o700)
    (removed / role).touch()


# ── Handlers that an interrupted run may have skipped ────────────────────────────────────────


def pending_handlers_file(state: Path, role: str) -> Path:
    """Return the file that lists the pending handlers of a role until the role completes."""
    return state / "pending" / role


def pending_handlers(state: Path, role: str) -> list[str]:
    """Return the handlers that an interrupted run of the role may have skipped, each once."""
    try:
        text = pending_handlers_file(state, role).read_text(errors="replace")
        return list(dict.fromkeys(text.splitlines()))
    except OSError:
        return []


def make_pending_handlers_reason(state: Path, role: str) -> Reason:
    """Return the reason that a role runs again: an interrupted run left handlers pending."""
    return make_reason("pending_handlers", handlers=pending_handlers(state, role))


def receipt_digest(body: Mapping[str, Any]) -> str:
    """Return a digest that tells a damaged receipt from an intact one."""
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()

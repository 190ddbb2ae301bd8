"""Converges a node: runs the roles whose receipts do not hold, until all do.

One pass is one `ansible-playbook` over the chosen roles. What a role changes may break the receipt
of another, so the rest is looked at again after each pass; three passes are enough for roles that
do not fight over a file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chautari.node import clock, receipts, resources
from chautari.node.differences import Reason, between, reason, unread
from chautari.node.receipt_writer import Record, forget_contents, seal
from chautari.node.receipts import Inputs, Receipt

MOST_PASSES = 3
REMOVE = "tasks/remove.yml"
BUSY = "tasks/busy.yml"
UNNOTED = (
    "what it did could not be written down on the node: is a disk full? (`df -h /run /var` there)"
)
# Reasons that mean that a role was given something else than before.
GIVEN = frozenset({"files", "ansible", "variable", "machine", "new", "damaged"})
# A line of a role's handlers that is a name, or one of the names that a handler listens to.
_NAME = re.compile(r"^[- ]*(?:name:|listen:)? *(['\"]?)(.*?)\1 *$", re.MULTILINE)
Tell = Callable[..., None]
Ansible = Callable[[str], int]


@dataclass(frozen=True)
class Node:
    """The places and means of one run.

    Attributes:
        state: folder that outlives runs, with the receipts.
        memory: the unpacked bundle.
        run: the run's id.
        ansible: runs `ansible-playbook` on a playbook and returns its exit code.
        tell: writes an event to the journal.
    """

    state: Path
    memory: Path
    run: str
    ansible: Ansible
    tell: Tell

    @property
    def roles(self) -> list[Inputs]:
        """Return the inputs of the node's roles, in the order they run."""
        found: list[Inputs] = json.loads((self.memory / "roles.json").read_text())
        return found


def converge(node: Node, full: bool) -> int:
    """Run what has to run and return Ansible's last exit code, 0 when nothing had to."""
    roles, ran = node.roles, set[str]()
    for number in range(MOST_PASSES):
        reasons = receipts.stale(node.state, roles, full=full and number == 0)
        # A role that stays open has just run: it waits for the next deploy.
        chosen = [i for i in roles if i["role"] in reasons and not _only_open(i, reasons, ran)]
        names = [inputs["role"] for inputs in chosen]
        node.tell("chosen", roles={name: reasons[name] for name in names}, number=number)
        if not chosen:
            break
        before = {name: receipts.load(node.state, name) for name in names}
        receipts.forget(node.state, names)
        receipts.carry(node.state, names)
        code = one_pass(node, chosen)
        ran.update(names)
        if code:
            return code
        _tell_accepted(node, before, reasons)
    tell_kept(node, roles, ran)
    for name in ran:
        if receipts.load(node.state, name) is None:
            node.tell("open", role=name, why=UNNOTED)
    forget_contents(node.state)
    return 0


def nothing_to_do(node: Node, full: bool) -> bool:
    """Whether no role would run, nor be taken off."""
    return not (leaving(node) or receipts.stale(node.state, node.roles, full=full))


def ask_whether_busy(node: Node) -> int:
    """Let each role that can tell whether people are using it do so, before anything changes.

    A role's `tasks/busy.yml` fails when they are. Ask only where something would run.
    """
    there = node.memory / "roles"
    names = [inputs["role"] for inputs in node.roles] + _unwanted(node)
    asked = [role for role in names if (there / role / BUSY).is_file()]
    if not asked:
        return 0
    playbook = node.memory / "playbooks" / "busy.yml"
    playbook.parent.mkdir(exist_ok=True)
    playbook.write_text(json.dumps([
        {
            "name": "Ask whether people are meeting", "hosts": "all", "become": False,
            "gather_facts": False,
            "tasks": [{
                "name": "Ask whether people are meeting",
                "ansible.builtin.include_role": {"name": role, "tasks_from": "busy.yml"},
            }],
        }
        for role in asked
    ]))  # fmt: skip
    return node.ansible("playbooks/busy.yml")


def take_off(node: Node, purge: bool) -> int:
    """Run the `remove.yml` of each role that is wanted here no more, the last one first.

    Services lean on what was set up before them, so they go in the opposite order. Data is kept
    unless `purge` is set. A role without tasks for it stays as it is, and is told.
    """
    able = leaving(node)
    for role in set(_unwanted(node)) - set(able):
        node.tell("stays", role=role)
    if not able:
        return 0
    node.tell("chosen", roles=able, number=0)
    playbook = node.memory / "playbooks" / "remove.yml"
    playbook.parent.mkdir(exist_ok=True)
    playbook.write_text(json.dumps([
        {
            "name": f"Take {role} off", "hosts": "all", "become": False, "gather_facts": True,
            "vars": {"purge": purge},
            "tasks": [{
                "name": f"Take {role} off",
                "ansible.builtin.include_role": {"name": role, "tasks_from": "remove.yml"},
            }],
        }
        for role in reversed(list(able))
    ]))  # fmt: skip
    code = node.ansible("playbooks/remove.yml")
    if code == 0:
        for role in able:
            receipts.drop(node.state, role)
    return code


def leaving(node: Node) -> dict[str, list[Reason]]:
    """Return the roles that will be taken off the node, in the order of their set-up."""
    why = reason("unwanted", "", "it is wanted on this node no more")
    there = node.memory / "roles"
    return {role: [why] for role in _unwanted(node) if (there / role / REMOVE).is_file()}


def _unwanted(node: Node) -> list[str]:
    file = node.memory / "unwanted.json"
    found: list[str] = json.loads(file.read_text()) if file.is_file() else []
    return found


def one_pass(node: Node, chosen: list[Inputs], sealing: bool = True) -> int:
    """Run the chosen roles, then write the receipts of those that came to their end."""
    noted = node.memory / "managed.jsonl"
    noted.unlink(missing_ok=True)
    playbook = node.memory / "playbooks" / "run.yml"
    playbook.parent.mkdir(exist_ok=True)
    playbook.write_text(json.dumps(_plays(node, chosen)))
    if sealing:
        clock.bring_back(item for inputs in chosen for item in inputs.get("items", ()))
    # Ansible gathers its facts as it begins: an address that changes meanwhile is in no file yet.
    machine = receipts.machine_of(chosen)
    code = node.ansible("playbooks/run.yml")
    if sealing:
        opened = seal(node.state, node.run, chosen, read_records(noted), machine)
        for role, why in opened.items():
            node.tell("open", role=role, why=why)
    return code


def _only_open(inputs: Inputs, reasons: dict[str, list[Reason]], ran: set[str]) -> bool:
    role = inputs["role"]
    return role in ran and all(
        item["kind"] == "open" or (item["kind"] == "needs" and item["name"] in ran)
        for item in reasons[role]
    )


def _plays(node: Node, chosen: list[Inputs]) -> list[dict[str, Any]]:
    """Return the plays of the chosen roles; JSON is YAML, so no YAML library is needed here."""
    deployed_services = json.loads((node.memory / "plays.json").read_text())
    plays: list[dict[str, Any]] = []
    for inputs in chosen:
        play = dict(deployed_services[inputs["role"]])
        # The runner is root already, and a bare machine has no sudo yet.
        play["become"] = False
        # Facts are gathered once, by whichever role is the first to run.
        play["gather_facts"] = not plays
        if owed := _known_handlers(node, inputs):
            play["tasks"] = [{
                "name": "Make up for what an interrupted run left undone",
                "ansible.builtin.command": {"argv": ["true"]},
                "changed_when": True,
                "notify": owed,
            }]  # fmt: skip
        plays.append(play)
    return plays


def _known_handlers(node: Node, inputs: Inputs) -> list[str]:
    """Return the owed handlers that the role still has: a newer toolkit may name them otherwise."""
    names = set[str]()
    for role in (inputs["role"], *inputs.get("shared_roles", ())):
        file = node.memory / "roles" / role / "handlers" / "main.yml"
        text = file.read_text() if file.is_file() else ""
        names |= {found[1] for found in _NAME.findall(text)}
    return [name for name in receipts.owed(node.state, inputs["role"]) if name in names]


def _tell_accepted(
    node: Node, before: dict[str, Receipt | None], reasons: dict[str, list[Reason]]
) -> None:
    """Tell what was changed by hand and is left so: its role keeps only a part of it.

    Nothing of that is taken for right in silence. A role that was given something new may well
    leave other things behind than before, so only roles with their old inputs are looked at;
    and what was as the role had left it before this run, or where a command of the role did its
    work, is the role's own doing now.
    """
    for role, then in before.items():
        now = receipts.load(node.state, role)
        if then is None or now is None or any(r["kind"] in GIVEN for r in reasons[role]):
            continue
        found = {why["text"] for why in reasons[role]}
        states = {resources.key(i): s for i, s in zip(now.items, now.states, strict=True)}
        told = [
            difference["text"]
            for item, old in zip(then.items, then.states, strict=True)
            if (key := resources.key(item)) in states
            and not unread(item, states[key])
            and not {item["name"], item.get("file")} & set(now.did)
            for difference in between(item, old, states[key])
            if difference["text"] in found
        ]
        if told:
            node.tell("accepted", role=role, items=told)


def tell_kept(node: Node, roles: list[Inputs], ran: set[str]) -> None:
    """Tell of the roles that did not run, with what they reported when they last did."""
    for inputs in roles:
        receipt = receipts.load(node.state, inputs["role"])
        if inputs["role"] not in ran and receipt is not None:
            node.tell("kept", role=receipt.role, run=receipt.run, notices=receipt.notices)


def read_records(file: Path) -> dict[str, Record]:
    """Return what the event plugin noted of each role that ran."""
    found: dict[str, Record] = {}
    for line in file.read_text().splitlines() if file.is_file() else ():
        note = json.loads(line)
        record = found.setdefault(note["role"], Record())
        if "item" in note:
            key = resources.key(note["item"])
            record.items[key] = resources.joined(record.items.get(key), note["item"])
        elif "untracked" in note:
            record.untracked.append(note["untracked"])
        elif "notice" in note:
            record.notices.append(note["notice"])
        elif "rescued" in note:
            record.rescued.append(note["rescued"])
        elif "done" in note:
            record.done = True
    return found

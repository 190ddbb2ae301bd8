"""What a deploy would do: which roles would run, what they would change and download.

Roles that would run at once are told by their receipts, as in a deploy. What they change may break
the receipt of another, which a deploy finds when it looks again; here it is told from what
Ansible's check says they would change.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from chautari.node import converge, downloads, packages, receipts
from chautari.node.differences import Reason, reason

Item = dict[str, Any]
SAME = frozenset({"path", "package", "account", "group", "debconf"})


def foretell(node: converge.Node, full: bool, last_words: Callable[[], list[str]]) -> None:
    """Tell what would run and why, what might follow, and how much would be downloaded.

    `node` runs Ansible's check. `last_words` are those of its log, for a check that ended early.
    """
    reasons = receipts.stale(node.state, node.roles, full=full)
    chosen = [inputs for inputs in node.roles if inputs["role"] in reasons]
    roles = converge.leaving(node) | reasons
    node.tell("chosen", roles=roles, number=0)
    if left := packages.cut_short() if roles else []:
        node.tell("packages_unfinished", packages=left)
    partial = bool(chosen and converge.one_pass(node, chosen, sealing=False))
    if partial:
        node.tell("check_ended_early", log=last_words())
    converge.tell_kept(node, node.roles, set(reasons))
    notes = node.memory / "managed.jsonl"
    if chosen and (later := following(node, set(reasons), notes)):
        node.tell("may_follow", roles=later)
    node.tell(**downloads.budget(notes, partial or bool(left)))


def following(node: converge.Node, ran: set[str], notes: Path) -> dict[str, list[Reason]]:
    """Return the roles whose receipts the `ran` ones would break, and those that build on these.

    Restarts and settings that are loaded anew leave things as receipts have them.
    """
    changed = _changed(notes)
    found: dict[str, list[Reason]] = {}
    for inputs in node.roles:
        role = inputs["role"]
        receipt = receipts.load(node.state, role)
        if role in ran or receipt is None:
            continue
        told = [
            reason(item["kind"], item["name"], f"{other} would change {item['name']}")
            for other, item in changed
            if any(_breaks(item, watched) for watched in receipt.items)
        ]
        told += [
            reason("needs", need, f"it builds on {need}")
            for need in inputs.get("needs", ()) if need in found
        ]  # fmt: skip
        if told:
            found[role] = told
    return found


def _changed(notes: Path) -> list[tuple[str, Item]]:
    lines: Iterable[str] = notes.read_text().splitlines() if notes.is_file() else ()
    found = (json.loads(line) for line in lines)
    return [(note["role"], note["item"]) for note in found if note.get("changed")]


def _breaks(item: Item, watched: Item) -> bool:
    """Return whether a receipt that holds `watched` would not, when `item` is changed."""
    name, kind = item["name"], item["kind"]
    if watched["kind"] == "paths":
        return kind == "path" and fnmatch(name, watched["name"])
    if watched["kind"] == "exists":
        # What is there already is only written anew.
        return kind == "path" and name == watched["name"] and not os.path.lexists(name)
    return kind in SAME and (kind, name) == (watched["kind"], watched["name"])

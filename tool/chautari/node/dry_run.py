"""Plan a deploy: which roles would run, what they would change and download.

Receipts name the roles that would run at once, as in a deploy. What these change may break another
role's receipt, which a deploy finds in its next pass. A plan derives it from what Ansible's check
mode says that they would change.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from fnmatch import fnmatch
from pathlib import Path

from chautari.node import download_estimate, dpkg_repair, receipts
from chautari.node.converge import (
    RunContext,
    removal_reasons_by_role,
    report_up_to_date,
    run_roles_and_return_exit_code,
)
from chautari.node.events import Reason, make_reason
from chautari.node.task_resources import Resource

SAME_KINDS = frozenset({"path", "package", "account", "group", "debconf"})


def report_dry_run(context: RunContext, full: bool, last_lines: Callable[[], list[str]]) -> None:
    """Report which roles would run and why, which might follow, and the expected download.

    `context` runs Ansible in check mode. `last_lines` returns the end of its log.
    """
    reasons = receipts.roles_to_run(context.state, context.roles, full=full)
    selected = [inputs for inputs in context.roles if inputs["role"] in reasons]
    roles = removal_reasons_by_role(context) | reasons
    context.emit({"event": "roles_selected", "roles": roles, "pass_number": 0})
    interrupted = dpkg_repair.packages_to_repair() if roles else []
    if interrupted:
        context.emit({"event": "dpkg_interrupted", "packages": interrupted})
    partial = bool(selected and run_roles_and_return_exit_code(context, selected, recording=False))
    if partial:
        context.emit({"event": "dry_run_incomplete", "log": last_lines()})
    report_up_to_date(context, context.roles, set(reasons))
    records = context.memory / "managed.jsonl"
    if selected and (later := second_pass_reasons_by_role(context, set(reasons), records)):
        context.emit({"event": "followup_roles", "roles": later})
    context.emit(download_estimate.estimate_download(records, partial or bool(interrupted)))


def second_pass_reasons_by_role(
    context: RunContext, ran: set[str], records: Path
) -> dict[str, list[Reason]]:
    """Return the roles whose receipts the `ran` ones would break, and those that need them.

    Restarts and reloads leave resources as receipts record them.
    """
    changes = _read_expected_changes(records)
    found: dict[str, list[Reason]] = {}
    for inputs in context.roles:
        role = inputs["role"]
        receipt = receipts.load_receipt(context.state, role)
        if role in ran or receipt is None:
            continue
        why = [
            make_reason("change_expected", role=other, name=item["name"])
            for other, item in changes
            if any(_affects_watched_resource(item, watched) for watched in receipt.items)
        ]
        why += [
            make_reason("needs", role=need) for need in inputs.get("needs", ()) if need in found
        ]
        if why:
            found[role] = why
    return found


def _read_expected_changes(records: Path) -> list[tuple[str, Resource]]:
    lines: Iterable[str] = records.read_text().splitlines() if records.is_file() else ()
    notes = (json.loads(line) for line in lines)
    return [(note["role"], note["item"]) for note in notes if note.get("changed")]


def _affects_watched_resource(item: Resource, watched: Resource) -> bool:
    """Return whether a receipt that holds `watched` would not match after a change of `item`."""
    name, kind = item["name"], item["kind"]
    if watched["kind"] == "paths":
        return kind == "path" and fnmatch(name, watched["name"])
    if watched["kind"] == "exists":
        # A file that exists is only written again.
        return kind == "path" and name == watched["name"] and not os.path.lexists(name)
    return kind in SAME_KINDS and (kind, name) == (watched["kind"], watched["name"])

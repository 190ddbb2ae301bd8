"""The texts of the reasons that a node sends: why a role runs, and why a receipt is incomplete.

The control side reads them through `report/messages.py`. A node needs them as well: it prints and
mails its own drift. A template is a format string, or a function of the reason's data.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Union

from chautari.node.translation import _, fill, translate

Data = Mapping[str, Any]
Template = Union[str, Callable[[Data], str]]  # noqa: UP007
Texts = Mapping[str, str]
Templates = Mapping[str, str]
YEAR_10000 = 253_402_300_800  # seconds since the epoch; strftime rejects later moments
# Facts under names that people know; the others keep Ansible's names.
FACT_NAMES: Texts = {
    "id": "distribution", "version_id": "release", "machine": "processor",
    "memory_mb": "memory in MB", "processor_vcpus": "number of cores",
    "default_ipv4": "address", "all_ipv4_addresses": "list of addresses",
    "default_ipv6": "IPv6 address", "all_ipv6_addresses": "list of IPv6 addresses",
}  # fmt: skip
# Attributes of packages, units, accounts and groups under names that people know.
ATTRIBUTE_NAMES: Texts = {"is": "state", "active": "state", "enabled": "start at boot"}
# Changes that no argument of the task's module names.
UNTRACKED: Templates = {
    "command": "a command's changes cannot be tracked",
    "unknown_module": "changes made by module {module} cannot be tracked",
    "file_tree": "it changes a whole directory tree",
    "copied_tree": "it copies a whole directory tree",
    "unpacked_tree": "it unpacks a whole directory tree",
    "unnamed_file": "the name of the file that it writes is hidden",
    "package_file": "it installs a package from a file",
    "package_set": "it changes a set of packages",
    "request": "the effect of an HTTP request cannot be tracked",
}


def reason_text(code: str, data: Data) -> str:
    """Return the text of a reason; for an unknown code, the code with its data."""
    template = TEMPLATES.get(code)
    if template is None:
        return f"{code} ({', '.join(f'{key}={value}' for key, value in data.items())})"
    return fill(template, data) if isinstance(template, str) else template(data)


def _join_with_commas(words: Iterable[object]) -> str:
    return ", ".join(map(str, words))


def _value_text(value: object) -> str:
    if isinstance(value, list):
        return _join_with_commas(value) or translate("empty")
    return str(value) if value not in (None, "") else translate("unknown")


def _pending_handlers_text(data: Data) -> str:
    text = translate("an interrupted run may have skipped these handlers: {handlers}")
    return text.format(handlers=_join_with_commas(map(translate, data["handlers"])))


def _incomplete_receipt_text(data: Data) -> str:
    return reason_text(data["reason"]["code"], data["reason"]["data"])


def _machine_changed_text(data: Data) -> str:
    fact = translate(FACT_NAMES.get(data["fact"], data["fact"]))
    before, after = _value_text(data["before"]), _value_text(data["after"])
    text = translate("the node's {fact} changed from {before} to {after}")
    return text.format(fact=fact, before=before, after=after)


def _untracked_task_text(data: Data) -> str:
    why = translate(UNTRACKED[data["change"]]).format_map(data)
    text = translate("the changes made by task '{task}' are not known ({why})")
    return text.format(task=translate(data["task"]), why=why)


def _path_unreadable_text(data: Data) -> str:
    error = os.strerror(getattr(errno, data["error"]))
    text = translate("{path}: cannot be read ({error}); `stat {path}` on the node shows more")
    return text.format(path=data["path"], error=error)


def _path_changed_text(data: Data) -> str:
    texts = []
    if data["content"]:
        texts.append(translate("its content changed"))
    if link := data.get("target"):
        text = translate("points to {after} instead of {before}")
        texts.append(text.format(after=link[1], before=link[0]))
    for key in ("mode", "owner"):
        if values := data.get(key):
            text = translate("its {key} changed from {before} to {after}")
            texts.append(text.format(key=translate(key), before=values[0], after=values[1]))
    return f"{data['path']}: {'; '.join(texts)}"


def _not_reloaded_text(data: Data) -> str:
    more = translate(" and {more} more").format(more=data["hidden"]) if data["hidden"] else ""
    text = translate("not reloaded since these files changed: {files}{more}")
    return text.format(files=_join_with_commas(data["files"]), more=more)


def _probe_changed_text(data: Data) -> str:
    lines = [f"- {line}" for line in data["removed"]] + [f"+ {line}" for line in data["added"]]
    more = [translate("… {more} more").format(more=data["hidden"])] if data["hidden"] else []
    return "\n".join([_("{probe}: changed", probe=translate(data["probe"])), *lines, *more])


def _probe_failed_text(data: Data) -> str:
    return _(
        "{probe}: could not be checked, or is not in the desired state",
        probe=translate(data["probe"]),
    )


def _resource_changed_text(data: Data) -> str:
    text = translate("{attribute} changed from {before} to {after}")
    texts = (
        text.format(
            attribute=translate(ATTRIBUTE_NAMES.get(attribute, attribute)),
            before=_value_text(before),
            after=_value_text(after),
        )
        for attribute, (before, after) in data["changes"].items()
    )
    return f"{data['name']}: {'; '.join(texts)}"


TEMPLATES: dict[str, Template] = {
    # A reason of format 1, which had a text and no code.
    "format_1_text": "{text}",
    # Why a role runs.
    "full_run": "all roles were requested (--full)",
    "pending_handlers": _pending_handlers_text,
    "receipt_missing": "it has not completed on this node yet",
    "receipt_damaged": "the record (receipt) of its last deploy is damaged",
    "receipt_outdated": (
        "an older version of Chautari wrote the record (receipt) of its last deploy"
    ),
    "receipt_incomplete": _incomplete_receipt_text,
    "needs": "it depends on {role}, which also runs",
    "role_changed": "the role itself changed",
    "ansible_changed": "the Ansible environment of the node changed",
    "facts_added": (
        "it uses facts about the machine that the record (receipt) of its last deploy does not "
        "contain"
    ),
    "variable_changed": "{variable} changed",
    "variable_added": "{variable} is new",
    "variable_removed": "{variable} is no longer set",
    "machine_changed": _machine_changed_text,
    "obsolete_role": "it is no longer assigned to this node",
    "change_expected": "{role} would change {name}",
    # How a resource differs from what its role left.
    "path_missing": "{path}: is missing",
    "path_unexpected": "{path}: exists again, but should not exist",
    "path_appeared": "{path}: exists now",
    "path_readable_again": "{path}: can be read again",
    "path_unreadable": _path_unreadable_text,
    "path_type_changed": "{path}: was a {before}, is now a {after}",
    "path_changed": _path_changed_text,
    "not_reloaded": _not_reloaded_text,
    "reload_time_unknown": (
        "the clock was set back after the last reload, so later changes cannot be detected"
    ),
    "never_reloaded": "{marker}: is missing, so it is not known which settings are in use",
    "probe_changed": _probe_changed_text,
    "probe_failed": _probe_failed_text,
    "resource_changed": _resource_changed_text,
    "receipt_lost": (
        "the record (receipt) of its last deploy is damaged or missing, or that deploy failed. "
        "Changes cannot be detected. Deploy the region again: the role then runs and writes a new "
        "record."
    ),
    # Why a receipt is incomplete.
    "untracked_task": _untracked_task_text,
    "task_failed": "the task '{task}' did not succeed",
    "not_desired": "{name} is not in the desired state yet",
    "changed_meanwhile": "{path} was changed by another program or person after the role wrote it",
    "not_recorded": (
        "its changes could not be recorded on the node; check whether a disk is full: "
        "`df -h /run /var`"
    ),
    "unit_restarting": "{unit} was {action}, but stopped again (`journalctl -u {unit}` shows why)",
    "unit_not_active": "{unit} was {action}, but is {state}",
    "package_returned": "the package {package} was removed, but is installed again",
    "package_missing": "the package {package} was installed, but is {status}",
}

"""Read what older versions left on a node: receipts of format 1, and the journals of their runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Json = Mapping[str, Any]  # an object of JSON

# Old names of modes and of the keys of a run's request.
_MODES = {"converge": "deploy", "check": "verify"}
_KEYS = {"even_if_busy": "interrupt_meetings"}
_EVENTS = {
    "stays": "role_not_removable", "handed_over": "run_detached", "stopped": "run_terminated",
    "alive": "heartbeat", "garbled": "malformed", "check_ended_early": "dry_run_incomplete",
    "checks_broken": "checks_errored", "apt_at_work": "apt_locked",
    "packages_unfinished": "dpkg_interrupted", "packages_finished": "dpkg_repaired",
    "without_mitogen": "mitogen_fallback", "broke": "run_crashed",
}  # fmt: skip


def upgrade_request(old: Json) -> Json:
    """Return a run's request, or a lock's holder, under today's names."""
    found = {_KEYS.get(key, key): value for key, value in old.items()}
    if "mode" in found:
        found["mode"] = _MODES.get(found["mode"], found["mode"])
    return found


def upgrade_receipt(body: Json) -> Json:
    """Return the body of a receipt of format 1 as one of format 2."""
    role = body["role"]
    return {
        "role": role,
        "run": body["run"],
        "written_at": body["sealed"],
        "inputs": body["inputs"],
        "machine": body["machine"],
        "items": [_convert_receipt_item(item) for item in body["items"]],
        "states": body["states"],
        "notices": [_notice_from_text(role, text) for text in body["notices"]],
        "incomplete_reason": _reason_from_text(body["unsealed"]) if body["unsealed"] else None,
        "command_probes": body["did"],
    }


def _convert_receipt_item(item: Json) -> Json:
    found = dict(item)
    if item["kind"] == "loaded":
        found |= {"kind": "reload_marker", "marker": found.pop("stamp")}
    if "wish" in item:
        found["desired"] = found.pop("wish")
    return found


def upgrade_event(old: Json) -> Json:
    """Return an event of a journal of format 1 under today's name and with today's keys."""
    found = {**old, "event": _EVENTS.get(old["event"], old["event"])}
    convert = _CONVERTERS.get(old["event"])
    return convert(found) if convert else found


def _reason_from_text(text: object) -> Json:
    """Return the reason for a text of format 1, which had no codes."""
    return {"code": "format_1_text", "data": {"text": str(text)}}


def _notice_from_text(role: object, text: object) -> Json:
    return {"code": "role_message", "data": {"role": str(role), "text": str(text)}}


def _texts_to_reasons_by_role(roles: Json) -> Json:
    return {
        role: [_reason_from_text(item["text"]) for item in reasons]
        for role, reasons in roles.items()
    }


def _chosen_to_roles_selected(old: Json) -> Json:
    return {**old, "event": "roles_selected", "roles": _texts_to_reasons_by_role(old["roles"])}


def _may_follow_to_followup_roles(old: Json) -> Json:
    return {**old, "event": "followup_roles", "roles": _texts_to_reasons_by_role(old["roles"])}


def _kept_to_role_up_to_date(old: Json) -> Json:
    notices = [_notice_from_text(old["role"], text) for text in old["notices"]]
    return {**old, "event": "role_up_to_date", "notices": notices}


def _notice_to_role_message(old: Json) -> Json:
    return {**old, "event": "role_message", "text": old["message"]}


def _accepted_to_manual_change_kept(old: Json) -> Json:
    return {
        **old,
        "event": "manual_change_kept",
        "changes": [_reason_from_text(t) for t in old["items"]],
    }


def _open_to_receipt_incomplete(old: Json) -> Json:
    return {**old, "event": "receipt_incomplete", "reason": _reason_from_text(old["why"])}


def _budget_to_download_estimate(old: Json) -> Json:
    unknown = {"unknown_urls": old["unknown"], "unknown_packages": []}
    return {**old, "event": "download_estimate", "partial": bool(old.get("partial")), **unknown}


def _upgrade_busy_event(old: Json) -> Json:
    return {**old, "holder": upgrade_request(old["holder"])}


_CONVERTERS = {
    "run_started": upgrade_request,
    "chosen": _chosen_to_roles_selected,
    "may_follow": _may_follow_to_followup_roles,
    "kept": _kept_to_role_up_to_date,
    "notice": _notice_to_role_message,
    "accepted": _accepted_to_manual_change_kept,
    "open": _open_to_receipt_incomplete,
    "budget": _budget_to_download_estimate,
    "busy": _upgrade_busy_event,
}

"""Compare how resources were with how they are, and return what differs as reasons."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chautari.node.events import Reason

Item = dict[str, Any]
State = dict[str, Any]
SHOWN_LINES = 12  # of a probe
SHOWN_FILES = 3
# In the place of a setting that is newer than the marker.
FUTURE = "the time of the marker is in the future"
NO_MARKER = "no marker"


def make_reason(code: str, **data: object) -> Reason:
    """Return a reason; a survey does not take `events` along for that."""
    return {"code": code, "data": data}


def diff_resource(item: Item, before: State, after: State) -> list[Reason]:
    """Return how `item` differs from what it was.

    A probe that failed when the receipt was written made the receipt incomplete: that is no
    difference. A path that cannot be read is never taken for unchanged; when it could not be read
    before either, the receipt is only incomplete.
    """
    kind, name = item["kind"], item["name"]
    if kind == "paths":
        absent = {"is": "absent"}
        paths = ({"kind": "path", "name": path} for path in sorted({*before, *after}))
        return [
            difference
            for path in paths
            for difference in diff_resource(
                path, before.get(path["name"], absent), after.get(path["name"], absent)
            )
        ]
    if kind == "path" and after["is"] == "unreadable":
        why = _unreadable_reason(name, after)
        known = before.get("is") == "unreadable"
        return [make_reason("receipt_incomplete", reason=why) if known else why]
    if before == after:
        return []
    compare = {
        "path": _diff_path, "exists": _diff_existence, "reload_marker": _diff_reload_marker,
        "probe": _diff_probe,
    }  # fmt: skip
    return [compare.get(kind, _diff_resource_attributes)(item, before, after)]


def diff_machine_facts(before: State, after: State) -> list[Reason]:
    """Return the facts of the machine that differ from those that a role used."""
    return [
        make_reason("machine_changed", fact=name, before=before.get(name), after=after.get(name))
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    ]


def unreadable_path_reason(item: Item, state: State) -> Reason | None:
    """Return why one of an item's paths could not be read, or None."""
    paths = {"path": {item["name"]: state}, "paths": state}.get(item["kind"], {})
    found = (
        _unreadable_reason(name, now) for name, now in paths.items() if now["is"] == "unreadable"
    )
    return next(found, None)


def _unreadable_reason(path: str, state: State) -> Reason:
    return make_reason("path_unreadable", path=path, error=state["why"])


def _diff_path(item: Item, before: State, after: State) -> Reason:
    path = item["name"]
    if after["is"] == "absent":
        return make_reason("path_missing", path=path)
    if before["is"] == "unreadable":
        return make_reason("path_readable_again", path=path)
    if before["is"] == "absent":
        return make_reason("path_unexpected", path=path)
    if before["is"] != after["is"]:
        return make_reason("path_type_changed", path=path, before=before["is"], after=after["is"])
    parts = {
        "target": (before.get("to"), after.get("to")),
        "mode": (_mode_text(before), _mode_text(after)),
        "owner": (_owner_text(before), _owner_text(after)),
    }
    changed = {name: list(pair) for name, pair in parts.items() if pair[0] != pair[1]}
    content = before.get("sha256") != after.get("sha256")
    return make_reason("path_changed", path=path, content=content, **changed)


def _owner_text(state: State) -> str:
    return f"{state.get('uid')}:{state.get('gid')}"


def _mode_text(state: State) -> str:
    return str(state.get("mode", "")).replace("0o", "0")


def _diff_existence(item: Item, _: State, after: State) -> Reason:
    return make_reason("path_appeared" if after["exists"] else "path_missing", path=item["name"])


def _diff_reload_marker(item: Item, _: State, after: State) -> Reason:
    files = after.get("newer", [])
    if files == [FUTURE]:
        return make_reason("reload_time_unknown", marker=item["marker"])
    if files == [NO_MARKER]:
        return make_reason("never_reloaded", marker=item["marker"])
    hidden = max(0, len(files) - SHOWN_FILES)
    return make_reason(
        "not_reloaded", marker=item["marker"], files=files[:SHOWN_FILES], hidden=hidden
    )


def _diff_probe(item: Item, before: State, after: State) -> Reason:
    old, new = before.get("says", []), after.get("says", [])
    removed = [line for line in old if line not in new]
    added = [line for line in new if line not in old]
    if not removed and not added:
        return make_reason("probe_failed", probe=item["name"])
    shown = max(0, SHOWN_LINES - len(removed))
    hidden = max(0, len(removed) + len(added) - SHOWN_LINES)
    return make_reason(
        "probe_changed", probe=item["name"], removed=removed[:SHOWN_LINES], added=added[:shown],
        hidden=hidden,
    )  # fmt: skip


def _diff_resource_attributes(item: Item, before: State, after: State) -> Reason:
    changes = {
        name: [before.get(name), after.get(name)]
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    }
    return make_reason("resource_changed", kind=item["kind"], name=item["name"], changes=changes)

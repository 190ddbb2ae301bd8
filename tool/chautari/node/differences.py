"""Names the differences between how a thing stood and how it stands, in words for people."""

from __future__ import annotations

import errno
import os
from typing import Any, TypedDict

Item = dict[str, Any]
State = dict[str, Any]
SHOWN_LINES = 12
FUTURE = "a stamp from the future"  # in the place of a setting that is newer than the stamp
# What a node's facts are called; one that is not here goes by Ansible's name.
FACTS = {
    "id": "distribution", "version_id": "release", "machine": "processor",
    "memory_mb": "memory in MB", "processor_vcpus": "number of cores",
    "default_ipv4": "address", "all_ipv4_addresses": "list of addresses",
    "default_ipv6": "IPv6 address", "all_ipv6_addresses": "list of IPv6 addresses",
}  # fmt: skip


class Reason(TypedDict):
    """Why a role has to run: of which kind, about what, in words."""

    kind: str
    name: str
    text: str


def reason(kind: str, name: str, text: str) -> Reason:
    """Return a reason."""
    return {"kind": kind, "name": name, "text": text}


def between(item: Item, then: State, now: State) -> list[Reason]:
    """Return how `item` differs from what it was.

    A probe that was not content when it was sealed left the receipt open: that is no difference.
    What cannot be read is never taken for unchanged; when it could not then either, it only keeps
    the receipt open.
    """
    kind, name = item["kind"], item["name"]
    if kind == "paths":
        absent = {"is": "absent"}
        return [
            told
            for path in sorted({*then, *now})
            for told in between(
                {"kind": "path", "name": path}, then.get(path, absent), now.get(path, absent)
            )
        ]
    if kind == "path" and now["is"] == "unreadable":
        return [
            reason("open" if then.get("is") == "unreadable" else kind, name, _unread(name, now))
        ]
    if then == now:
        return []
    words = {"path": _path, "exists": _exists, "loaded": _loaded, "probe": _probe}.get(kind, _pairs)
    return [reason(kind, name, f"{name}: {words(then, now)}")]


def unread(item: Item, state: State) -> str:
    """Return which of an item's paths could not be read, in words; empty when all could."""
    paths = {"path": {item["name"]: state}, "paths": state}.get(item["kind"], {})
    found = (_unread(name, now) for name, now in paths.items() if now["is"] == "unreadable")
    return next(found, "")


def _unread(name: str, state: State) -> str:
    said = os.strerror(getattr(errno, state["why"]))
    return f"{name}: cannot be read ({said}); `stat {name}` on the node says more"


def machines(then: State, now: State) -> list[Reason]:
    """Return which facts of the machine are other ones than a role went by."""
    return [
        reason(
            "machine", name,
            f"the node's {FACTS.get(name, name)} was {_word(then.get(name))}, "
            f"is {_word(now.get(name))}",
        )
        for name in sorted({*then, *now})
        if then.get(name) != now.get(name)
    ]  # fmt: skip


def _path(then: State, now: State) -> str:
    if now["is"] == "absent":
        return "is gone"
    if then["is"] == "unreadable":
        return "can be read again"
    if then["is"] == "absent":
        return "is there again, and should not be"
    if then["is"] != now["is"]:
        return f"is a {now['is']} now, was a {then['is']}"
    words = []
    if then.get("sha256") != now.get("sha256"):
        words.append("its content changed")
    if then.get("to") != now.get("to"):
        words.append(f"points to {now.get('to')}, not to {then.get('to')}")
    if then.get("mode") != now.get("mode"):
        words.append(f"its mode is {_mode(now)}, was {_mode(then)}")
    if _owner(then) != _owner(now):
        words.append(f"its owner is {_owner(now)}, was {_owner(then)}")
    return "; ".join(words)


def _owner(state: State) -> str:
    return f"{state.get('uid')}:{state.get('gid')}"


def _mode(state: State) -> str:
    return str(state.get("mode", "")).replace("0o", "0")


def _exists(then: State, now: State) -> str:
    return "is there now" if now["exists"] else "is gone"


def _loaded(then: State, now: State) -> str:
    files = now.get("newer", [])
    if files == [FUTURE]:
        return "the clock was set back since it was loaded, so nobody can tell what changed since"
    more = f" and {len(files) - 3} more" if len(files) > 3 else ""
    return f"changed, and not loaded since: {', '.join(files[:3])}{more}"


def _probe(then: State, now: State) -> str:
    before, after = then.get("says", []), now.get("says", [])
    lines = [f"- {line}" for line in before if line not in after]
    lines += [f"+ {line}" for line in after if line not in before]
    if not lines:
        return "cannot be looked up, or is not as wished"
    more = [f"… {len(lines) - SHOWN_LINES} more"] if len(lines) > SHOWN_LINES else []
    return "changed\n" + "\n".join(lines[:SHOWN_LINES] + more)


def _pairs(then: State, now: State) -> str:
    words = []
    for name in sorted({*then, *now}):
        if then.get(name) != now.get(name):
            words.append(f"{name} is {_word(now.get(name))}, was {_word(then.get(name))}")
    return "; ".join(words)


def _word(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "nobody"
    return str(value) if value not in (None, "") else "not known"

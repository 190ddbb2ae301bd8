"""A node's record of its backups is hostile input."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chautari.backup.node_state import NodeState
from chautari.untrusted_node_file import MAX_BYTES, NodeFileRefused, parse_node_file

TARGET: dict[str, Any] = {
    "last_success": 1764460000,
    "last_attempt": 1764460000,
    "archive": "bog1-2025-11-30T02-30-11Z",
    "error": None,
    "bytes_stored": 10,
    "bytes_sent": 1,
    "seconds": 12.5,
    "paused_seconds": 1,
    "last_check": 1764460000,
    "check_ok": True,
}
DRILL: dict[str, Any] = {
    "time": 1764460000, "archive": "bog1-1", "ok": True, "tables": 122, "rows": 1, "files": 154,
    "seconds": 53,
}  # fmt: skip


def content(**changes: Any) -> bytes:
    return json.dumps({"format": 1, "targets": {"disk": TARGET}, "drill": DRILL} | changes).encode()


def test_record_is_read() -> None:
    found = parse_node_file(NodeState, content(new_in_a_later_version=[1]))
    assert found.targets["disk"].seconds == 12.5 and found.targets["disk"].paused_seconds == 1.0
    assert found.drill is not None and found.drill.tables == 122
    assert parse_node_file(NodeState, b'{"format": 1}').targets == {}


def test_error_has_a_code_and_data() -> None:
    error = {"code": "no_space", "data": {"needed": 5, "free": 1}}
    found = parse_node_file(NodeState, content(targets={"disk": TARGET | {"error": error}}))
    assert found.targets["disk"].error is not None
    assert found.targets["disk"].error.data == {"needed": 5, "free": 1}


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"{",
        b"\xff\xfe",
        b'{"format": 2}',
        b'{"format": "1"}',
        b"[" * 30_000,
        b" " * (MAX_BYTES + 1),
        content(targets=[]),
        content(targets={"../etc": TARGET}),
        content(targets={"disk\n": TARGET}),
        content(targets={f"t{number}": {} for number in range(41)}),
        content(targets={"disk": {"last_success": -1}}),
        content(targets={"disk": {"last_success": 2**53}}),
        content(targets={"disk": {"last_success": "1764460000"}}),
        content(targets={"disk": {"last_success": True}}),
        content(targets={"disk": {"archive": "\x1b[31mred"}}),
        content(targets={"disk": {"archive": "-rf"}}),
        content(targets={"disk": {"archive": "a" * 101}}),
        content(targets={"disk": {"check_ok": "yes"}}),
        content(targets={"disk": {"seconds": float("inf")}}),
        content(targets={"disk": {"error": "no_space"}}),
        content(targets={"disk": {"error": {"code": "No space"}}}),
        content(targets={"disk": {"error": {"code": "x", "data": dict.fromkeys(range(21))}}}),
        content(drill={"ok": True}),
        content(drill=DRILL | {"ok": 1}),
    ],
    ids=lambda raw: str(raw)[-40:],
)
def test_anything_else_is_refused_with_a_short_reason(raw: bytes) -> None:
    with pytest.raises(NodeFileRefused) as refused:
        parse_node_file(NodeState, raw)
    assert 0 < len(str(refused.value)) <= 220
    assert str(refused.value).isprintable()

"""How a resource differs from what it was, and the text of that difference."""

import errno
from pathlib import Path
from typing import Any

import pytest
from receipt_samples import (
    codes,
    fail_reads,
    path_item,
    reason_text,
    write_file,
)

from chautari.node.changes_since_receipt import SHOWN_LINES, diff_resource
from chautari.node.current_resources import path_state

Data = dict[str, Any]
FILE = {"is": "file", "uid": 0, "gid": 0, "mode": "0o644", "sha256": "a"}
LINK = {"is": "link", "uid": 0, "gid": 0, "to": "/a"}
GONE = {"is": "absent"}
MANY = [str(number) for number in range(SHOWN_LINES + 3)]


@pytest.mark.parametrize(
    ("kind", "then", "now", "text"),
    [
        ("path", FILE, GONE, "x: is missing"),
        ("path", GONE, FILE, "x: exists again, but should not exist"),
        ("path", FILE, {"is": "directory", "mode": "0o755"}, "x: was a file, is now a directory"),
        ("path", FILE, FILE | {"sha256": "b"}, "x: its content changed"),
        ("path", FILE, FILE | {"mode": "0o600"}, "x: its mode changed from 0644 to 0600"),
        ("path", FILE, FILE | {"gid": 33}, "x: its owner changed from 0:0 to 0:33"),
        ("path", LINK, LINK | {"to": "/b"}, "x: points to /b instead of /a"),
        ("path", FILE, FILE | {"sha256": "b", "mode": "0o600", "uid": 7},
         "x: its content changed; its mode changed from 0644 to 0600; "
         "its owner changed from 0:0 to 7:0"),
        ("exists", {"exists": False}, {"exists": True}, "x: exists now"),
        ("exists", {"exists": True}, {"exists": False}, "x: is missing"),
        ("package", {"status": "installed"}, {"status": "not-installed"},
         "x: status changed from installed to not-installed"),
        ("package", {"status": "installed", "version": "1"},
         {"status": "installed", "version": "2"}, "x: version changed from 1 to 2"),
        ("unit", {"active": "active", "enabled": "enabled"},
         {"active": "failed", "enabled": ""},
         "x: state changed from active to failed; start at boot changed from enabled to unknown"),
        ("account", {"groups": ["sudo"]}, {"groups": []}, "x: groups changed from sudo to empty"),
        ("group", {"gid": 1, "members": ["a"]}, {"gid": 1, "members": ["a", "b"]},
         "x: members changed from a to a, b"),
        ("group", {"gid": 1}, GONE,
         "x: gid changed from 1 to unknown; state changed from unknown to absent"),
        ("debconf", {"asked": True, "value": "1"}, {"asked": True, "value": "2"},
         "x: value changed from 1 to 2"),
        ("reload_marker", {"ok": True, "newer": []}, {"ok": False, "newer": ["/a"]},
         "not reloaded since these files changed: /a"),
        ("reload_marker", {"ok": True, "newer": []}, {"ok": False, "newer": list("abcde")},
         "not reloaded since these files changed: a, b, c and 2 more"),
        ("probe", {"ok": True, "says": ["a", "b"]}, {"ok": True, "says": ["b", "c"]},
         "x: changed\n- a\n+ c"),
        ("probe", {"ok": True, "says": ["a"]}, {"ok": False, "says": ["a"]},
         "x: could not be checked, or is not in the desired state"),
        ("probe", {"ok": True, "says": []}, {"ok": True, "says": MANY},
         "x: changed\n" + "\n".join(f"+ {n}" for n in MANY[:SHOWN_LINES]) + "\n… 3 more"),
    ],
)  # fmt: skip
def test_diff_resource_has_a_text_for_each_difference(
    kind: str, then: Data, now: Data, text: str
) -> None:
    item = {"kind": kind, "name": "x", "marker": "m"}
    [found] = diff_resource(item, then, now)
    assert reason_text(found) == text
    assert diff_resource({"kind": kind, "name": "x"}, then, then) == []


def test_diff_resource_names_each_file_of_a_pattern() -> None:
    then = {"/a": FILE, "/b": FILE, "/c": FILE}
    now = {"/a": FILE, "/b": FILE | {"sha256": "b"}, "/d": FILE}
    found = diff_resource({"kind": "paths", "name": "/*"}, then, now)
    assert list(map(reason_text, found)) == [
        "/b: its content changed", "/c: is missing", "/d: exists again, but should not exist",
    ]  # fmt: skip


LOOP = {"is": "unreadable", "why": "ELOOP", "ok": False}


@pytest.mark.parametrize("kind", ["path", "paths"])
def test_diff_resource_never_takes_unreadable_states_for_equal(kind: str) -> None:
    then = LOOP if kind == "path" else {"/x": LOOP}
    assert codes(diff_resource({"kind": kind, "name": "/x"}, then, then)) == ["receipt_incomplete"]


def test_diff_resource_reports_a_path_that_became_unreadable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_file(tmp_path / "x")
    then = path_state(str(file)) | {"sha256": ""}
    fail_reads(monkeypatch, errno.EIO)
    assert codes(diff_resource(path_item(file), then, path_state(str(file)))) == ["path_unreadable"]

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

from chautari.node.differences import SHOWN_LINES, diff_resource
from chautari.node.resource_states import path_state

Data = dict[str, Any]
FILE = {"is": "file", "uid": 0, "gid": 0, "mode": "0o644", "sha256": "a"}
LINK = {"is": "link", "uid": 0, "gid": 0, "to": "/a"}
GONE = {"is": "absent"}
MANY = [str(number) for number in range(SHOWN_LINES + 3)]


@pytest.mark.parametrize(
    ("kind", "then", "now", "text"),
    [
        ("path", FILE, GONE, "x: is missing"),
        ("path", GONE, FILE, "x: exists again, but should not"),
        ("path", FILE, {"is": "directory", "mode": "0o755"}, "x: is a directory now, was a file"),
        ("path", FILE, FILE | {"sha256": "b"}, "x: its content changed"),
        ("path", FILE, FILE | {"mode": "0o600"}, "x: its mode is 0600, was 0644"),
        ("path", FILE, FILE | {"gid": 33}, "x: its owner is 0:33, was 0:0"),
        ("path", LINK, LINK | {"to": "/b"}, "x: points to /b, not to /a"),
        ("path", FILE, FILE | {"sha256": "b", "mode": "0o600", "uid": 7},
         "x: its content changed; its mode is 0600, was 0644; its owner is 7:0, was 0:0"),
        ("exists", {"exists": False}, {"exists": True}, "x: exists now"),
        ("exists", {"exists": True}, {"exists": False}, "x: is missing"),
        ("package", {"status": "installed"}, {"status": "not-installed"},
         "x: status is not-installed, was installed"),
        ("package", {"status": "installed", "version": "1"},
         {"status": "installed", "version": "2"}, "x: version is 2, was 1"),
        ("unit", {"active": "active", "enabled": "enabled"},
         {"active": "failed", "enabled": ""},
         "x: active is failed, was active; enabled is not known, was enabled"),
        ("account", {"groups": ["sudo"]}, {"groups": []}, "x: groups is empty, was sudo"),
        ("group", {"gid": 1, "members": ["a"]}, {"gid": 1, "members": ["a", "b"]},
         "x: members is a, b, was a"),
        ("group", {"gid": 1}, GONE, "x: gid is not known, was 1; is is absent, was not known"),
        ("debconf", {"asked": True, "value": "1"}, {"asked": True, "value": "2"},
         "x: value is 2, was 1"),
        ("reload_marker", {"ok": True, "newer": []}, {"ok": False, "newer": ["/a"]},
         "not reloaded since these changed: /a"),
        ("reload_marker", {"ok": True, "newer": []}, {"ok": False, "newer": list("abcde")},
         "not reloaded since these changed: a, b, c and 2 more"),
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
        "/b: its content changed", "/c: is missing", "/d: exists again, but should not",
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

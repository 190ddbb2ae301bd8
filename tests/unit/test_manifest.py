"""The manifest of an archive: what a backup writes is read back, anything else is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chautari.node.backup.manifest import (
    FolderSpec,
    InvalidManifest,
    Manifest,
    StateSpec,
    dump_path,
    manifest_to_json,
    parse_manifest,
    parse_states,
)

STATE = StateSpec(
    name="nextcloud",
    folders=(FolderSpec("/var/lib/nextcloud/data", ("*/cache",)),),
    files=("/etc/nextcloud.conf",),
    databases={"postgresql": ("nextcloud",)},
    pause=("/usr/local/libexec/chautari/nextcloud-pause", "begin"),
    resume=("/usr/local/libexec/chautari/nextcloud-pause", "end"),
)
MANIFEST = Manifest(
    region="andes",
    node="bog1",
    time=1764460000,
    os="ubuntu-22.04",
    versions={"nextcloud": "32.0.1"},
    states=(STATE,),
    row_counts={"postgresql": {"nextcloud": {"public.oc_users": 3}}},
    file_count=154,
    file_bytes=12345,
)


def changed(**values: Any) -> bytes:
    return json.dumps(json.loads(manifest_to_json(MANIFEST)) | values).encode()


def test_manifest_is_read_as_it_was_written() -> None:
    assert parse_manifest(manifest_to_json(MANIFEST)) == MANIFEST


def test_manifest_names_rows_and_dumps() -> None:
    assert MANIFEST.row_counts_of_database("postgresql", "nextcloud") == {"public.oc_users": 3}
    assert MANIFEST.row_counts_of_database("mariadb", "nextcloud") is None
    assert (
        dump_path("mariadb", "framadate") == "run/chautari-backup/databases/mariadb/framadate.sql"
    )
    assert STATE.database_names == [("postgresql", "nextcloud")]
    assert STATE.paths == ("/var/lib/nextcloud/data", "/etc/nextcloud.conf")


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "not valid JSON"),
        (b"\xff", "not UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"format": 1, "format": 1}', "same key twice"),
        (changed(format=2), "its format is 2"),
        (changed(extra=1), "unknown key 'extra'"),
        (changed(node="../x"), "invalid name"),
        (changed(time=-1), "time is not a number"),
        (changed(time=True), "time is not a number"),
        (changed(os=["debian"]), "invalid name"),
        (changed(versions={"nextcloud": "1; rm"}), "invalid name"),
        (changed(files={"count": 1}), "files has no bytes"),
        (changed(row_counts={"oracle": {}}), "unknown key 'oracle'"),
        (changed(row_counts={"mariadb": {"a b": {}}}), "invalid name 'a b'"),
        (changed(row_counts={"mariadb": {"a": {"t": "1"}}}), "row_counts of a is not a number"),
    ],
)
def test_parse_manifest_refuses_what_no_backup_writes(raw: bytes, reason: str) -> None:
    with pytest.raises(InvalidManifest, match=reason):
        parse_manifest(raw)


@pytest.mark.parametrize(
    "path", ["etc/x", "/", "/a/../b", "/a/./b", "/a//b", "/a/", "/a\nb", "", 1, "/" + "a" * 5000]
)
def test_parse_states_refuses_unsafe_paths(path: object) -> None:
    with pytest.raises(InvalidManifest):
        parse_states([{"name": "x", "folders": [{"path": path}]}])
    with pytest.raises(InvalidManifest):
        parse_states([{"name": "x", "files": [path]}])


def test_parse_states_refuses_unknown_keys_and_relative_commands() -> None:
    for state in (
        {"name": "x", "run": []},
        {"name": "x", "pause": ["sh"]},
        {"name": "x", "folders": [{"path": "/a", "mode": 1}]},
        {"name": "x", "folders": [{"path": "/a", "may_be_empty": 1}]},
        {"name": "x", "databases": {"postgresql": ["A"]}},
        {"folders": []},
    ):
        with pytest.raises(InvalidManifest):
            parse_states([state])
    with pytest.raises(InvalidManifest, match="same name"):
        parse_states([{"name": "x"}, {"name": "x"}])

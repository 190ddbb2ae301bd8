"""The audit log: one line for each work, short, harmless, and never a reason to stop."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from chautari.node import audit_log

REQUEST = {
    "run": "20261130T120000-abcdef", "operator": "ana", "origin": "laptop", "region": "andes",
    "node": "bog1", "mode": "deploy", "full": False, "login": [],
    "brought": {"operators": {"ana": "SHA256:a"}, "secrets": {"jitsi_key": "1"}, "peers": {}},
}  # fmt: skip


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(audit_log, "LOG", tmp_path / "log" / "audit.log")
    return audit_log.LOG


def entries(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()]


def test_each_run_is_one_line(log: Path, tmp_path: Path) -> None:
    audit_log.record_run(tmp_path, REQUEST)
    audit_log.record_run(tmp_path, REQUEST | {"mode": "verify", "full": True})
    first, second = entries(log)
    assert {key: first[key] for key in ("what", "operator", "origin", "node", "run")} == {
        "what": "deploy", "operator": "ana", "origin": "laptop", "node": "bog1",
        "run": "20261130T120000-abcdef",
    }  # fmt: skip
    assert (second["what"], second["options"]) == ("verify", ["full"])
    assert stat.S_IMODE(log.stat().st_mode) == 0o640
    assert stat.S_IMODE(log.parent.stat().st_mode) == 0o750


def test_what_a_deploy_brings_is_recorded_when_it_changes(log: Path, tmp_path: Path) -> None:
    audit_log.record_run(tmp_path, REQUEST)
    brought: dict[str, dict[str, str]] = {
        "operators": {"luz": "SHA256:b"}, "secrets": {"jitsi_key": "2"}, "peers": {"quito": "x"},
    }  # fmt: skip
    # A check brings nothing.
    audit_log.record_run(tmp_path, REQUEST | {"brought": brought, "mode": "verify"})
    for _ in range(2):
        audit_log.record_run(tmp_path, REQUEST | {"brought": brought})
    found = entries(log)
    assert [entry["what"] for entry in found] == [
        "deploy", "verify", "deploy", "operators_changed", "secrets_changed", "peers_changed",
        "deploy",
    ]  # fmt: skip
    assert (found[3]["added"], found[3]["removed"]) == (["luz"], ["ana"])
    assert found[4]["changed"] == ["jitsi_key"]
    assert found[5]["added"] == ["quito"] and found[5]["operator"] == "ana"
    assert "SHA256:b" not in log.read_text()


@pytest.mark.parametrize("text", ["a\nb", "\x1b[2J", "\u202e", "\ud800", '"}{', "x" * 100_000])
def test_hostile_text_stays_one_short_line(log: Path, text: str) -> None:
    audit_log.record("run", {"command": text, "items": [text] * 1000})
    [line] = log.read_bytes().splitlines()
    assert line.isascii() and line.decode().isprintable() and len(line) <= audit_log.MAX_LINE
    assert json.loads(line)["what"] == "run"


def test_damaged_memory_and_requests_are_no_error(log: Path, tmp_path: Path) -> None:
    for content in ("{", "[]", '{"operators": 7}'):
        (tmp_path / audit_log.STATE_FILE).write_text(content)
        audit_log.record_run(tmp_path, REQUEST)
    audit_log.record_run(tmp_path, {"brought": "x"})
    assert {entry["what"] for entry in entries(log)} == {"deploy"}


def test_log_that_cannot_be_written_stops_nothing(log: Path, tmp_path: Path) -> None:
    log.parent.write_text("no folder")
    audit_log.record_run(tmp_path, REQUEST)
    log.parent.unlink()
    log.parent.mkdir()
    (tmp_path / "shadow").write_text("")
    log.symlink_to(tmp_path / "shadow")
    audit_log.record("run", {})
    assert (tmp_path / "shadow").read_text() == ""


def test_login_is_that_of_sshd(monkeypatch: pytest.MonkeyPatch) -> None:
    said = "Accepted publickey for ana from 192.0.2.7 port 4242 ssh2: ED25519 SHA256:" + "a" * 43
    lines = [
        json.dumps({"MESSAGE": said.replace("ana", "luz"), "_UID": "1000"}),
        json.dumps({"MESSAGE": [1, 2], "_UID": "0"}),
        json.dumps({"MESSAGE": said, "_UID": "0"}),
    ]

    def run(argv: list[str], **_: Any) -> subprocess.CompletedProcess[bytes]:
        assert "_PID=7" in argv
        return subprocess.CompletedProcess(argv, 0, "\n".join(lines).encode(), b"")

    monkeypatch.setattr(subprocess, "run", run)
    assert audit_log.login_of_processes([7]) == {
        "account": "ana", "address": "192.0.2.7", "key": "SHA256:" + "a" * 43,
    }  # fmt: skip
    lines[:] = ["{"]
    assert audit_log.login_of_processes([7]) == {}
    assert audit_log.login_of_processes([]) == {}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can set the attribute")
def test_file_only_grows_where_the_file_system_allows_it(log: Path) -> None:
    audit_log.record("run", {})
    shown = subprocess.run(["lsattr", str(log)], capture_output=True, text=True, check=False)
    if "a" not in shown.stdout.split(" ")[0]:
        pytest.skip("this file system has no such attribute")
    try:
        with pytest.raises(PermissionError):
            log.open("w")
        audit_log.record("run", {})
        assert len(entries(log)) == 2
    finally:
        subprocess.run(["chattr", "-a", str(log)], check=True)


def test_last_lines_are_short_and_few(log: Path) -> None:
    assert audit_log.last_lines() == []
    for number in range(20):
        audit_log.record("run", {"command": f"{number}-" + "x" * 1000, "items": ["y" * 200] * 15})
    lines = audit_log.last_lines()
    assert len(lines) == audit_log.LAST_LINES and max(map(len, lines)) == audit_log.MAX_SHOWN
    assert '"19-x' in lines[-1]

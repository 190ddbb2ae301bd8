"""Nextcloud is paused for a backup, and everything continues afterwards, also after a kill."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any

import pytest
from region_samples import ROOT

SCRIPT = ROOT / "roles/nextcloud/files/nextcloud-pause"
BUSY = (
    "Num       RefCount Protocol Flags    Type St Inode Path\n"
    "ffff: 00000002 00000000 00010000 0001 01 20 /run/php/nextcloud.sock\n"
    "ffff: 00000003 00000000 00000000 0001 03 21 /run/php/nextcloud.sock\n"
)


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    loader = SourceFileLoader("nextcloud_pause", str(SCRIPT))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec
    found = importlib.util.module_from_spec(spec)
    loader.exec_module(found)
    found.calls = []

    def systemctl(*arguments: str) -> int:
        found.calls.append(arguments)
        return 3 if arguments == ("is-active", "nextcloud-cron.service") else 0

    monkeypatch.setattr(found, "systemctl", systemctl)
    monkeypatch.setattr(found, "RECORD", tmp_path / "run" / "paused")
    monkeypatch.setattr(found, "CHANGES", (tmp_path / ".switching",))
    monkeypatch.setattr(found, "PROC", tmp_path / "proc")
    monkeypatch.setattr(found, "GRACE_SECONDS", 0.2)
    (tmp_path / "proc" / "net").mkdir(parents=True)
    (tmp_path / "proc" / "net" / "unix").write_text(BUSY.replace(" 03 ", " 01 "))
    return found


@pytest.fixture
def worker(program: Any) -> Iterator[int]:
    """A process that looks like one of the pool."""
    with subprocess.Popen(["sleep", "60"]) as process:
        folder = program.PROC / str(process.pid)
        folder.mkdir()
        (folder / "cmdline").write_bytes(b"php-fpm: pool nextcloud\0")
        other = program.PROC / "1"
        other.mkdir()
        (other / "cmdline").write_bytes(b"php-fpm: pool framadate\0")
        yield process.pid
        process.kill()


def is_stopped(process: int) -> bool:
    text = Path(f"/proc/{process}/stat").read_text()
    return text.rpartition(")")[2].split()[0] == "T"


def test_pause_stops_what_still_writes_and_the_end_continues_it(program: Any, worker: int) -> None:
    assert program.main(["begin"]) == 0
    assert program.RECORD.exists() and program.RECORD.stat().st_mode & 0o777 == 0o644
    os.waitid(os.P_PID, worker, os.WSTOPPED | os.WNOWAIT)
    assert is_stopped(worker)
    assert program.main(["end"]) == 0
    assert not is_stopped(worker) and not program.RECORD.exists()
    assert program.calls[-1] == ("start", "nextcloud-cron.timer")


def test_pause_waits_for_requests_but_not_forever(program: Any) -> None:
    assert not program.requests_running()
    (program.PROC / "net" / "unix").write_text(BUSY)
    assert program.requests_running()
    assert program.main(["begin"]) == 0


def test_pause_that_begins_twice_remembers_the_timer(program: Any) -> None:
    program.main(["begin"])
    before = program.RECORD.read_text()
    program.systemctl = lambda *_: 3  # by now the timer is stopped
    program.main(["begin"])
    assert program.RECORD.read_text() == before == json.dumps({"timer": True})


def test_timer_that_did_not_run_stays_stopped(
    program: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[str, ...]] = []
    monkeypatch.setattr(program, "systemctl", lambda *call: calls.append(call) or 3)
    program.main(["begin"])
    program.main(["end"])
    assert ("start", "nextcloud-cron.timer") not in calls


def test_end_without_a_pause_changes_nothing(program: Any) -> None:
    assert program.main(["end"]) == 0
    assert program.calls == [("kill", "--signal=SIGCONT", "nextcloud-cron.service")]


def test_end_after_a_damaged_record_starts_the_jobs(program: Any) -> None:
    program.main(["begin"])
    program.RECORD.write_text("{")
    program.main(["end"])
    assert program.calls[-1] == ("start", "nextcloud-cron.timer")


def test_change_of_version_is_not_stored_half_done(program: Any) -> None:
    program.CHANGES[0].touch()
    with pytest.raises(SystemExit, match="change of version"):
        program.main(["begin"])
    assert program.calls == [] and not program.RECORD.exists()


def test_unknown_action_is_refused(program: Any) -> None:
    assert program.main([]) == program.main(["pause"]) == 2


def test_site_and_program_agree_on_the_record() -> None:
    site = (ROOT / "roles/nextcloud/templates/site.conf.j2").read_text()
    text = SCRIPT.read_text()
    assert "if (-f /run/chautari-nextcloud/paused)" in site
    assert 'Path("/run/chautari-nextcloud/paused")' in text
    assert signal.SIGSTOP.name in text

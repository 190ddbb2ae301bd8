"""What services on a node logged: which lines are recent, and which files are read."""

from __future__ import annotations

import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from chautari.node import service_logs

NOON = datetime(2026, 11, 29, 12, 0, 0, tzinfo=UTC).timestamp()


def printed(capsys: pytest.CaptureFixture[str]) -> list[tuple[str, str]]:
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert all(line["event"] == "log_line" for line in lines)
    return [(line["source"], line["text"]) for line in lines]


def arguments(*files: str, **changed: object) -> dict[str, object]:
    return {"units": [], "files": files, "seconds": 3600, "lines": 100, "follow": False} | changed


@pytest.mark.parametrize(
    "text",
    [
        '{"reqId":"x","level":3,"time":"2026-11-29T12:00:00+00:00","message":"no"}',
        "JVB 2026-11-29T13:00:00.123+0100 WARNING: [1] x",
        '198.51.100.7 - - [29/Nov/2026:14:00:00 +0200] "GET / HTTP/2.0" 200',
        "2026-11-29 09:00:00,5-03:00 x",
        "20261129 120000Z [MAIL] x",
    ],
)
def test_line_time_knows_the_forms_of_logs_with_a_zone(text: str) -> None:
    assert service_logs.line_time(text) == NOON


@pytest.mark.parametrize(
    "form", ["%Y/%m/%d %H:%M:%S [error] x", "%Y-%m-%d %H:%M:%S x", "%Y%m%d %H%M%S [MAIL] x"]
)
def test_line_time_without_a_zone_is_local(form: str) -> None:
    now = int(time.time())
    assert service_logs.line_time(time.strftime(form, time.localtime(now))) == now


def test_line_time_without_a_year_is_never_in_the_future() -> None:
    in_a_month = time.localtime(time.time() + 30 * 86_400)
    name = service_logs.MONTHS[in_a_month.tm_mon - 1]
    found = service_logs.line_time(f"{name} {in_a_month.tm_mday:2} 10:00:00 mod\tinfo\tx")
    assert found is not None and found < time.time()


@pytest.mark.parametrize(
    "text", ["", "no time", "2026-99-99 99:99:99", "Foo 01 10:00:00", "1/Foo/2026:10:00:00 +0000"]
)
def test_line_time_of_other_texts_is_unknown(text: str) -> None:
    assert service_logs.line_time(text) is None


def test_lines_without_a_time_belong_to_the_line_before() -> None:
    lines = ["2026-11-29T11:00:00Z a", "  trace of a", "2026-11-29T12:00:01Z b", "  trace of b"]
    assert list(service_logs.lines_since(lines, NOON)) == lines[2:]
    assert list(service_logs.lines_since(["x", "y"], NOON)) == ["x", "y"]


def test_only_regular_files_are_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.log").write_text("one\ntwo\nthree\n")
    (tmp_path / "b.log").symlink_to("/etc/shadow")
    os.mkfifo(tmp_path / "c.log")
    (tmp_path / "d.log").mkdir()
    found = arguments(str(tmp_path / "*.log"), str(tmp_path / "missing.log"), lines=2)
    assert service_logs.main(found) == 0
    source = str(tmp_path / "a.log")
    assert printed(capsys) == [(source, "two"), (source, "three")]


def test_only_the_end_of_a_long_file_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(service_logs, "MAX_READ", 20)
    file = tmp_path / "a.log"
    file.write_text("x" * 500 + "\nlast but one\nlast\n")
    service_logs.main(arguments(str(file)))
    assert [text for _, text in printed(capsys)] == ["last but one", "last"]


def test_long_lines_are_shortened(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "a.log"
    file.write_text("x" * 50_000 + "\n")
    service_logs.main(arguments(str(file)))
    assert [len(text) for _, text in printed(capsys)] == [service_logs.MAX_LINE]


def test_new_lines_are_complete_and_survive_rotation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "a.log"
    file.write_text("old\nhal")
    position = service_logs._print_new_lines_and_return_position(str(file), 4)
    assert position == 4 and printed(capsys) == []
    file.write_text("old\nhalf\n")
    position = service_logs._print_new_lines_and_return_position(str(file), position)
    assert [text for _, text in printed(capsys)] == ["half"] and position == 9
    file.write_text("new\n")
    assert service_logs._print_new_lines_and_return_position(str(file), position) == 4
    assert [text for _, text in printed(capsys)] == ["new"]
    file.unlink()
    assert service_logs._print_new_lines_and_return_position(str(file), 4) == 4


def test_journal_is_asked_for_the_units(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    program = tmp_path / "journalctl"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\necho "-- cursor: s=1"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    service_logs.main(arguments(units=["a.service", "b-*.service"]))
    found = [text for source, text in printed(capsys) if source == "journal"]
    assert {"--unit=a.service", "--unit=b-*.service", "--show-cursor", "--quiet"} <= set(found)
    assert "--follow" not in found and "-- cursor: s=1" not in found
    service_logs.main(arguments(units=["a.service"], lines=1))
    assert printed(capsys) == [("journal", "--unit=a.service")]
    assert (
        service_logs._print_journal_and_return_cursor_option(["a"], 1.0, 1) == "--after-cursor=s=1"
    )

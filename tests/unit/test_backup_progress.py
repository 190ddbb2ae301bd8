"""Progress in lines that a log can keep: each new step, and then one line in ten seconds."""

from __future__ import annotations

from typing import Any

import pytest

from chautari.backup import progress
from chautari.backup.node_program import BackupStarted, Progress, UploadAnnounced
from chautari.backup.progress import ProgressPrinter

FIRST = UploadAnnounced(
    event="announced", target="disk", first=True, files=1234, bytes=5_000_000_000
)


def step(name: str, **changes: Any) -> Progress:
    return Progress(event="progress", target="disk", step=name, **changes)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_size_of_the_first_upload_is_announced_with_its_longest_duration() -> None:
    lines: list[str] = []
    ProgressPrinter(lines.append, 500).print_event("bog1", FIRST)
    assert lines == [
        "bog1 to disk: this is the first backup, so 5.0 GB in 1,234 files are uploaded (less if "
        "the files can be compressed); with the limit of 500 KiB/s, up to 2 h 42 min"
    ]
    later = FIRST.model_copy(update={"first": False})
    ProgressPrinter(lines.append, 500).print_event("bog1", later)
    assert lines[1].endswith("1,234 files are compared with the last backup; 5.0 GB must be read")


def test_line_is_printed_for_each_new_step_and_every_ten_seconds(clock: list[float]) -> None:
    lines: list[str] = []
    printer = ProgressPrinter(lines.append)
    printer.print_event("bog1", BackupStarted(event="started"))
    for second, event in (
        (0, step("files", files=1, bytes=1000, bytes_sent=10)),
        (2, step("files", files=2, bytes=2000, bytes_sent=20)),
        (11, step("files", files=3, bytes=3000, bytes_sent=30)),
        (12, step("pause")),
        (13, step("sparkles")),
    ):
        clock[0] = 100.0 + second
        printer.print_event("bog1", event)
    assert lines == [
        "bog1: the backup is running",
        "bog1 to disk: reading files: 1.0 kB read, 10 B uploaded",
        "bog1 to disk: reading files: 3.0 kB read, 30 B uploaded",
        "bog1 to disk: services are paused",
        "bog1 to disk: sparkles",
    ]


def test_nodes_and_targets_do_not_hide_each_other(clock: list[float]) -> None:
    lines: list[str] = []
    printer = ProgressPrinter(lines.append)
    other = step("files").model_copy(update={"target": "box"})
    for node, event in (("bog1", step("files")), ("bog1", other), ("med1", step("files"))):
        printer.print_event(node, event)
    assert len(lines) == 3

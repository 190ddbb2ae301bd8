"""Progress: exact lines in a pipe, a line a node in a terminal, safe from many threads."""

from __future__ import annotations

import io
import threading

import pytest
from rich.console import Console

from chautari.report.live_view import LiveView
from chautari.report.progress import Event, Progress

ROLE_DONE = {"event": "role_finished", "role": "nginx", "ok": 12, "changed": 3, "seconds": 4.06}


class TerminalText(io.StringIO):
    """What a program writes to a terminal of 80 columns and 8 lines."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> TerminalText:
    for name, value in (("COLUMNS", "80"), ("LINES", "8"), ("TERM", "xterm")):
        monkeypatch.setenv(name, value)
    return TerminalText()


def shown_rows(progress: Progress, terminal: TerminalText) -> list[str]:
    view, shown = LiveView(terminal, progress.rows), io.StringIO()
    Console(file=shown, width=80).print(view.table())
    view.stop()
    return shown.getvalue().splitlines()


def lines_in_pipe(*events: Event, node: str = "med1") -> list[str]:
    stream = io.StringIO()
    with Progress(stream) as progress:
        for event in events:
            progress.handle_event(node, event)
    return stream.getvalue().splitlines()


@pytest.mark.parametrize(
    ("event", "lines"),
    [
        (ROLE_DONE, ["med1  nginx  changed=3 ok=12 4.1s"]),
        (ROLE_DONE | {"failed": 1}, ["med1  nginx  changed=3 ok=12 failed=1 4.1s"]),
        (
            {"event": "role_message", "role": "tls", "text": "make the record\n  A 203.0.113.11"},
            ["med1  tls  notice: make the record", "      A 203.0.113.11"],
        ),
        (
            {"event": "failure", "role": "php", "task": "Start it", "message": "[red]no\x1b[2J"},
            [r"med1  php  FAILED Start it: [red]no\x1b[2J"],
        ),
        (
            {"event": "download_progress", "title": "X", "bytes": 45_060_000, "total": 167_000_000},
            ["med1  X: 45.1 of 167.0 MB"],
        ),
        (
            {
                "event": "download_progress",
                "title": "X\x1b",
                "bytes": 0,
                "total": 0,
                "pause": 30,
                "error": "Network is\nunreachable",
            },
            [r"med1  X\x1b: 0.0 MB, interrupted; continues in 30 s: Network is unreachable"],
        ),
        (
            {"event": "run_finished", "ok": True, "failed_checks": 0, "seconds": 312},
            ["med1  done  changed=0 failed=0 312.0s"],
        ),
        ({"event": "task", "role": "php", "task": "x", "status": "ok", "seconds": 1}, []),
        ({"event": "role_started", "role": "php"}, []),
        ({"event": "from the future", "role": "php"}, []),
        ({}, []),
        (
            {"event": "role_finished", "role": "x", "ok": "many", "seconds": float("nan")},
            ["med1  x  changed=0 ok=0 0.0s"],
        ),
    ],
)
def test_pipe_shows_exact_lines(event: Event, lines: list[str]) -> None:
    assert lines_in_pipe(event) == lines


def test_last_line_of_a_node_counts_its_tasks() -> None:
    task = {"event": "task", "role": "php", "task": "x", "seconds": 1}
    tasks = [task | {"status": status} for status in ("changed", "ok", "changed", "failed")]
    ending = {"event": "run_finished", "ok": False, "failed_checks": 0, "seconds": 1.0}
    assert lines_in_pipe(*tasks, ending) == ["med1  FAILED  changed=2 failed=1 1.0s"]


def test_pipe_shows_failed_checks_at_once_and_counts_at_the_end() -> None:
    check = {"event": "check", "service": "nginx", "check": "test_a", "title": "nginx runs"}
    lines = lines_in_pipe(
        check | {"outcome": "passed"},
        check | {"outcome": "failed", "message": "it does not"},
        check | {"outcome": "skipped", "message": "no sink"},
    )
    assert lines == [
        "med1  nginx  check failed: nginx runs: it does not",
        "med1  nginx  check skipped: nginx runs: no sink",
        "med1  checks  passed=1 failed=1 skipped=1",
    ]


def test_phase_is_a_line_in_a_pipe() -> None:
    stream = io.StringIO()
    with Progress(stream) as progress:
        progress.show_node_phase("bog1", "preparing")
    assert stream.getvalue() == "bog1  preparing\n"


def test_long_lines_of_a_pipe_are_not_broken() -> None:
    message = "word " * 60
    assert lines_in_pipe({"event": "role_message", "role": "tls", "text": message}) == [
        f"med1  tls  notice: {message.strip()}"
    ]


def test_events_of_many_threads_stay_whole_lines() -> None:
    stream = io.StringIO()
    with Progress(stream) as progress:
        threads = [
            threading.Thread(target=progress.handle_event, args=(f"n{n}", ROLE_DONE))
            for n in range(20)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    expected = sorted(f"n{n}  nginx  changed=3 ok=12 4.1s" for n in range(20))
    assert sorted(stream.getvalue().splitlines()) == expected


def test_terminal_shows_a_line_a_node_and_prints_failures_above(terminal: TerminalText) -> None:
    times = iter(range(1000))
    with Progress(terminal, clock=lambda: float(next(times))) as progress:
        progress.handle_event("med1", {"event": "role_started", "role": "nginx"})
        progress.handle_event(
            "med1", {"event": "task", "task": "Install [b]it", "status": "changed"}
        )
        progress.handle_event(
            "bog1", {"event": "failure", "role": "php", "task": "Go", "message": "no"}
        )
    first, second = shown_rows(progress, terminal)
    assert "med1" in first and "nginx" in first and "Install [b]it" in first
    assert "1 changed" in first
    assert "bog1" in second
    assert "bog1  php  FAILED Go: no" in terminal.getvalue()


def test_terminal_is_free_until_a_node_has_progress(terminal: TerminalText) -> None:
    """Before that a sandbox may be started, and sudo may ask for a password."""
    with Progress(terminal) as progress:
        progress.print_line("created the network")
        progress.finish_node("bog1", "up to date")
        assert terminal.getvalue() == "created the network\nbog1  up to date\n"
        progress.show_node_phase("med1", "preparing")
        assert "\x1b[" in terminal.getvalue() and "med1" in terminal.getvalue()


def test_terminal_without_a_cursor_gets_lines(
    terminal: TerminalText, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "dumb")
    with Progress(terminal) as progress:
        progress.show_node_phase("med1", "preparing")
    assert terminal.getvalue() == "med1  preparing\n"


def test_terminal_starts_one_view_for_many_threads(terminal: TerminalText) -> None:
    with Progress(terminal) as progress:
        threads = [
            threading.Thread(target=progress.show_node_phase, args=(f"n{n}", "preparing"))
            for n in range(20)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    # Each live view hides the cursor once.
    assert terminal.getvalue().count("\x1b[?25l") == 1


def test_terminal_with_many_nodes_shows_those_that_run(terminal: TerminalText) -> None:
    progress = Progress(io.StringIO())
    for number in range(5):
        progress.show_node_phase(f"n{number}", "preparing")
    progress.finish_node("n0", "unreachable")
    lines = shown_rows(progress, terminal)
    assert [line.split()[0] for line in lines] == ["n1", "n2", "and"]
    assert "and 3 more" in lines[2]


def test_default_console_writes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress() as progress:
        progress.handle_event("med1", ROLE_DONE)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "med1  nginx  changed=3 ok=12 4.1s\n"

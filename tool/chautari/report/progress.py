"""Progress of several nodes at once, on standard error: live in a terminal, lines in a pipe."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from chautari.report.text_format import duration_text, escape_unsafe_characters, to_one_line

Event = Mapping[str, Any]
_OUTCOMES = ("passed", "failed", "skipped")
_ROOM = 6  # lines of the terminal that the live view leaves free
_URGENT = ("role_message", "failure", "check")


@dataclass
class _NodeProgress:
    """What is known of one node while its run goes on."""

    began: float
    ended: float | None = None
    role: str = ""
    task: str = "connecting"
    ok: int = 0
    changed: int = 0
    failed: int = 0
    checks: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_OUTCOMES, 0))

    def count_task(self, status: str) -> None:
        """Count one finished task."""
        self.ok += status == "ok"
        self.changed += status == "changed"
        self.failed += status == "failed"

    def counts_text(self) -> str:
        """Return the counts that say something, in few words."""
        named = [("ok", self.ok), ("changed", self.changed), ("failed", self.failed)]
        named += [("passed", self.checks["passed"]), ("not passed", self.checks["failed"])]
        return " ".join(f"{number} {name}" for name, number in named if number)


class Progress:
    """Take events from many threads and show how far every node is."""

    def __init__(
        self, console: Console | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Show progress on `console`, by default standard error."""
        self._console = console or Console(stderr=True)
        self._clock = clock
        self._lock = threading.Lock()
        self._nodes: dict[str, _NodeProgress] = {}
        self._live: Live | None = None

    def __enter__(self) -> Self:
        """Prepare a live view on a terminal; the first node starts it.

        Until then the terminal is free: sudo may ask there for a password.
        """
        if self._console.is_interactive:
            self._live = Live(
                get_renderable=self.live_table,
                console=self._console,
                refresh_per_second=4,
                transient=True,
                redirect_stdout=False,
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take the live view away, or say in a line what the checks of each node came to."""
        if self._live:
            self._live.stop()
            self._live = None
            return
        for name, node in self._nodes.items():
            if any(node.checks.values()):
                counts = " ".join(f"{key}={number}" for key, number in node.checks.items())
                self._print_lines([_join_columns(name, "checks", counts)])

    def print_line(self, text: str) -> None:
        """Print a line that is about no node."""
        self._console.print(escape_unsafe_characters(text), markup=False, highlight=False)

    def show_phase(self, node: str, doing: str) -> None:
        """Say what happens to a node outside its roles, for example `preparing`."""
        with self._lock:
            state = self._progress_of(node)
            state.role, state.task = "", to_one_line(doing)
        self._start_live_view()
        if not self._live:
            self._print_lines([_join_columns(node, doing)])

    def finish_node(self, node: str, state: str) -> None:
        """Show the final state of a node that sends no further events."""
        self.show_phase(node, state)
        with self._lock:
            self._progress_of(node).ended = self._clock()

    def handle_event(self, node: str, event: Event) -> None:
        """Take one event of a node; kinds that are not known are passed over."""
        with self._lock:
            state = self._progress_of(node)
            self._apply_event(state, event)
        self._start_live_view()
        lines = _event_lines(node, event)
        if event.get("event") == "run_finished":
            counts = f"changed={state.changed} failed={state.failed} {_seconds_text(event)}"
            lines = [_join_columns(node, "done" if event.get("ok") else "FAILED", counts)]
        if self._live:
            lines = [line for line in lines if event.get("event") in _URGENT]
        self._print_lines(lines, "bold red" if _is_failure(event) else "yellow")

    def _start_live_view(self) -> None:
        if self._live:
            self._live.start(refresh=True)

    def _progress_of(self, node: str) -> _NodeProgress:
        return self._nodes.setdefault(node, _NodeProgress(self._clock()))

    def _apply_event(self, state: _NodeProgress, event: Event) -> None:
        kind = event.get("event")
        if kind == "role_started":
            state.role, state.task = to_one_line(event.get("role", "")), ""
        elif kind == "task":
            state.task = to_one_line(event.get("task", ""))
            state.count_task(str(event.get("status", "")))
        elif kind == "check":
            state.role, state.task = "checks", to_one_line(event.get("title", ""))
            outcome = str(event.get("outcome", ""))
            if outcome in state.checks:
                state.checks[outcome] += 1
        elif kind == "run_finished":
            state.role, state.task, state.ended = "", "done", self._clock()

    def _print_lines(self, lines: list[str], style: str = "") -> None:
        if lines:
            text = Text(
                escape_unsafe_characters("\n".join(lines)), style=style if self._live else ""
            )
            self._console.print(text, soft_wrap=not self._live)

    def live_table(self) -> Table:
        """Return the live view as it is now: a line for each node, as far as they fit."""
        with self._lock:
            running_first = sorted(self._nodes.items(), key=lambda item: item[1].ended is not None)
            shown = running_first[: max(1, self._console.height - _ROOM)]
            rows = [self._node_row(name, state) for name, state in shown]
        if len(rows) < len(running_first):
            rows.append(("", "", f"and {len(running_first) - len(rows)} more", "", ""))
        table = Table(box=None, show_header=False, pad_edge=False, expand=True)
        table.add_column(style="bold", no_wrap=True, max_width=16)
        table.add_column(style="cyan", no_wrap=True, max_width=12)
        table.add_column(no_wrap=True, ratio=1)
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True, justify="right")
        for row in rows:
            table.add_row(*(Text(cell, overflow="ellipsis", no_wrap=True) for cell in row))
        return table

    def _node_row(self, name: str, state: _NodeProgress) -> tuple[str, ...]:
        until = state.ended if state.ended is not None else self._clock()
        elapsed = duration_text(until - state.began)
        return (to_one_line(name), state.role, state.task, state.counts_text(), elapsed)


def _is_failure(event: Event) -> bool:
    return event.get("event") == "failure" or event.get("outcome") == "failed"


def _event_lines(node: str, event: Event) -> list[str]:
    """Return what a pipe shows for one event; a message of several lines is indented."""
    role = to_one_line(event.get("role", ""))
    message = escape_unsafe_characters(event.get("message", ""))
    match event.get("event"):
        case "role_finished":
            return [_join_columns(node, role, _task_counts_of_role(event))]
        case "role_message":
            text = escape_unsafe_characters(event.get("text", ""))
            return _indent_further_lines(_join_columns(node, role, f"notice: {text}"))
        case "failure":
            task = to_one_line(event.get("task", ""))
            return _indent_further_lines(_join_columns(node, role, f"FAILED {task}: {message}"))
        case "check" if event.get("outcome") in ("failed", "skipped"):
            title = to_one_line(event.get("title") or event.get("check") or "")
            service = to_one_line(event.get("service", ""))
            text = f"check {event['outcome']}: {title}: {message}"
            return _indent_further_lines(_join_columns(node, service, text))
    return []


def _join_columns(node: str, *parts: str) -> str:
    return "  ".join(part for part in (to_one_line(node), *parts) if part)


def _indent_further_lines(text: str) -> list[str]:
    first, *rest = text.strip().splitlines() or [""]
    return [first.rstrip(), *(f"    {line.rstrip()}" for line in rest if line.strip())]


def _task_counts_of_role(event: Event) -> str:
    failed = f" failed={_integer_field(event, 'failed')}" if _integer_field(event, "failed") else ""
    counts = f"changed={_integer_field(event, 'changed')} ok={_integer_field(event, 'ok')}{failed}"
    return f"{counts} {_seconds_text(event)}"


def _integer_field(event: Event, key: str) -> int:
    return int(_number_field(event, key))


def _seconds_text(event: Event) -> str:
    return f"{_number_field(event, 'seconds'):.1f}s"


def _number_field(event: Event, key: str) -> float:
    """Return a number of an event; what is missing or no finite number counts as nothing."""
    value = event.get(key, 0)
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else 0.0

"""Progress of several nodes at once, on standard error: live in a terminal, lines in a pipe."""

from __future__ import annotations

import math
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TextIO

from chautari.language import _
from chautari.report.role_messages import translate_check_message, translate_role_message
from chautari.report.text_format import duration_text, escape_unsafe_characters, to_one_line

if TYPE_CHECKING:
    from chautari.report.live_view import LiveView, Row

Event = Mapping[str, Any]
_OUTCOMES = ("passed", "failed", "skipped")
_NOT_ADDRESSABLE = ("dumb", "unknown")  # terminals without a cursor that programs can move
_URGENT = ("role_message", "failure", "check")


@dataclass
class _NodeProgress:
    """What is known of one node while its run goes on."""

    began: float
    ended: float | None = None
    role: str = ""
    task: str = ""
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
        named = [(_("ok"), self.ok), (_("changed"), self.changed), (_("failed"), self.failed)]
        named += [(_("passed"), self.checks["passed"]), (_("not passed"), self.checks["failed"])]
        return " ".join(f"{number} {name}" for name, number in named if number)


class Progress:
    """Take events from many threads and show how far every node is."""

    def __init__(
        self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Show progress on `stream`, by default standard error."""
        self._stream = sys.stderr if stream is None else stream
        self._clock = clock
        self._lock, self._view_lock = threading.Lock(), threading.Lock()
        self._nodes: dict[str, _NodeProgress] = {}
        self._view: LiveView | None = None

    def __enter__(self) -> Self:
        """Show nothing yet; the first node that is worked on starts a live view on a terminal.

        Until then the terminal is free: sudo may ask there for a password.
        """
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take the live view away, or say in a line what the checks of each node came to."""
        if self._view:
            self._view.stop()
            self._view = None
            return
        for name, node in self._nodes.items():
            if any(node.checks.values()):
                counts = " ".join(f"{key}={number}" for key, number in node.checks.items())
                self.print_line(_join_columns(name, "checks", counts))

    def print_line(self, text: str, style: str = "") -> None:
        """Print a line, above a live view if there is one."""
        text = escape_unsafe_characters(text)
        if self._view:
            self._view.print_line(text, style)
            return
        self._stream.write(f"{text}\n")
        self._stream.flush()

    def show_node_phase(self, node: str, phase: str) -> None:
        """Say what happens to a node outside its roles, for example `preparing`."""
        self._set_node_phase(node, phase)
        self._start_live_view()
        if not self._view:
            self.print_line(_join_columns(node, phase))

    def finish_node(self, node: str, state: str) -> None:
        """Show the final state of a node that sends no further events."""
        self._set_node_phase(node, state, self._clock())
        if not self._view:
            self.print_line(_join_columns(node, state))

    def _set_node_phase(self, node: str, phase: str, ended: float | None = None) -> None:
        with self._lock:
            state = self._get_or_create_progress(node)
            state.role, state.task, state.ended = "", to_one_line(phase), ended

    def handle_event(self, node: str, event: Event) -> None:
        """Take one event of a node; kinds that are not known are passed over."""
        with self._lock:
            state = self._get_or_create_progress(node)
            self._apply_event(state, event)
        self._start_live_view()
        lines = _event_lines(node, event)
        if event.get("event") == "run_finished":
            counts = _(
                "changed={changed} failed={failed} {seconds}",
                changed=state.changed,
                failed=state.failed,
                seconds=_seconds_text(event),
            )
            lines = [_join_columns(node, _("done") if event.get("ok") else _("FAILED"), counts)]
        if lines and (not self._view or event.get("event") in _URGENT):
            self.print_line("\n".join(lines), "bold red" if _is_failure(event) else "yellow")

    def _start_live_view(self) -> None:
        """Start the live view on a terminal. Elsewhere, Rich would be loaded for nothing."""
        if not self._stream.isatty() or os.environ.get("TERM") in _NOT_ADDRESSABLE:
            return
        from chautari.report.live_view import LiveView

        with self._view_lock:
            self._view = self._view or LiveView(self._stream, self.rows)

    def _get_or_create_progress(self, node: str) -> _NodeProgress:
        return self._nodes.setdefault(node, _NodeProgress(self._clock(), task=_("connecting")))

    def _apply_event(self, state: _NodeProgress, event: Event) -> None:
        kind = event.get("event")
        if kind == "role_started":
            state.role, state.task = to_one_line(event.get("role", "")), ""
        elif kind == "task":
            state.task = _(to_one_line(event.get("task", "")))
            state.count_task(str(event.get("status", "")))
        elif kind == "download_progress":
            state.task = _download_text(event)
        elif kind == "check":
            state.role, state.task = _("checks"), _(to_one_line(event.get("title", "")))
            outcome = str(event.get("outcome", ""))
            if outcome in state.checks:
                state.checks[outcome] += 1
        elif kind == "run_finished":
            state.role, state.task, state.ended = "", _("done"), self._clock()

    def rows(self) -> list[Row]:
        """Return a row for each node, those that run first."""
        with self._lock:
            running_first = sorted(self._nodes.items(), key=lambda item: item[1].ended is not None)
            return [self._node_row(name, state) for name, state in running_first]

    def _node_row(self, name: str, state: _NodeProgress) -> Row:
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
            return [_join_columns(node, role, _role_counts_text(event))]
        case "role_message":
            text = translate_role_message(escape_unsafe_characters(event.get("text", "")))
            return _indent_further_lines(_join_columns(node, role, _("notice: {text}", text=text)))
        case "download_progress":
            return [_join_columns(node, _download_text(event))]
        case "failure":
            task, message = _(to_one_line(event.get("task", ""))), translate_role_message(message)
            return _indent_further_lines(
                _join_columns(node, role, _("FAILED {task}: {message}", task=task, message=message))
            )
        case "check" if event.get("outcome") in ("failed", "skipped"):
            title = _(to_one_line(event.get("title") or event.get("check") or ""))
            service = to_one_line(event.get("service", ""))
            text = _(
                "check {outcome}: {title}: {message}",
                outcome=_(event["outcome"]),
                title=title,
                message=translate_check_message(message),
            )
            return _indent_further_lines(_join_columns(node, service, text))
    return []


def _download_text(event: Event) -> str:
    """Return how much of an archive is there, and when a broken download continues."""
    total = _read_event_number(event, "total") / 1e6
    size = f"{_read_event_number(event, 'bytes') / 1e6:.1f}" + (
        _(" of {total:.1f}", total=total) if total else ""
    )
    text = _("{title}: {size} MB", title=to_one_line(event.get("title", "")), size=size)
    if error := to_one_line(event.get("error", "")):
        return _(
            "{text}, interrupted; continues in {pause} s: {error}",
            text=text,
            pause=_integer_field(event, "pause"),
            error=error,
        )
    return text


def _join_columns(node: str, *parts: str) -> str:
    return "  ".join(part for part in (to_one_line(node), *parts) if part)


def _indent_further_lines(text: str) -> list[str]:
    first, *rest = text.strip().splitlines() or [""]
    return [first.rstrip(), *(f"    {line.rstrip()}" for line in rest if line.strip())]


def _role_counts_text(event: Event) -> str:
    failed = f" failed={_integer_field(event, 'failed')}" if _integer_field(event, "failed") else ""
    counts = _(
        "changed={changed} ok={ok}{failed}",
        changed=_integer_field(event, "changed"),
        ok=_integer_field(event, "ok"),
        failed=failed,
    )
    return f"{counts} {_seconds_text(event)}"


def _integer_field(event: Event, key: str) -> int:
    return int(_read_event_number(event, key))


def _seconds_text(event: Event) -> str:
    return f"{_read_event_number(event, 'seconds'):.1f}s"


def _read_event_number(event: Event, key: str) -> float:
    """Return a number of an event; what is missing or no finite number counts as nothing."""
    value = event.get(key, 0)
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else 0.0

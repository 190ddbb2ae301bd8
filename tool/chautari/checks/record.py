"""Records each check's outcome as a JSON line, with advice and the units' journal.

Shared by both plugins. It imports only pytest and the node's modules, because it also runs on
the node.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest

from chautari.node import run_journal

if TYPE_CHECKING:
    from chautari.node.events import CheckFinished

MESSAGE_LENGTH = 2000
Journal = Callable[[tuple[str, ...]], list[str]]


class CheckRecorder:
    """Writes one `check` event for every test, to the file that `CHAUTARI_RESULTS` names."""

    def __init__(
        self,
        side: Literal["inside", "outside"],
        node_of: Callable[[pytest.Item], str],
        lines_of: Journal,
        secrets: Iterable[str] = (),
    ) -> None:
        """Remember who is recorded, where journals come from and which `secrets` to mask.

        `secrets` has each of them in every spelling, as `journal.secret_spellings` returns them.
        """
        self.side, self.node_of, self.lines_of = side, node_of, lines_of
        self.secrets = list(secrets)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: Any) -> Any:
        """Take the outcome of a test: its call, or its set-up when that did not succeed."""
        report: pytest.TestReport = yield
        if report.when == "call" or (report.when == "setup" and report.outcome != "passed"):
            self._append_event(self._make_finished_event(item, report))
        return report

    def _make_finished_event(self, item: pytest.Item, report: pytest.TestReport) -> CheckFinished:
        advice, units = _advice_and_units(item)
        lines = self.lines_of(units) if report.outcome == "failed" and units else []
        return {
            "event": "check",
            "side": self.side,
            "node": self.node_of(item),
            "service": role_of_check(item),
            "check": getattr(item, "originalname", item.name),
            "title": _title_of_test(item),
            "outcome": report.outcome,
            "seconds": round(report.duration, 2),
            "message": ""
            if report.outcome == "passed"
            else self._mask_and_shorten(_failure_message(report)),
            "advice": advice,
            "units": list(units),
            "journal": [self._mask_and_shorten(line) for line in lines],
        }

    def _mask_and_shorten(self, text: str) -> str:
        shown: str = run_journal.mask_secrets(text, self.secrets)
        return shown[:MESSAGE_LENGTH]

    def _append_event(self, event: CheckFinished) -> None:
        run_journal.append_event(Path(os.environ["CHAUTARI_RESULTS"]), event)


def register_markers(config: pytest.Config) -> None:
    """Register the markers of checks with pytest."""
    config.addinivalue_line("markers", "role(name): the role that a check belongs to")
    config.addinivalue_line("markers", "advice(text, units): what to do when the check fails")


def role_of_check(item: pytest.Item) -> str:
    """Return the role that a check belongs to."""
    mark = item.get_closest_marker("role")
    return str(mark.args[0]) if mark else ""


def _advice_and_units(item: pytest.Item) -> tuple[str, tuple[str, ...]]:
    mark = item.get_closest_marker("advice")
    if mark is None:
        return "", ()
    return str(mark.args[0]), tuple(mark.kwargs.get("units", ()))


def _title_of_test(item: pytest.Item) -> str:
    doc = getattr(getattr(item, "function", None), "__doc__", None) or item.name
    return str(doc.strip().splitlines()[0])


def _failure_message(report: pytest.TestReport) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    if crash is not None:
        return str(crash.message)
    if isinstance(report.longrepr, tuple):
        return str(report.longrepr[2])
    return str(report.longrepr)

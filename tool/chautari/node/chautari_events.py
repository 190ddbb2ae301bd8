"""Ansible callback plugin: one JSON line an event, appended to the file `CHAUTARI_EVENTS` names.

Results of `no_log` tasks are censored by Ansible before they come here; other messages are cut to
a length that a journal can hold.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: chautari_events
type: notification
short_description: Writes the events of a run as JSON lines
description: One JSON object a line for each role and task; the runner streams them back.
"""
MESSAGE_LENGTH = 2000
JOURNAL_LINES = 20
REPORT = "Report "


class CallbackModule(CallbackBase):
    """Counts what each role did and writes it down as it happens."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "chautari_events"

    def __init__(self) -> None:
        """Remember the journal that the runner named."""
        super().__init__()
        self.began = time.time()
        self.role = ""
        self.role_began = 0.0
        self.task_began = 0.0
        self.counts: dict[str, int] = {}
        self.file = Path(os.environ["CHAUTARI_EVENTS"])

    def write(self, event: str, **values: Any) -> None:
        """Append one event."""
        with self.file.open("a") as stream:
            stream.write(json.dumps({"event": event} | values) + "\n")

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        """Notice when another role begins."""
        self._enter(_role_of(task))
        self.task_began = time.time()

    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        """Handlers belong to the role that declares them."""
        self._enter(_role_of(task))
        self.task_began = time.time()

    def v2_runner_on_ok(self, result: Any) -> None:
        """Record a task that ended well."""
        self._task(result, "changed" if result.result.get("changed") else "ok")
        if result.task.action.endswith("debug") and result.task.name.startswith(REPORT):
            for item in result.result.get("results") or [result.result]:
                if not item.get("skipped"):
                    self.write("notice", role=self.role, message=_cut(item.get("msg", "")))

    def v2_runner_on_skipped(self, result: Any) -> None:
        """Record a task that did not apply."""
        self._task(result, "skipped")

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        """Record a failure with the journal's lines; one that a rescue takes up is not final."""
        rescued = ignore_errors or _has_rescue(result.task)
        self._task(result, "rescued" if rescued else "failed")
        if not rescued:
            message = _message(result.result)
            journal = _journal(self.began)
            name = result.task.name
            self.write("failure", role=self.role, task=name, message=message, journal=journal)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        """Record a connection plugin's failure; with a local connection it means a broken node."""
        self.v2_runner_on_failed(result)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """Close the last role."""
        self._enter("")

    def _enter(self, role: str) -> None:
        if role == self.role:
            return
        if self.role:
            seconds = round(time.time() - self.role_began, 2)
            self.write("role_finished", role=self.role, seconds=seconds, **self.counts)
        self.role, self.role_began = role, time.time()
        self.counts = {"ok": 0, "changed": 0, "failed": 0, "skipped": 0, "rescued": 0}
        if role:
            self.write("role_started", role=role)

    def _task(self, result: Any, status: str) -> None:
        self.counts[status] = self.counts.get(status, 0) + 1
        seconds = round(time.time() - self.task_began, 2)
        name = result.task.name
        self.write("task", role=self.role, task=name, status=status, seconds=seconds)


def _role_of(task: Any) -> str:
    role = getattr(task, "_role", None)
    return role.get_name() if role else "setup"


def _has_rescue(task: Any) -> bool:
    """Return whether a rescue takes up what fails here: one of the blocks around `task` has one.

    A failure in the rescue or always part of that block is not taken up. Ansible copies tasks
    before it runs them, so parts are told apart by their ids.
    """
    part, block = task, getattr(task, "_parent", None)
    while block is not None:
        tried = {item._uuid for item in getattr(block, "block", None) or ()}
        if getattr(block, "rescue", None) and part._uuid in tried:
            return True
        part, block = block, getattr(block, "_parent", None)
    return False


def _message(result: dict[str, Any]) -> str:
    if "censored" in result:
        return "what it said is hidden, since it may hold a secret"
    parts = [str(result.get(key, "")) for key in ("msg", "stderr", "stdout")]
    for item in result.get("results", ()):
        if item.get("failed"):
            parts.append(_message(item))
    return _cut("\n".join(dict.fromkeys(part for part in parts if part)))


def _cut(text: Any) -> str:
    shown = text if isinstance(text, str) else json.dumps(text, default=str)
    return shown if len(shown) <= MESSAGE_LENGTH else shown[:MESSAGE_LENGTH] + " …"


def _journal(since: float) -> list[str]:
    argv = ["journalctl", "--no-pager", "-q", "-o", "short-iso", "-p", "warning",
            "-n", str(JOURNAL_LINES), "--since", f"@{int(since)}"]  # fmt: skip
    done = subprocess.run(argv, capture_output=True, text=True, errors="replace", check=False)
    return done.stdout.splitlines()

"""Ansible callback plugin: one JSON line an event, appended to the file `CHAUTARI_EVENTS` names.

Results of `no_log` tasks are censored by Ansible before they come here; other messages are cut to
a length that a journal can hold, and stripped of every secret that the bundle holds.

Beside the journal it notes, for the receipts, what each task manages (`CHAUTARI_MANAGED`). The
final arguments of a task come with its result even under `no_log`, so that a file with a password
in it is watched like any other; nothing of its content is noted.

Notes come first, the journal last: it lies on a disk that may be full. Ansible only warns of a
plugin that raises, so whatever goes wrong here makes the role at hand run again.
"""

from __future__ import annotations

import functools
import json
import os
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase

from chautari.node import journal
from chautari.node.pending_handlers import Restarts
from chautari.node.resources import managed

DOCUMENTATION = """
name: chautari_events
type: notification
short_description: Writes the events of a run as JSON lines
description: One JSON object a line for each role and task; the runner streams them back.
"""
MESSAGE_LENGTH = 2000
JOURNAL_LINES = 20
# A `debug` task with this tag reports something to people.
REPORT_TAG = "report"
# A `debug` task with this tag names a download that Ansible's check mode skips.
DOWNLOAD_TAG = "download_estimate"
# A rendered template passes through a temporary folder, which says nothing to anybody.
TEMPORARY = re.compile(r"(?m)^(\+\+\+ after: )/run/chautari/\S*/")


def _careful(method: Callable[..., None]) -> Callable[..., None]:
    """Return a method that keeps the role at hand from being sealed when it raises."""

    @functools.wraps(method)
    def watched(plugin: CallbackModule, *arguments: Any, **named: Any) -> None:
        try:
            method(plugin, *arguments, **named)
        except BaseException:
            plugin.broken = True
            raise

    return watched


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
        self.notes = Path(os.environ["CHAUTARI_MANAGED"])
        self.restarts = Restarts(Path(os.environ["CHAUTARI_STATE"]))
        self.checking = os.environ.get("CHAUTARI_CHECKING") == "yes"
        self.secrets = journal.read_secrets(Path(os.environ["CHAUTARI_SECRETS"]))
        self.playing = ""
        self.broken = False  # the play at hand: it failed, or something of it could not be noted

    def write(self, event: str, **values: Any) -> None:
        """Append one event."""
        journal.append(self.file, {"event": event} | values, self.secrets)

    def note(self, role: str, **values: Any) -> None:
        """Note something for the role's receipt."""
        journal.add(self.notes, json.dumps({"role": role} | values, default=str) + "\n")

    @_careful
    def v2_playbook_on_play_start(self, play: Any) -> None:
        """A play holds one role and its handlers: when the next one begins, it came to its end."""
        try:
            self._end_play()
        finally:
            self.broken = False
            self.playing = next(iter(role.get_name() for role in play.roles), "")
            self.restarts.begin(self.playing)

    @_careful
    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        """Note what the task may ask for, and notice when another role begins."""
        self._begin(task)

    @_careful
    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        """Handlers belong to the role that declares them, and may ask for further ones."""
        self._begin(task)

    @_careful
    def v2_runner_on_ok(self, result: Any) -> None:
        """Record a task that ended well."""
        changed = bool(result.result.get("changed"))
        if "results" not in result.result or result.task.loop is None:
            self._watch(result)
        if not changed:
            self.restarts.unchanged()
        notices = self._reported(result)
        self._task(result, "changed" if changed else "ok")
        for message in notices:
            self.write("notice", role=self.role, message=message)

    @_careful
    def v2_runner_item_on_ok(self, result: Any) -> None:
        """Note what one turn of a loop manages; the whole task comes to `v2_runner_on_ok`."""
        self._watch(result)

    @_careful
    def v2_on_file_diff(self, result: Any) -> None:
        """Tell what a task would change: only a plan asks for differences."""
        for item in result.result.get("results") or [result.result]:
            if self.checking and item.get("changed") and item.get("diff"):
                text = self._shown(TEMPORARY.sub(r"\1", self._get_diff(item["diff"])))
                self.write("difference", role=self.role, task=result.task.name, diff=text)

    @_careful
    def v2_runner_on_skipped(self, result: Any) -> None:
        """Record a task that did not apply."""
        self.restarts.unchanged()
        self._task(result, "skipped")

    @_careful
    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        """Record a failure with the journal's lines; one that a rescue takes up is not final."""
        rescued = ignore_errors or _has_rescue(result.task)
        if rescued:
            self.note(self._owner(result.task), rescued=result.task.name)
        else:
            self.broken = True
        # What failed half-way may have changed something.
        self.restarts.owe(self._asks(result.task))
        self._task(result, "rescued" if rescued else "failed")
        if not rescued:
            message = self._shown(_message(result.result))
            told = {"task": result.task.name, "journal": _journal(self.began)}
            self.write("failure", role=self.role, message=message, **told)

    @_careful
    def v2_runner_on_unreachable(self, result: Any) -> None:
        """Record a connection plugin's failure; with a local connection it means a broken node."""
        self.v2_runner_on_failed(result)

    @_careful
    def v2_playbook_on_stats(self, stats: Any) -> None:
        """Close the last role."""
        self._end_play()
        self._enter("")

    def _shown(self, text: Any) -> str:
        """Return a text that a journal can hold: first masked, so that no cut halves a secret."""
        whole = text if isinstance(text, str) else json.dumps(text, default=str)
        shown: str = journal.masked(whole, self.secrets)
        return shown if len(shown) <= MESSAGE_LENGTH else shown[:MESSAGE_LENGTH] + " …"

    def _end_play(self) -> None:
        if self.playing and not self.broken:
            self.note(self.playing, done=True)
        self.playing = ""
        self.restarts.end()

    def _begin(self, task: Any) -> None:
        self.task_began = time.time()
        self.restarts.may_owe(self._asks(task))
        self._enter(self._owner(task))

    def _owner(self, task: Any) -> str:
        """Return the role that the play included first; it owns the tasks of shared roles."""
        chain = task.get_dep_chain() or ()
        return str(chain[0].get_name()) if chain else "setup"

    def _asks(self, task: Any) -> list[str]:
        """Return the handlers that a task asks for when it changes something.

        The name of one may be a template that each turn of a loop fills in: its result tells it.
        """
        if self.checking or self._owner(task) != self.playing:
            return []
        names = [task.notify] if isinstance(task.notify, str) else task.notify or []
        return [str(name) for name in names if "{{" not in name]

    def _reported(self, result: Any) -> list[str]:
        """Note what a task reports, and return what of it is for people."""
        if not result.task.action.endswith("debug"):
            return []
        notices = []
        for item in result.result.get("results") or [result.result]:
            if item.get("skipped"):
                continue
            message = self._shown(item.get("msg", ""))
            if REPORT_TAG in result.task.tags:
                self.note(self._owner(result.task), notice=message)
                notices.append(message)
            elif DOWNLOAD_TAG in result.task.tags:
                self.note(self._owner(result.task), download=message)
        return notices

    def _watch(self, result: Any) -> None:
        """Note the restarts that a task asks for, and what it manages."""
        task, fields = result.task, result.task_fields
        if result.result.get("skipped"):
            return
        role, reads = self._owner(task), list(task.changed_when or ()) == [False]
        arguments = fields.get("args") or {}
        changed = bool(result.result.get("changed"))
        if changed:
            self.restarts.owe(self._asks(task))
        items, why = managed(str(task.action), arguments, result.result, reads)
        for item in items:
            self.note(role, item=item, **({"changed": True} if changed else {}))
        if why:
            known = {"name": task.name, "tags": list(task.tags), "why": why}
            self.note(role, untracked=known)
        if task.action.endswith("get_url") and changed:
            self.note(role, download=str(arguments.get("url", "")))

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
    # A module that broke off leaves its reason in the last line of what it said, or names an error
    # of the system further up.
    said = str(result.get("module_stderr", "")).strip().splitlines()
    parts += [line.strip() for line in said if "[Errno" in line] + said[-1:]
    for item in result.get("results", ()):
        if item.get("failed"):
            parts.append(_message(item))
    return "\n".join(dict.fromkeys(part for part in parts if part))


def _journal(since: float) -> list[str]:
    argv = ["journalctl", "--no-pager", "-q", "-o", "short-iso", "-p", "warning",
            "-n", str(JOURNAL_LINES), "--since", f"@{int(since)}"]  # fmt: skip
    done = subprocess.run(argv, capture_output=True, text=True, errors="replace", check=False)
    return done.stdout.splitlines()

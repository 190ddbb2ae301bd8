"""Ansible callback plugin: append each event as a JSON line to the file `CHAUTARI_EVENTS`.

Ansible censors the results of `no_log` tasks before they arrive here; other messages are shortened,
and every secret of the bundle is masked.

For the receipts it also records which resources each task manages (`CHAUTARI_MANAGED`). The final
arguments of a task come with its result even under `no_log`, so that a file with a password in it
is watched like any other; none of its content is recorded.

Records are written before events, because the journal lies on a disk that may be full. Ansible only
warns of a plugin that raises, so any error here makes the running role run again.
"""

from __future__ import annotations

import functools
import json
import os
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase

from chautari.node import run_journal
from chautari.node.events import RunEvent
from chautari.node.failure_journal import read_failure_journal, units_of_failure
from chautari.node.pending_handlers import PendingHandlers
from chautari.node.task_resources import resources_of_task

DOCUMENTATION = """
name: chautari_events
type: notification
short_description: Write the events of a run as JSON lines
description: Write one JSON object on each line. The runner sends them to the control machine.
"""
MESSAGE_LENGTH = 2000
COUNTS = ("ok", "changed", "failed", "skipped", "rescued")
# A `debug` task with this tag reports something to people.
REPORT_TAG = "report"
# A `debug` task with this tag reports what the role did not achieve; other roles still run.
FAILURE_TAG = "report_failure"
# A `debug` task with this tag names a download that Ansible's check mode skips.
DOWNLOAD_TAG = "download_estimate"
# A task with this tag waits until the deploying side has logged in once more.
LOGIN_TAG = "request_login"
# The same with the account of the operator who deploys.
OWN_LOGIN_TAG = "request_own_login"
# A rendered template passes through a temporary folder, whose name is of no use in a diff.
TEMPORARY = re.compile(r"(?m)^(\+\+\+ after: )/run/chautari/\S*/")


def _mark_play_broken_on_error(method: Callable[..., None]) -> Callable[..., None]:
    """Return a method that marks the current play as broken when it raises."""

    @functools.wraps(method)
    def watched(plugin: CallbackModule, *arguments: Any, **named: Any) -> None:
        try:
            method(plugin, *arguments, **named)
        except BaseException:
            plugin.broken = True
            raise

    return watched


class CallbackModule(CallbackBase):
    """Write the events of roles and tasks, and count each role's tasks by outcome."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "chautari_events"

    def __init__(self) -> None:
        """Read the files to write from the environment that the runner sets."""
        super().__init__()
        self.began = time.time()
        self.role = ""
        self.role_began = 0.0
        self.task_began = 0.0
        self.counts: dict[str, int] = {}
        self.file = Path(os.environ["CHAUTARI_EVENTS"])
        self.records = Path(os.environ["CHAUTARI_MANAGED"])
        self.handlers = PendingHandlers(Path(os.environ["CHAUTARI_STATE"]))
        self.checking = os.environ.get("CHAUTARI_CHECKING") == "yes"
        self.secrets = run_journal.read_secret_spellings(Path(os.environ["CHAUTARI_SECRETS"]))
        self.playing = ""
        self.broken = False  # the current play failed, or could not be recorded

    def write_event(self, event: RunEvent) -> None:
        """Append one event."""
        run_journal.append_event(self.file, event, self.secrets)

    def record_for_receipt(self, role: str, **values: Any) -> None:
        """Record something for the role's receipt."""
        text = json.dumps({"role": role} | values, default=str) + "\n"
        run_journal.append_lines(self.records, text)

    @_mark_play_broken_on_error
    def v2_playbook_on_play_start(self, play: Any) -> None:
        """End the previous play; a play holds one role and its handlers."""
        try:
            self._end_role()
        finally:
            self.broken = False
            self.playing = next(iter(role.get_name() for role in play.roles), "")
            self.handlers.begin_role(self.playing)

    @_mark_play_broken_on_error
    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        """Record the handlers of the task, and begin another role where it belongs to one."""
        self._begin_task(task)

    @_mark_play_broken_on_error
    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        """Begin a handler, which may notify further ones."""
        self._begin_task(task)

    @_mark_play_broken_on_error
    def v2_runner_on_ok(self, result: Any) -> None:
        """Record a task that succeeded."""
        changed = bool(result.result.get("changed"))
        if "results" not in result.result or result.task.loop is None:
            self._record_handlers_and_resources(result)
        if not changed:
            self.handlers.discard_tentative()
        texts = self._record_receipt_messages_and_return_others(result)
        self._record_task(result, "changed" if changed else "ok")
        for text in texts:
            self._report_message(result.task, text)

    @_mark_play_broken_on_error
    def v2_runner_item_on_ok(self, result: Any) -> None:
        """Record what one item of a loop manages; the task comes to `v2_runner_on_ok`."""
        self._record_handlers_and_resources(result)

    @_mark_play_broken_on_error
    def v2_on_file_diff(self, result: Any) -> None:
        """Report what a task would change in a file; only a plan runs with `--diff`."""
        for item in result.result.get("results") or [result.result]:
            if self.checking and item.get("changed") and item.get("diff"):
                diff = self._mask_and_shorten(TEMPORARY.sub(r"\1", self._get_diff(item["diff"])))
                task = result.task.name
                self.write_event(
                    {"event": "difference", "role": self.role, "task": task, "diff": diff}
                )

    @_mark_play_broken_on_error
    def v2_runner_on_skipped(self, result: Any) -> None:
        """Record a task that did not apply."""
        self.handlers.discard_tentative()
        self._record_task(result, "skipped")

    @_mark_play_broken_on_error
    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        """Record a failure with lines of the journal; one that a rescue handles is not final."""
        rescued = ignore_errors or _has_rescue(result.task)
        if rescued:
            self.record_for_receipt(
                self._outermost_role_of_task(result.task), rescued=result.task.name
            )
        else:
            self.broken = True
        # What failed half-way may have changed something.
        self.handlers.record(self._handlers_to_notify(result.task))
        self._record_task(result, "rescued" if rescued else "failed")
        if not rescued:
            message = self._mask_and_shorten(_error_message(result.result))
            self.write_event({
                "event": "failure", "role": self.role, "task": result.task.name,
                "message": message, "journal": self._read_journal(result, message),
            })  # fmt: skip

    @_mark_play_broken_on_error
    def v2_runner_on_unreachable(self, result: Any) -> None:
        """Record a failed connection; here it is local, so the node itself is broken."""
        self.v2_runner_on_failed(result)

    @_mark_play_broken_on_error
    def v2_playbook_on_stats(self, stats: Any) -> None:
        """End the last role."""
        self._end_role()
        self._enter_role("")

    def _read_journal(self, result: Any, message: str) -> list[str]:
        arguments = result.task_fields.get("args") or {}
        units = units_of_failure(str(result.task.action), arguments, message)
        return [self._mask_and_shorten(row) for row in read_failure_journal(self.began, units)]

    def _mask_and_shorten(self, text: Any) -> str:
        """Return a text that a journal can hold; masked first, so that no secret is cut in two."""
        whole = text if isinstance(text, str) else json.dumps(text, default=str)
        shown: str = run_journal.mask_secrets(whole, self.secrets)
        return shown if len(shown) <= MESSAGE_LENGTH else shown[:MESSAGE_LENGTH] + " …"

    def _end_role(self) -> None:
        if self.playing and not self.broken:
            self.record_for_receipt(self.playing, completed=True)
        self.playing = ""
        self.handlers.keep_only_notified()

    def _begin_task(self, task: Any) -> None:
        self.task_began = time.time()
        self.handlers.record_tentative(self._handlers_to_notify(task))
        self._enter_role(self._outermost_role_of_task(task))
        if LOGIN_TAG in task.tags:
            self.write_event({"event": "login_requested", "role": self.role})
        if OWN_LOGIN_TAG in task.tags:
            self.write_event({"event": "login_requested", "role": self.role, "own": True})

    def _outermost_role_of_task(self, task: Any) -> str:
        """Return the role that the play included first; it owns the tasks of shared roles."""
        chain = task.get_dep_chain() or ()
        return str(chain[0].get_name()) if chain else "setup"

    def _handlers_to_notify(self, task: Any) -> list[str]:
        """Return the handlers that a task notifies when it changes something.

        A name that is a template of a loop's item is known only from the item's result.
        """
        if self.checking or self._outermost_role_of_task(task) != self.playing:
            return []
        names = [task.notify] if isinstance(task.notify, str) else task.notify or []
        return [str(name) for name in names if "{{" not in name]

    def _record_receipt_messages_and_return_others(self, result: Any) -> list[str]:
        """Record the messages of a tagged `debug` task; return those that are for people."""
        task, known = result.task, {REPORT_TAG, FAILURE_TAG, DOWNLOAD_TAG}
        if not task.action.endswith("debug") or not known & set(task.tags):
            return []
        items = result.result.get("results") or [result.result]
        texts = [self._mask_and_shorten(i.get("msg", "")) for i in items if not i.get("skipped")]
        kind = "download" if DOWNLOAD_TAG in task.tags else "notice"
        for text in texts:
            self.record_for_receipt(self._outermost_role_of_task(task), **{kind: text})
        return texts if kind == "notice" else []

    def _report_message(self, task: Any, text: str) -> None:
        """Report what a `debug` task says to people; a failure also lets the role run again."""
        if FAILURE_TAG not in task.tags:
            self.write_event({"event": "role_message", "role": self.role, "text": text})
            return
        self.record_for_receipt(self._outermost_role_of_task(task), rescued=task.name)
        self.write_event({
            "event": "failure", "role": self.role, "task": task.name, "message": text,
            "journal": [],
        })  # fmt: skip

    def _record_handlers_and_resources(self, result: Any) -> None:
        """Record the handlers that a task notified, and the resources that it manages."""
        task, fields = result.task, result.task_fields
        if result.result.get("skipped"):
            return
        role, reads = self._outermost_role_of_task(task), list(task.changed_when or ()) == [False]
        arguments = fields.get("args") or {}
        changed = bool(result.result.get("changed"))
        if changed:
            self.handlers.record(self._handlers_to_notify(task))
        module = str(task.action)
        items, untracked = resources_of_task(module, arguments, result.result, reads)
        for item in items:
            self.record_for_receipt(role, item=item, **({"changed": True} if changed else {}))
        if untracked:
            known = {"name": task.name, "tags": list(task.tags), "change": untracked}
            self.record_for_receipt(role, untracked=known | {"module": module})
        if task.action.endswith("get_url") and changed:
            self.record_for_receipt(role, download=str(arguments.get("url", "")))

    def _enter_role(self, role: str) -> None:
        if role == self.role:
            return
        if self.role:
            seconds = round(time.time() - self.role_began, 2)
            counts = self.counts
            self.write_event({
                "event": "role_finished", "role": self.role, "seconds": seconds,
                "ok": counts["ok"], "changed": counts["changed"], "failed": counts["failed"],
                "skipped": counts["skipped"], "rescued": counts["rescued"],
            })  # fmt: skip
        self.role, self.role_began = role, time.time()
        self.counts = dict.fromkeys(COUNTS, 0)
        if role:
            self.write_event({"event": "role_started", "role": role})

    def _record_task(self, result: Any, status: str) -> None:
        self.counts[status] += 1
        self.write_event({
            "event": "task", "role": self.role, "task": result.task.name, "status": status,
            "seconds": round(time.time() - self.task_began, 2),
        })  # fmt: skip


def _has_rescue(task: Any) -> bool:
    """Return whether the rescue part of a block around `task` handles its failure.

    It handles no failure in the rescue or always part of the same block. Ansible copies tasks
    before it runs them, so parts are recognised by their ids.
    """
    part, block = task, getattr(task, "_parent", None)
    while block is not None:
        attempted = {item._uuid for item in getattr(block, "block", None) or ()}
        if getattr(block, "rescue", None) and part._uuid in attempted:
            return True
        part, block = block, getattr(block, "_parent", None)
    return False


def _error_message(result: Mapping[str, Any]) -> str:
    if "censored" in result:
        return "its output is hidden because it may contain a secret"
    parts = [str(result.get(key, "")) for key in ("msg", "stderr", "stdout")]
    # A module that crashed names the reason in its last line, or a system error further up.
    lines = str(result.get("module_stderr", "")).strip().splitlines()
    parts += [line.strip() for line in lines if "[Errno" in line] + lines[-1:]
    for item in result.get("results", ()):
        if item.get("failed"):
            parts.append(_error_message(item))
    return "\n".join(dict.fromkeys(part for part in parts if part))

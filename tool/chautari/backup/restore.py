"""Start restores on nodes and follow them to their end, over connections that may break."""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from chautari.backup.restore_events import (
    ArchiveChosen,
    BytesExtracted,
    ContentPlanned,
    NoActiveRestore,
    RecoveryGivenUp,
    RestoreCleanAnswer,
    RestoreFinished,
    RestoreProblem,
    RestoreResult,
    RestoreResultsAnswer,
    RestoreStartAnswer,
    StepStarted,
    UndoStarted,
    UndoStepFailed,
    parse_restore_event,
)
from chautari.backup.restore_order import (
    RestoreOrder,
    initial_journal,
    repository_access_of_order,
    request_of_order,
)
from chautari.deploy.remote_run import MAX_OUTAGE_SECONDS, no_answer_refusal
from chautari.errors import RunFailed
from chautari.language import _
from chautari.node.restore.texts import step_text
from chautari.parallel import map_parallel
from chautari.report.text_format import to_one_line
from chautari.secrets.store import SecretStore
from chautari.ssh.account_fallback import is_accepted, try_accounts
from chautari.ssh.runner_client import SSH_FAILED, restore_module_sources, start_runner_action
from chautari.ssh.target import SSHTarget

RETRY_SECONDS = 10
Say = Callable[[str, str], None]  # of a node's name and a text
Answer = TypeVar("Answer", bound=BaseModel)


@dataclass(frozen=True)
class NodeOutcome:
    """How the restore of one node ended; `problem` also says why a node did not answer."""

    node: str
    result: RestoreResult | None
    reason: str = ""
    fix: str = ""

    @property
    def ok(self) -> bool:
        """Return whether the data is restored."""
        return self.result is not None and self.result.ok

    def as_object(self) -> Mapping[str, object]:
        """Return the outcome as plain JSON data."""
        found = self.result.model_dump(mode="json") if self.result else None
        return {
            "node": self.node, "ok": self.ok, "result": found, "reason": self.reason,
            "fix": self.fix,
        }  # fmt: skip


class NodeRefused(RunFailed):
    """A node did not do what it was asked."""


def run_restores(
    orders: Sequence[RestoreOrder],
    targets: Mapping[str, SSHTarget],
    secrets: SecretStore,
    region: str,
    at: int,
    about: Mapping[str, str],
    say: Say,
) -> list[NodeOutcome]:
    """Restore all nodes at the same time, and return how each one ended."""

    def restore(order: RestoreOrder) -> NodeOutcome:
        target = targets[order.node]
        request = request_of_order(order, region, at, about, time.time())
        payload = {
            "modules": restore_module_sources(),
            "journal": initial_journal(request),
            "access": repository_access_of_order(order, secrets),
        }
        try:
            start_restore(target, payload)
            return follow_restore(target, say)
        except NodeRefused as error:
            return NodeOutcome(order.node, None, error.message, error.fix)

    return map_parallel(restore, orders)


def start_restore(target: SSHTarget, payload: Mapping[str, Any]) -> None:
    """Start a restore on a node.

    Raises:
        NodeRefused: when the node refuses it or does not answer.
    """
    packed = zlib.compress(json.dumps(payload).encode())
    answer = run_short_action(target, {"action": "restore_start"}, RestoreStartAnswer, packed)
    if answer.error:
        raise _node_refused_error(target, answer.error)


def _node_refused_error(target: SSHTarget, problem: RestoreProblem) -> NodeRefused:
    return NodeRefused(f"{target.name}: {problem.reason}", fix=problem.fix)


def run_short_action(
    target: SSHTarget, arguments: dict[str, Any], kind: type[Answer], payload: bytes = b""
) -> Answer:
    """Run a short action on a node and return its answer.

    Raises:
        NodeRefused: when it does not answer.
    """

    def attempt(login: SSHTarget) -> tuple[Answer | None, int | None, str]:
        stream = start_runner_action(login, arguments, payload)
        answer: Answer | None = None
        said = ""
        for line in stream:
            try:
                answer = answer or kind.model_validate_json(line)
            except ValidationError:
                said = said or line.strip()
        return answer, stream.code, stream.stderr or said

    answer, code, error = try_accounts(
        target, attempt, lambda found: is_accepted(found[0] is not None, found[1], found[2])
    )
    if answer is None:
        lines = error.splitlines()
        refusal = no_answer_refusal(target, code, lines[-1] if lines else "")
        raise NodeRefused(f"{target.name}: {refusal.reason}", fix=refusal.fix)
    return answer


def follow_restore(target: SSHTarget, say: Say) -> NodeOutcome:
    """Follow the newest restore of a node until it ends; a broken connection is made again."""
    follower = _RestoreFollower(target, say)
    lost_since: float | None = None
    while True:
        offset = follower.offset
        code, error = follower.read_connection()
        if follower.ended:
            return follower.outcome()
        if code != SSH_FAILED:
            reason = error or _("the node stopped sending events")
            return NodeOutcome(target.name, None, reason, command_to_follow_restore(target.name))
        if follower.offset > offset:
            lost_since = None
        lost_since = lost_since or time.monotonic()
        if time.monotonic() - lost_since > MAX_OUTAGE_SECONDS:
            return NodeOutcome(
                target.name,
                None,
                _("The connection was lost. The restore continues on the node."),
                command_to_follow_restore(target.name),
            )
        say(target.name, _("the connection was lost; connecting again"))
        time.sleep(RETRY_SECONDS)


def command_to_follow_restore(node: str) -> str:
    """Return how to follow a restore that goes on."""
    return _("follow it: deploy restore REGION --follow --node {node}", node=node)


class _RestoreFollower:
    """Reads the events of one restore, over one connection or several."""

    def __init__(self, target: SSHTarget, say: Say) -> None:
        self._target, self._say = target, say
        self.offset, self.ended = 0, False
        self._result: RestoreResult | None = None
        self._total = 0
        self._gave_up = False

    def outcome(self) -> NodeOutcome:
        """Return how the restore ended."""
        if self._gave_up:
            return NodeOutcome(
                self._target.name,
                None,
                _("The restore could neither be completed nor undone, after several attempts."),
                _(
                    "fix the cause on the node, then deploy the region: the deploy starts "
                    "the restore again"
                ),
            )
        if self._result is None:
            return NodeOutcome(
                self._target.name, None, _("No restore is active on this node."), _("start one")
            )
        error = self._result.error
        return NodeOutcome(
            self._target.name,
            self._result,
            error.reason if error else "",
            error.fix if error else "",
        )

    def read_connection(self) -> tuple[int | None, str]:
        """Read the events of one connection; return its exit code and last error."""
        before = self.offset
        code, error = try_accounts(
            self._target,
            self._read_connection_of_account,
            lambda found: is_accepted(self.offset > before, *found),
        )
        lines = error.splitlines()
        return code, lines[-1] if lines else ""

    def _read_connection_of_account(self, login: SSHTarget) -> tuple[int | None, str]:
        arguments = {"action": "restore_follow", "offset": self.offset}
        stream = start_runner_action(login, arguments)
        try:
            for line in stream:
                try:
                    event = parse_restore_event(line)
                except ValueError:
                    stream.stop()
                    self.ended = True
                    break
                if event is not None:
                    self.offset = max(self.offset, event.offset)
                    self._handle_restore_event(event)
        except BaseException:
            stream.stop()
            raise
        return stream.code, stream.stderr

    def _handle_restore_event(self, event: object) -> None:
        text = ""
        if isinstance(event, StepStarted):
            text = step_text(event.step)
        elif isinstance(event, ArchiveChosen):
            moment = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(event.time))
            text = _("archive {archive}, from {moment}", archive=event.archive, moment=moment)
        elif isinstance(event, ContentPlanned):
            self._total = event.bytes
            text = _("{files:,} files, {bytes:,} MB", files=event.files, bytes=event.bytes >> 20)
        elif isinstance(event, BytesExtracted):
            text = _(
                "extracted {bytes:,} of {total:,} MB",
                bytes=event.bytes >> 20,
                total=self._total >> 20,
            )
        elif isinstance(event, UndoStarted):
            text = _("the restore failed and is being undone: {reason}", reason=event.error.reason)
        elif isinstance(event, UndoStepFailed):
            text = _(
                "the restore could not be undone; trying again: {reason}", reason=event.error.reason
            )
        elif isinstance(event, RestoreFinished):
            self._result = event
        elif isinstance(event, RecoveryGivenUp):
            self.ended, self._gave_up = True, True
        elif isinstance(event, NoActiveRestore):
            self.ended = True
        if text:
            self._say(self._target.name, to_one_line(text))


def restore_results_of_node(target: SSHTarget) -> RestoreResultsAnswer:
    """Return the earlier restores of a node."""
    return run_short_action(target, {"action": "restore_results"}, RestoreResultsAnswer)


def delete_kept_data_on_node(target: SSHTarget, ids: Sequence[str]) -> RestoreCleanAnswer:
    """Delete the old data that restores kept on a node."""
    return run_short_action(
        target, {"action": "restore_clean", "ids": list(ids)}, RestoreCleanAnswer
    )

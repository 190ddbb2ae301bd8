"""Judge how the backups of a region stand, by what its nodes remember."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from chautari.backup.node_state import DrillState, NodeError, NodeState, TargetState
from chautari.backup.scope import is_peer_target, targets_of_node
from chautari.region.model import Region
from chautari.report.backup_texts import age_text, backup_error_texts, backup_state_texts
from chautari.report.model import BackupStatus, PairState
from chautari.untrusted_node_file import NodeFileRefused, parse_node_file

# A nightly backup, with the time that one may take.
LIMIT_HOURS = 26
# Errors of a backup that was stored nevertheless.
_STORED_WITH_ERROR = ("files_left_out",)
_FULL = 0.9  # of a quota
_HOUR, _DAY = 3600, 86_400
# Clocks of two machines differ; more than this is a wrong clock, or a lie.
_MAX_AHEAD_SECONDS = 600
_STATES: dict[str, PairState] = {
    "stored": "green", "incomplete": "pending", "nearly_full": "pending", "never": "pending",
    "waiting_for_peer": "pending", "not_deployed": "pending", "failed": "broken",
    "too_old": "broken", "damaged": "broken", "in_future": "broken",
    "node_unreachable": "broken", "file_unreadable": "broken", "drill_passed": "green",
    "drill_never": "pending", "drill_old": "pending", "drill_failed": "broken",
}  # fmt: skip


class NodeAnswer(NamedTuple):
    """What a node answered when it was asked for its record of backups.

    Attributes:
        content: the file as it is; None if there is none.
        problem: code and data of why it is not known.
    """

    node: str
    content: bytes | None = None
    problem: tuple[str, Mapping[str, Any]] | None = None


def backup_statuses(
    region: Region, answers: Mapping[str, NodeAnswer], now: float
) -> list[BackupStatus]:
    """Return the status of each node's backups in each target, and of its tests of a restore."""
    return [
        status
        for node, answer in answers.items()
        if targets_of_node(region, node)
        for status in _statuses_of_node(region, answer, now)
    ]


def _statuses_of_node(region: Region, answer: NodeAnswer, now: float) -> Iterator[BackupStatus]:
    judge = _BackupJudge(region, answer.node, now)
    state, problem = NodeState(format=1), answer.problem
    if problem is None and answer.content is not None:
        try:
            state = parse_node_file(NodeState, answer.content)
        except NodeFileRefused as refused:
            problem = ("file_unreadable", {"reason": str(refused)})
    for target in targets_of_node(region, answer.node):
        if problem:
            yield judge.status(target, problem[0], dict(problem[1]))
        else:
            yield judge.of_target(target, state.targets.get(target))
    if problem is None:
        yield judge.of_drill(state.drill)


class _BackupJudge:
    """Judges one node's record at one time."""

    def __init__(self, region: Region, node: str, now: float) -> None:
        self._region, self._node, self._now = region, node, int(now)

    def status(
        self, target: str, code: str, data: Mapping[str, Any], time: int | None = None
    ) -> BackupStatus:
        """Return the status with the texts of `code`."""
        names = {"region": self._region.region, "node": self._node, "target": target}
        cause, next_step = backup_state_texts(code, {**data, **names})
        age = None if time is None else max(0, self._now - time)
        return BackupStatus(
            self._node, target, _STATES[code], code, cause, next_step, time, age, dict(data)
        )

    def of_target(self, target: str, state: TargetState | None) -> BackupStatus:
        """Return how the backups in a target stand."""
        if state is None or state.last_attempt is None:
            code = "waiting_for_peer" if is_peer_target(self._region, target) else "never"
            return self.status(target, "never" if state else code, {})
        last = state.last_success
        data: dict[str, Any] = {
            "archive": state.archive,
            "last_attempt": state.last_attempt,
            "last_check": state.last_check,
            "bytes_stored": state.bytes_stored,
            "bytes_sent": state.bytes_sent,
            "seconds": state.seconds,
            "paused_seconds": state.paused_seconds,
            "quota_bytes": state.quota_bytes,
            "quota_used": state.quota_used,
        }
        if last is not None:
            data["age"] = age_text(self._now - last)
        return self.status(target, *self._state_code_and_data(state, last, data), last)

    def _state_code_and_data(
        self, state: TargetState, last: int | None, data: dict[str, Any]
    ) -> tuple[str, dict[str, Any]]:
        if last is not None and last > self._now + _MAX_AHEAD_SECONDS:
            return "in_future", data
        is_stored = state.error is not None and state.error.code in _STORED_WITH_ERROR
        if state.error is not None and not is_stored:
            stored = last is not None and last >= (state.last_attempt or 0)
            return "failed", data | _error_data_with_texts(state.error) | {"stored": stored}
        if last is None:
            return "never", data
        if state.check_ok is False:
            error = NodeError(code="check_failed", data=state.check_error or {})
            return "damaged", data | _error_data_with_texts(error)
        if self._now - last > LIMIT_HOURS * _HOUR:
            return "too_old", data | {"limit_hours": LIMIT_HOURS}
        if state.error is not None:
            return "incomplete", data | _error_data_with_texts(state.error)
        if state.quota_bytes and (state.quota_used or 0) > _FULL * state.quota_bytes:
            percent = min(100, 100 * (state.quota_used or 0) // state.quota_bytes)
            return "nearly_full", data | {"percent": percent}
        return "stored", data

    def of_drill(self, drill: DrillState | None) -> BackupStatus:
        """Return how the node's tests of a restore stand."""
        if drill is None:
            return self.status("", "drill_never", {})
        limit = self._region.backup.drill_days if self._region.backup else 0
        data: dict[str, Any] = drill.model_dump(include={"archive", "tables", "rows", "files"})
        data |= {"age": age_text(self._now - drill.time), "limit_days": limit}
        if drill.time > self._now + _MAX_AHEAD_SECONDS:
            code = "in_future"
        elif not drill.ok:
            code = "drill_failed"
            data |= _error_data_with_texts(drill.error) if drill.error else {}
        else:
            code = "drill_old" if self._now - drill.time > limit * _DAY else "drill_passed"
        return self.status("", code, data, drill.time)


def _error_data_with_texts(error: NodeError) -> dict[str, Any]:
    reason, fix = backup_error_texts(error.code, error.data)
    return {"error": error.model_dump(), "reason": reason, "fix": fix}

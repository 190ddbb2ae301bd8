"""Run the backup program of a node over SSH, and read what it reports.

A backup belongs to its node: when the connection drops, it goes on, and this side follows it again.
"""

from __future__ import annotations

import functools
import shlex
import time
from collections.abc import Callable
from typing import Annotated, Literal, NamedTuple

from pydantic import Field, TypeAdapter, ValidationError

from chautari.backup.node_state import ArchiveName, Duration, NodeError, TargetName
from chautari.backup.secrets import STORED_KEY_PATTERN
from chautari.deploy.remote_run import (
    NO_PYTHON,
    OutageTimeBudget,
    is_transient_ssh_error,
    no_answer_refusal,
)
from chautari.language import _
from chautari.prepare.child_process import other_login_refusal
from chautari.process import OutputLimits, RunningCommand
from chautari.report.backup_texts import node_problem_texts
from chautari.ssh.account_fallback import is_accepted, try_accounts
from chautari.ssh.known_hosts import read_known_hosts_text
from chautari.ssh.runner_client import SSH_FAILED
from chautari.ssh.target import SSHTarget, command_as_root, ssh_argv
from chautari.untrusted_node_file import Count, NodeModel, Seconds

PROGRAM = "/usr/local/bin/chautari-backup"
# A backup of a day reports every two seconds, in lines of about 150 bytes.
LIMITS = OutputLimits(line_bytes=256 << 10, total_bytes=32 << 20, lines=200_000)
MAX_ARCHIVES = 1000
KEY_PATTERN = f"^{STORED_KEY_PATTERN}$"
_MAX_SAID = 300  # characters
_NO_COMMAND = (NO_PYTHON, 126)


class BackupStarted(NodeModel):
    """A backup began."""

    event: Literal["started"]


class UploadAnnounced(NodeModel):
    """How much a backup will read, before it uploads anything."""

    event: Literal["announced"]
    target: TargetName
    first: bool
    files: Count
    bytes: Count


class Progress(NodeModel):
    """How far a backup or a check is."""

    event: Literal["progress"]
    target: TargetName
    step: str = Field(pattern=r"^[a-z_]{1,30}$")
    files: Count = 0
    bytes: Count = 0
    bytes_sent: Count = 0


class TargetFinished(NodeModel):
    """How the backup in one target ended."""

    event: Literal["target_finished"]
    target: TargetName
    ok: bool
    archive: ArchiveName | None = None
    seconds: Duration | None = None
    bytes_sent: Count | None = None
    bytes_stored: Count | None = None
    paused_seconds: Duration | None = None
    error: NodeError | None = None


class ArchiveInTarget(NodeModel):
    """One archive in a target."""

    name: ArchiveName
    time: Seconds


class TargetArchives(NodeModel):
    """The archives in one target, or why they are not known."""

    archives: list[ArchiveInTarget] = Field(default_factory=list, max_length=MAX_ARCHIVES)
    error: NodeError | None = None


class Archives(NodeModel):
    """The archives in all targets of a node."""

    event: Literal["archives"]
    targets: dict[TargetName, TargetArchives] = Field(max_length=40)


class TargetChecked(NodeModel):
    """How the check of one repository ended."""

    event: Literal["target_checked"]
    target: TargetName
    ok: bool
    seconds: Duration | None = None
    error: NodeError | None = None


class RepositoryKey(NodeModel):
    """The key of a repository, encrypted with the passphrase of the node."""

    event: Literal["key"]
    target: TargetName
    key: str = Field(pattern=KEY_PATTERN)


class ProgramFinished(NodeModel):
    """The end of what was asked for."""

    event: Literal["finished"]
    ok: bool
    error: NodeError | None = None


ProgramEvent = (
    BackupStarted
    | UploadAnnounced
    | Progress
    | TargetFinished
    | Archives
    | TargetChecked
    | RepositoryKey
    | ProgramFinished
)
Listener = Callable[[ProgramEvent], None]
_LAST = (ProgramFinished, Archives, RepositoryKey)


class NodeProblem(NamedTuple):
    """Why a node did not do what it was asked for: a code with data, and its texts."""

    code: str
    reason: str
    fix: str

    def as_object(self) -> dict[str, str]:
        """Return the problem as plain JSON data."""
        return self._asdict()


class _ConnectionResult(NamedTuple):
    """How one connection ended."""

    events: int
    ended: bool
    unreadable: bool
    flooded: bool
    code: int | None
    said: str


@functools.cache
def _program_event_adapter() -> TypeAdapter[ProgramEvent]:
    return TypeAdapter(Annotated[ProgramEvent, Field(discriminator="event")])


def parse_known_program_event(line: str) -> ProgramEvent | None:
    """Return the event of a line; None for an event that only a newer version knows.

    Raises:
        ValueError: when the line is no event, or a field is not valid.
    """
    try:
        return _program_event_adapter().validate_json(line, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        if first["type"] == "union_tag_invalid":
            return None
        raise ValueError(_("unreadable event")) from None


def call_program(
    region: str, target: SSHTarget, arguments: tuple[str, ...], tell: Listener
) -> NodeProblem | None:
    """Run the program once, and pass on its events. Return why there is no result, if so."""
    if problem := _problem_if_never_connected(region, target):
        return problem
    return _problem_of_connection(
        region, target, _relay_events_of_connection(target, arguments, tell)
    )


def start_or_follow_backup(region: str, target: SSHTarget, tell: Listener) -> NodeProblem | None:
    """Start a backup, or join the one that runs, and follow it until it ends.

    When the connection drops, this side connects again. Return why there is no result, if so.
    """
    if problem := _problem_if_never_connected(region, target):
        return problem
    budget, events = OutageTimeBudget(), 0
    arguments: tuple[str, ...] = ("start",)
    while True:
        found = _relay_events_of_connection(target, arguments, tell)
        events += found.events
        if found.ended or not events or not is_transient_ssh_error(found.code, found.said):
            return _problem_of_connection(region, target, found)
        if found.events:
            budget.reset()
        pause = budget.next_delay()
        if pause is None:
            return _make_node_problem(region, target, "disconnected", found)
        time.sleep(pause)
        arguments = ("follow", "--after", str(events))


def _problem_if_never_connected(region: str, target: SSHTarget) -> NodeProblem | None:
    if target.address in read_known_hosts_text(target.known_hosts):
        return None
    return NodeProblem(
        "program_missing", *node_problem_texts("program_missing", {"region": region})
    )


def _relay_events_of_connection(
    target: SSHTarget, arguments: tuple[str, ...], tell: Listener
) -> _ConnectionResult:
    """Pass on the events of one connection, and return how it ended.

    If the node refuses the account, the target's other accounts are tried.
    """
    return try_accounts(
        target,
        lambda login: _relay_events_of_account(login, arguments, tell),
        lambda found: is_accepted(bool(found.events), found.code, found.said),
    )


def _relay_events_of_account(
    target: SSHTarget, arguments: tuple[str, ...], tell: Listener
) -> _ConnectionResult:
    command = command_as_root(target, shlex.join((PROGRAM, *arguments)))
    stream = RunningCommand(ssh_argv(target, command), limits=LIMITS)
    count, ended, unreadable, first = 0, False, False, ""
    try:
        for line in stream:
            if ended or unreadable or not line.startswith("{"):
                first = first or line.strip()
                continue  # a greeting of the login shell, or what comes after the end
            count += 1
            try:
                event = parse_known_program_event(line)
            except ValueError:
                unreadable = True
                continue
            if event is not None:
                ended = isinstance(event, _LAST)
                tell(event)
    except BaseException:
        stream.stop()
        raise
    said = stream.stderr.splitlines()[-1] if stream.stderr else first
    return _ConnectionResult(
        count, ended, unreadable, stream.flooded, stream.code, said[:_MAX_SAID]
    )


def _problem_of_connection(
    region: str, target: SSHTarget, connection: _ConnectionResult
) -> NodeProblem | None:
    """Return why a connection brought no result; None if it did."""
    if connection.ended:
        return None
    if connection.flooded:
        code = "too_much"
    elif connection.unreadable:
        code = "unreadable"
    elif connection.code == SSH_FAILED or other_login_refusal(target, connection.said):
        code = "unreachable"
    elif connection.code in _NO_COMMAND or "command not found" in connection.said:
        code = "program_missing"
    else:
        code = "no_result"
    return _make_node_problem(region, target, code, connection)


def _make_node_problem(
    region: str, target: SSHTarget, code: str, connection: _ConnectionResult
) -> NodeProblem:
    data = {"region": region, "node": target.name, "said": connection.said}
    if code == "unreachable":
        refusal = no_answer_refusal(target, connection.code, connection.said)
        data |= {"reason": refusal.reason, "fix": refusal.fix}
    return NodeProblem(code, *node_problem_texts(code, data))

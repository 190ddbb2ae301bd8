"""Ask the nodes what they measured of themselves. The file is hostile input: fields have limits."""

from __future__ import annotations

from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from chautari.deploy.remote_run import NO_PYTHON, no_answer_refusal
from chautari.language import _
from chautari.node.events import StateFilesAnswer
from chautari.node.health import limits
from chautari.node.health.problems import Problem, find_problems
from chautari.parallel import call_within, map_parallel
from chautari.report.text_format import to_one_line
from chautari.ssh.known_hosts import read_known_hosts_text
from chautari.ssh.runner_client import SSH_FAILED, RunnerReply, call_runner
from chautari.ssh.target import SSHTarget

STATE_FILE = "/var/lib/chautari/health/state.json"
MAX_BYTES = 64 << 10
NODE_SECONDS = 60.0  # in which a node has to answer
# While the disk of a node is full, its measurement is there.
STATE_FILE_IN_MEMORY = "/run/chautari-health/state.json"
_FILE, _FILE_IN_MEMORY = "health", "in_memory"
_FILES = {_FILE: STATE_FILE, _FILE_IN_MEMORY: STATE_FILE_IN_MEMORY}
_MAX_ERROR = 200  # characters
_MAX_NUMBER = 2**53 - 1  # the last one that every JSON reader keeps exactly
Seconds = Annotated[int, Field(ge=0, le=_MAX_NUMBER)]
Count = Annotated[int, Field(ge=0, le=_MAX_NUMBER)]
Name = Annotated[str, Field(min_length=1, max_length=200)]
ServiceName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,40}$")]


class _Part(BaseModel):
    """A part of what a node sends. A newer version may add fields; they are left out."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True, defer_build=True)


class Disk(_Part):
    """Size and free space of a disk in bytes, and in how many days it is full."""

    mount: Name
    size: Annotated[int, Field(ge=1, le=_MAX_NUMBER)]
    free: Count
    days_left: Annotated[float, Field(ge=0, le=10_000)] | None
    trend_known: bool


class Certificate(_Part):
    """Until when a certificate is valid."""

    name: Name
    expires: Seconds
    temporary: bool


class Updates(_Part):
    """How many updates are due; `lists` is when the package lists were downloaded."""

    due: Count
    security: Count
    security_since: Seconds | None
    lists: Seconds


class ServiceState(_Part):
    """Whether a service of the region responds, and since when that is so."""

    responds: bool
    since: Seconds


class Meetings(_Part):
    """How many meetings and people there are on a node."""

    meetings: Annotated[int, Field(ge=0, le=1_000_000)]
    people: Annotated[int, Field(ge=0, le=1_000_000)]


class Mails(_Part):
    """Whether the node mails problems, when it did last, and whether the last try failed."""

    on: bool
    last: Seconds | None
    failed: bool


class NodeHealth(_Part):
    """The whole file."""

    format: int = Field(ge=1, le=1)
    measured: Seconds
    booted: int = Field(ge=-_MAX_NUMBER, le=_MAX_NUMBER)
    disks: list[Disk] = Field(max_length=16)
    certificates: list[Certificate] = Field(max_length=64)
    updates: Updates | None
    reboot_since: Seconds | None
    units: list[Name] = Field(max_length=40)
    services: dict[ServiceName, ServiceState] = Field(max_length=64)
    meetings: Meetings | None
    unknown: list[Name] = Field(max_length=16)
    mails: Mails


class HealthRefused(ValueError):
    """A file that does not have the form of its format; the message says what is wrong."""


class HealthAnswer(NamedTuple):
    """What a node answered when it was asked for its measurement.

    Attributes:
        node: its name.
        health: what it measured; None if that is not known.
        problem: why it is not known: a code with data; None if the node has no such file.
    """

    node: str
    health: NodeHealth | None = None
    problem: tuple[str, dict[str, Any]] | None = None


def ask_nodes_for_health(targets: Sequence[SSHTarget]) -> list[HealthAnswer]:
    """Return what each node measured of itself, with one question to each."""
    return map_parallel(_ask_node, targets)


def _ask_node(target: SSHTarget) -> HealthAnswer:
    if target.address not in read_known_hosts_text(target.known_hosts):
        return HealthAnswer(target.name, problem=("not_deployed", {}))
    arguments = {"action": "state_files", "files": _FILES}
    try:
        reply = call_within(NODE_SECONDS, lambda: call_runner(target, arguments, StateFilesAnswer))
    except TimeoutError:
        reply = RunnerReply(
            None,
            SSH_FAILED,
            _("no answer within {node_seconds:.0f} seconds", node_seconds=NODE_SECONDS),
        )
    if reply.answer is not None:
        return _parse_answer(target.name, reply.answer)
    if reply.code == NO_PYTHON:
        return HealthAnswer(target.name, problem=("not_deployed", {}))
    refusal = no_answer_refusal(target, reply.code, reply.last_error)
    return HealthAnswer(target.name, problem=("unreachable", {"reason": refusal.reason}))


def _parse_answer(node: str, answer: StateFilesAnswer) -> HealthAnswer:
    file = _FILE_IN_MEMORY if _FILE_IN_MEMORY in answer["files"] else _FILE
    if file in answer["errors"]:
        reason = to_one_line(answer["errors"][file])[:_MAX_ERROR]
        return HealthAnswer(node, problem=("unreadable", {"reason": reason}))
    if file not in answer["files"]:
        return HealthAnswer(node)
    try:
        return HealthAnswer(node, parse_node_health(a2b_base64(answer["files"][file])))
    except (Base64Error, ValueError) as error:
        reason = to_one_line(error)[:_MAX_ERROR]
        return HealthAnswer(node, problem=("unreadable", {"reason": reason}))


def parse_node_health(content: bytes) -> NodeHealth:
    """Return what the file `content` says.

    Raises:
        HealthRefused: when it is too large, no JSON, or a field is not valid.
    """
    if len(content) > MAX_BYTES:
        raise HealthRefused(_("it is larger than {max_bytes} kB", max_bytes=MAX_BYTES >> 10))
    try:
        return NodeHealth.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(map(str, first["loc"]))[:80]
        raise HealthRefused(to_one_line(f"{place}: {first['msg'][:120]}")) from None


def problems_of_node(health: NodeHealth, now: float) -> list[Problem]:
    """Return what is wrong with a node, judged by this machine's clock."""
    return find_problems(health.model_dump(), now)


def measurement_problem(health: NodeHealth, now: float) -> str:
    """Return the code of why a measurement does not count for now; empty if it does."""
    if health.measured > now + limits.MAX_AHEAD_SECONDS:
        return "measured_in_future"
    return "measured_long_ago" if now - health.measured > limits.MEASUREMENT_OLD_SECONDS else ""

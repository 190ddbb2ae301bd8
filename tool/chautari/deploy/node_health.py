"""Ask the nodes what they measured of themselves. The file is hostile input: fields have limits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple

from pydantic import Field

from chautari.deploy.untrusted_files_from_nodes import read_node_files
from chautari.node.health import limits
from chautari.node.health.problems import Problem, find_problems
from chautari.parallel import map_parallel
from chautari.ssh.target import SSHTarget
from chautari.untrusted_node_file import (
    MAX_NUMBER,
    Count,
    NodeFileRefused,
    NodeModel,
    Seconds,
    parse_node_file,
)

STATE_FILE = "/var/lib/chautari/health/state.json"
# While the disk of a node is full, its measurement is there.
STATE_FILE_IN_MEMORY = "/run/chautari-health/state.json"
_FILE, _FILE_IN_MEMORY = "health", "in_memory"
_FILES = {_FILE: STATE_FILE, _FILE_IN_MEMORY: STATE_FILE_IN_MEMORY}
Name = Annotated[str, Field(min_length=1, max_length=200)]
ServiceName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,40}$")]


class Disk(NodeModel):
    """Size and free space of a disk in bytes, and in how many days it is full."""

    mount: Name
    size: Annotated[int, Field(ge=1, le=MAX_NUMBER)]
    free: Count
    days_left: Annotated[float, Field(ge=0, le=10_000)] | None
    trend_known: bool


class Certificate(NodeModel):
    """Until when a certificate is valid."""

    name: Name
    expires: Seconds
    temporary: bool


class Updates(NodeModel):
    """How many updates are due; `lists` is when the package lists were downloaded."""

    due: Count
    security: Count
    security_since: Seconds | None
    lists: Seconds


class ServiceState(NodeModel):
    """Whether a service of the region responds, and since when that is so."""

    responds: bool
    since: Seconds


class Meetings(NodeModel):
    """How many meetings and people there are on a node."""

    meetings: Annotated[int, Field(ge=0, le=1_000_000)]
    people: Annotated[int, Field(ge=0, le=1_000_000)]


class Mails(NodeModel):
    """Whether the node mails problems, when it did last, and whether the last try failed."""

    on: bool
    last: Seconds | None
    failed: bool


class NodeHealth(NodeModel):
    """The whole file."""

    format: int = Field(ge=1, le=1)
    measured: Seconds
    booted: int = Field(ge=-MAX_NUMBER, le=MAX_NUMBER)
    disks: list[Disk] = Field(max_length=16)
    certificates: list[Certificate] = Field(max_length=64)
    updates: Updates | None
    reboot_since: Seconds | None
    units: list[Name] = Field(max_length=40)
    services: dict[ServiceName, ServiceState] = Field(max_length=64)
    meetings: Meetings | None
    unknown: list[Name] = Field(max_length=16)
    mails: Mails


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
    found = read_node_files(target, _FILES)
    if found.problem and found.problem[0] == "node_unreachable":
        reason = found.problem[1]["reason"]
        return HealthAnswer(target.name, problem=("unreachable", {"reason": reason}))
    if found.problem:
        return HealthAnswer(target.name, problem=found.problem)
    known = found.contents.keys() | found.errors.keys()
    file = _FILE_IN_MEMORY if _FILE_IN_MEMORY in known else _FILE
    if reason := found.errors.get(file):
        return _unreadable_answer(target.name, reason)
    if file not in found.contents:
        return HealthAnswer(target.name)
    try:
        return HealthAnswer(target.name, parse_node_file(NodeHealth, found.contents[file]))
    except NodeFileRefused as error:
        return _unreadable_answer(target.name, str(error))


def _unreadable_answer(node: str, reason: str) -> HealthAnswer:
    return HealthAnswer(node, problem=("unreadable", {"reason": reason}))


def problems_of_node(health: NodeHealth, now: float) -> list[Problem]:
    """Return what is wrong with a node, judged by this machine's clock."""
    return find_problems(health.model_dump(), now)


def measurement_problem(health: NodeHealth, now: float) -> str:
    """Return the code of why a measurement does not count for now; empty if it does."""
    if health.measured > now + limits.MAX_AHEAD_SECONDS:
        return "measured_in_future"
    return "measured_long_ago" if now - health.measured > limits.MEASUREMENT_OLD_SECONDS else ""

"""The messages between the command and its child process that prepares machines.

Orders go to the child as one JSON object. Results come back as JSON lines: `pinned`, `advised`,
`refused`, `unreachable`, `preparing`, `prepared`, `disconnected`, `failed`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Required, TypedDict

from chautari.report.message_templates import Data
from chautari.report.model import Notice, Refusal

# `check` changes nothing. `install` brings Python and the environment for Ansible. `adopt` also
# copies what the region adopts.
Preparation = Literal["check", "install", "adopt"]


class NodeOrder(TypedDict):
    """A machine to prepare.

    `required` holds its `NodeRequirements` as plain data; `open_ports` are such as `80/tcp`.
    """

    name: str
    address: str
    port: int
    user: str
    known_hosts: str
    host_key: str
    key: str
    key_password: str | None
    resolver: str
    required: Mapping[str, Any]
    takes_over: Mapping[str, Sequence[str]]
    open_ports: Sequence[str]
    adopt: Sequence[str]
    operators: Sequence[str]


class WorkerOrders(TypedDict):
    """What the child process of the preparation is to do, sent by the control side."""

    nodes: list[NodeOrder]
    requirements: str
    marker: str
    operator: str
    preparation: Preparation
    parallel: int


class CodedMessage(TypedDict):
    """A notice or refusal as plain data."""

    code: str
    data: Data


class ResultLine(TypedDict, total=False):
    """One result line; which keys it has follows from `event`."""

    event: Required[str]
    node: Required[str]
    os: str
    changed: bool
    outdated: bool
    fingerprint: str
    task: str
    code: str
    message: str
    notice: CodedMessage
    refusal: CodedMessage
    refusals: list[CodedMessage]


def as_coded_message(item: Notice | Refusal) -> CodedMessage:
    """Return a notice or refusal as plain data."""
    return {"code": item.code, "data": item.data}

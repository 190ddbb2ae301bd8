"""Validate what a node sends: the events of its runs, and its answers to short questions.

Only data that does not fit `node/events.py` is a malformed message. An error in our own handling of
a valid event is a bug of ours, and is never reported as the node's.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from chautari.node.events import CheckFinished, RunEvent

Answer = TypeVar("Answer")
# What pydantic calls an event whose name is none of the union's.
_UNKNOWN_NAME = "union_tag_invalid"


# The largest number of which JSON readers agree (RFC 8259); real ones are sizes and times.
MAX_NUMBER = 2**53
# Messages show commands with a run's id. Ours are of digits, small letters, T and a dash.
_RUN_ID = re.compile(r"[A-Za-z0-9._-]{0,64}")


class MalformedMessage(ValueError):
    """A line from a node is no JSON object, or does not have the fields of its event."""


class _EventWithName(BaseModel):
    event: str


@functools.cache
def _run_event_adapter() -> TypeAdapter[RunEvent]:
    return TypeAdapter(Annotated[RunEvent, Field(discriminator="event")])


_answer_adapters: dict[object, TypeAdapter[Any]] = {}


def _answer_adapter(kind: type[Answer]) -> TypeAdapter[Answer]:
    if kind not in _answer_adapters:
        _answer_adapters[kind] = TypeAdapter(kind)
    return _answer_adapters[kind]


def parse_known_event(line: str) -> RunEvent | None:
    """Return the event of a line; None for an event that only a newer version knows.

    A newer runner may also add fields, which are left out.

    Raises:
        MalformedMessage: when the line is no event, or lacks fields of its event.
    """
    try:
        event = _run_event_adapter().validate_json(line, strict=True)
    except ValidationError as error:
        [first, *_] = error.errors()
        if first["type"] == _UNKNOWN_NAME and isinstance(first["input"]["event"], str):
            return None
        raise MalformedMessage(line) from None
    _refuse_absurd_numbers_and_run_ids(event, line)
    return event


def _refuse_absurd_numbers_and_run_ids(message: object, line: str) -> None:
    """Refuse numbers that no size or time has, and ids of runs that no command may contain."""
    waiting = [message]
    while waiting:
        value = waiting.pop()
        if isinstance(value, Mapping):
            waiting += value.values()
            run = value.get("run")
            if isinstance(run, str) and not _RUN_ID.fullmatch(run):
                raise MalformedMessage(line)
        elif isinstance(value, list):
            waiting += value
        elif isinstance(value, int | float) and not abs(value) <= MAX_NUMBER:
            raise MalformedMessage(line)


def parse_answer(line: str, name: str, kind: type[Answer]) -> Answer | None:
    """Return the answer called `name` of a line; None for other output, such as a greeting.

    Raises:
        MalformedMessage: when the line is that answer and does not have its fields.
    """
    try:
        if _EventWithName.model_validate_json(line).event != name:
            return None
    except ValidationError:
        return None
    try:
        answer = _answer_adapter(kind).validate_json(line, strict=True)
    except ValidationError:
        raise MalformedMessage(line) from None
    _refuse_absurd_numbers_and_run_ids(answer, line)
    return answer


def parse_outside_check(line: str) -> CheckFinished:
    """Return the event of a check that ran on this machine.

    Raises:
        MalformedMessage: when the line is no such event.
    """
    check = parse_answer(line, "check", CheckFinished)
    if check is None:
        raise MalformedMessage(line)
    return check

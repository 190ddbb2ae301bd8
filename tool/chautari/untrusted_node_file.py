"""Parse a file that a node wrote. It is hostile input: its size and each field have a limit."""

from __future__ import annotations

from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from chautari.language import _
from chautari.report.text_format import to_one_line

MAX_BYTES = 64 << 10
MAX_NUMBER = 2**53 - 1  # the last one that every JSON reader keeps exactly
Seconds = Annotated[int, Field(ge=0, le=MAX_NUMBER)]
Count = Annotated[int, Field(ge=0, le=MAX_NUMBER)]
Model = TypeVar("Model", bound=BaseModel)


class NodeModel(BaseModel):
    """A part of what a node sends. A newer version may add fields; they are left out."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True, defer_build=True)


class NodeFileRefused(ValueError):
    """A file that does not have the form of its format; the message says what is wrong."""


def parse_node_file(model: type[Model], content: bytes) -> Model:
    """Return what the file `content` says.

    Raises:
        NodeFileRefused: when it is too large, no JSON, or a field is not valid.
    """
    if len(content) > MAX_BYTES:
        raise NodeFileRefused(_("it is larger than {max_bytes} kB", max_bytes=MAX_BYTES >> 10))
    try:
        return model.model_validate_json(content)
    except ValidationError as error:
        raise NodeFileRefused(describe_error(error)) from None


def describe_error(error: ValidationError) -> str:
    """Return the first problem as text, without the value that is wrong."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(map(str, first["loc"]))[:80]
    return to_one_line(f"{place}: {first['msg'][:120]}" if place else first["msg"][:120])

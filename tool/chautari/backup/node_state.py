"""What a node remembers of its backups. The file is hostile input: every field has a limit."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from chautari.language import _
from chautari.region.field_types import validate_name
from chautari.report.text_format import to_one_line

STATE_FILE = "/var/lib/chautari/backup/state.json"
MAX_BYTES = 64 << 10
MAX_TARGETS = 40
_MAX_NUMBER = 2**53 - 1  # the last one that every JSON reader keeps exactly
Seconds = Annotated[int, Field(ge=0, le=_MAX_NUMBER)]
Count = Annotated[int, Field(ge=0, le=_MAX_NUMBER)]
Duration = Annotated[float, Field(ge=0, le=_MAX_NUMBER)]
ArchiveName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,99}$")]
TargetName = Annotated[str, AfterValidator(validate_name)]


class NodeModel(BaseModel):
    """A part of what a node sends. A newer version may add fields; they are left out."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True, defer_build=True)


class NodeError(NodeModel):
    """Why something failed: a code with its data, of which `backup_texts` makes a text."""

    code: str = Field(pattern=r"^[a-z][a-z0-9_]{0,59}$")
    data: dict[str, Any] = Field(default_factory=dict, max_length=20)


class TargetState(NodeModel):
    """How the backups in one target stand."""

    last_success: Seconds | None = None
    last_attempt: Seconds | None = None
    archive: ArchiveName | None = None
    error: NodeError | None = None
    bytes_stored: Count | None = None
    bytes_sent: Count | None = None
    seconds: Duration | None = None
    paused_seconds: Duration | None = None
    last_check: Seconds | None = None
    check_ok: bool | None = None
    check_error: dict[str, Any] | None = Field(default=None, max_length=20)
    quota_bytes: Count | None = None
    quota_used: Count | None = None


class DrillState(NodeModel):
    """How the last test of a restore ended."""

    time: Seconds
    archive: ArchiveName | None = None
    ok: bool
    tables: Count | None = None
    rows: Count | None = None
    files: Count | None = None
    seconds: Duration | None = None
    error: NodeError | None = None


class NodeState(NodeModel):
    """The whole file."""

    format: int = Field(ge=1, le=1)
    targets: dict[TargetName, TargetState] = Field(default_factory=dict, max_length=MAX_TARGETS)
    drill: DrillState | None = None


class StateRefused(ValueError):
    """A file that does not have the form of its format; the message says what is wrong."""


def parse_node_state(content: bytes) -> NodeState:
    """Return what the file `content` says.

    Raises:
        StateRefused: when it is too large, no JSON, or a field is not valid.
    """
    if len(content) > MAX_BYTES:
        raise StateRefused(_("it is larger than {max_bytes} kB", max_bytes=MAX_BYTES >> 10))
    try:
        return NodeState.model_validate_json(content)
    except ValidationError as error:
        raise StateRefused(describe_error(error)) from None


def describe_error(error: ValidationError) -> str:
    """Return the first problem as text, without the value that is wrong."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(map(str, first["loc"]))[:80]
    return to_one_line(f"{place}: {first['msg'][:120]}" if place else first["msg"][:120])

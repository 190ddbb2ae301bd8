"""What a node remembers of its backups. The file is hostile input: every field has a limit."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field

from chautari.region.names import validate_name
from chautari.untrusted_node_file import MAX_NUMBER, Count, NodeModel, Seconds

STATE_FILE = "/var/lib/chautari/backup/state.json"
MAX_TARGETS = 40
Duration = Annotated[float, Field(ge=0, le=MAX_NUMBER)]
ArchiveName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,99}$")]
TargetName = Annotated[str, AfterValidator(validate_name)]


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

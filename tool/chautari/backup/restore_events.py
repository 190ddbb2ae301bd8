"""The events and answers that a node sends about restores, with limits: a node may be hostile."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from chautari.node.restore.request import RESTORE_ID
from chautari.node.restore.texts import error_text

MAX_RESULTS = 100
_Text = Annotated[str, Field(max_length=4096)]
_Count = Annotated[int, Field(ge=0, le=2**53)]
_Seconds = Annotated[float, Field(ge=0, le=2**53)]
_Id = Annotated[str, Field(pattern=f"^{RESTORE_ID.pattern}$")]


class _RestoreMessageBase(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)


class RestoreProblem(_RestoreMessageBase):
    """Why a restore did not work: a code with its data."""

    code: Annotated[str, Field(pattern=r"^[a-z_]{1,40}$")]
    data: dict[_Text, _Text | _Count] = Field(default_factory=dict, max_length=20)

    @property
    def reason(self) -> str:
        """Return what happened."""
        return error_text(self.code, self.data)[0]

    @property
    def fix(self) -> str:
        """Return what to do."""
        return error_text(self.code, self.data)[1]


class RestoreFigures(_RestoreMessageBase):
    """What a restore counted and measured."""

    files: _Count = 0
    bytes: _Count = 0
    tables: _Count = 0
    rows: _Count = 0
    extract_seconds: _Seconds = 0
    load_seconds: _Seconds = 0
    compare_seconds: _Seconds = 0
    paused_seconds: _Seconds = 0
    cpu_seconds: _Seconds = 0
    memory_mb: _Count = 0
    versions: dict[_Text, _Text] = Field(default_factory=dict, max_length=100)


class KeptData(_RestoreMessageBase):
    """The old data that a restore renamed aside."""

    paths: list[_Text] = Field(max_length=1000)
    databases: list[tuple[_Text, _Text]] = Field(max_length=1000)


class RestoreResult(_RestoreMessageBase):
    """How a restore ended."""

    id: _Id
    ok: bool
    finished: _Seconds
    node: _Text
    target: _Text
    archive: _Text
    archive_time: _Count
    services: list[_Text] = Field(max_length=100)
    figures: RestoreFigures
    error: RestoreProblem | None
    kept: KeptData | None


class RestoreStartAnswer(_RestoreMessageBase):
    """The answer to `restore_start`."""

    event: Literal["restore_start"]
    error: RestoreProblem | None


class RestoreResultsAnswer(_RestoreMessageBase):
    """The answer to `restore_results`."""

    event: Literal["restore_results"]
    pending: bool
    results: list[RestoreResult] = Field(max_length=MAX_RESULTS)


class RestoreCleanAnswer(_RestoreMessageBase):
    """The answer to `restore_clean`."""

    event: Literal["restore_clean"]
    deleted: list[_Text] = Field(max_length=10_000)
    error: RestoreProblem | None


class DrillRecorded(_RestoreMessageBase):
    """The answer to `restore_record_drill`."""

    event: Literal["restore_record_drill"]
    error: RestoreProblem | None


class _EventWithOffset(_RestoreMessageBase):
    offset: _Count


class StepStarted(_EventWithOffset):
    """A step begins."""

    event: Literal["step"]
    step: Annotated[str, Field(pattern=r"^[a-z_]{1,40}$")]


class ArchiveChosen(_EventWithOffset):
    """The archive was chosen."""

    event: Literal["chosen"]
    archive: _Text
    time: _Count


class ContentPlanned(_EventWithOffset):
    """The content of the archive is known."""

    event: Literal["planned"]
    files: _Count
    bytes: _Count


class BytesExtracted(_EventWithOffset):
    """So many bytes are extracted."""

    event: Literal["extracted"]
    bytes: _Count


class UndoStarted(_EventWithOffset):
    """The restore failed and is undone."""

    event: Literal["undoing"]
    error: RestoreProblem


class UndoStepFailed(_EventWithOffset):
    """A step of the undo failed; the node tries again."""

    event: Literal["stuck"]
    error: RestoreProblem


class RecoveryGivenUp(_EventWithOffset):
    """The node tries no longer to complete or undo a restore."""

    event: Literal["gave_up"]


class RestoreFinished(_EventWithOffset, RestoreResult):
    """The restore is finished."""

    event: Literal["finished"]


class NoActiveRestore(_EventWithOffset):
    """No restore is active."""

    event: Literal["ended"]


RestoreEvent = (
    StepStarted
    | ArchiveChosen
    | ContentPlanned
    | BytesExtracted
    | UndoStarted
    | UndoStepFailed
    | RecoveryGivenUp
    | RestoreFinished
    | NoActiveRestore
)
_EVENTS: TypeAdapter[Any] = TypeAdapter(Annotated[RestoreEvent, Field(discriminator="event")])


class EventHead(BaseModel):
    """The name of an event, and where it ends in the node's list."""

    event: str
    offset: _Count


def parse_restore_event(line: str) -> RestoreEvent | EventHead | None:
    """Return the event of a line; `EventHead` for one to pass over, None for other text.

    Raises:
        ValueError: when a known event has values that no node of ours sends.
    """
    try:
        named = EventHead.model_validate_json(line)
    except ValidationError:
        return None
    try:
        event: RestoreEvent = _EVENTS.validate_json(line)
    except ValidationError as error:
        if error.errors()[0]["type"] == "union_tag_invalid":
            return named
        raise ValueError(named.event) from None
    return event

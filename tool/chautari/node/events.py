"""The messages that a node sends: one TypedDict for each event, and the answers to short questions.

Both sides use this module: the node builds events with it, the control side validates what arrives.
It uses the standard library only, and an event is plain JSON data with its name under `event`.

A node runs the code of the side that started its run. Someone with an older version may attach to
it: they skip events and keys whose names they do not know.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, Union

if TYPE_CHECKING:
    from typing_extensions import NotRequired, TypedDict  # noqa: UP035
else:
    try:  # pydantic needs these where Python is older than 3.12
        from typing_extensions import NotRequired, TypedDict  # noqa: UP035
    except ImportError:  # on a node, where no annotation is evaluated
        from typing import TypedDict

# Of a run's journal; a journal without a format was written before events had these names.
JOURNAL_FORMAT = 2
Mode = Literal["deploy", "verify", "plan", "download"]


class Reason(TypedDict):
    """Why something is so, without words: the control side makes the text from code and data."""

    code: str
    data: Mapping[str, object]


def make_reason(code: str, **data: object) -> Reason:
    """Return a reason."""
    return {"code": code, "data": data}


class LockHolder(TypedDict, total=False):
    """Whose run holds a node's lock; empty where that cannot be read.

    `since` is in seconds since the epoch. `role` is the role that the run is at.
    """

    run: str
    operator: str
    origin: str
    region: str
    node: str
    sha256: str
    mode: str
    full: object
    checks: object
    purge: object
    interrupt_meetings: object
    since: float
    role: str


class Event(TypedDict):
    """What every event of a run has; `offset` is the end of its line in the run's journal."""

    offset: NotRequired[int]


class RunStarted(Event):
    """The run holds the lock and begins; `time` is in seconds since the epoch."""

    event: Literal["run_started"]
    run: str
    mode: NotRequired[str]
    time: NotRequired[float]
    format: NotRequired[int]
    operator: NotRequired[str]
    origin: NotRequired[str]


class RolesSelected(Event):
    """The roles that a pass of the run is about to run, each with its reasons."""

    event: Literal["roles_selected"]
    roles: dict[str, list[Reason]]
    pass_number: NotRequired[int]


class RoleUpToDate(Event):
    """A role that did not run; `notices` are those of the run that wrote its receipt."""

    event: Literal["role_up_to_date"]
    role: str
    run: str
    notices: list[Reason]


class RoleStarted(Event):
    """A role begins."""

    event: Literal["role_started"]
    role: str


class TaskFinished(Event):
    """A task of Ansible ended."""

    event: Literal["task"]
    role: str
    task: str
    status: str
    seconds: float


class RoleFinished(Event):
    """A role ended, with the number of its tasks by outcome."""

    event: Literal["role_finished"]
    role: str
    seconds: float
    ok: NotRequired[int]
    changed: NotRequired[int]
    failed: NotRequired[int]
    skipped: NotRequired[int]
    rescued: NotRequired[int]


class PlannedFileDiff(Event):
    """What a task of a plan would change in a file."""

    event: Literal["difference"]
    role: str
    task: str
    diff: str


class RoleMessage(Event):
    """A message for people, from a task of a role with the tag `report`."""

    event: Literal["role_message"]
    role: str
    text: str


class SSHLoginTestRequested(Event):
    """A task waits for a new login: to keep new settings of SSH, or to remove other keys.

    With `own`, it waits for a login with the account of the operator who deploys.
    """

    event: Literal["login_requested"]
    role: str
    own: NotRequired[bool]


class RoleNotRemovable(Event):
    """A role is no longer assigned to the node, and has no tasks that remove it."""

    event: Literal["role_not_removable"]
    role: str


class ManualChangeKept(Event):
    """Manual changes that a role does not manage, and that its new receipt records."""

    event: Literal["manual_change_kept"]
    role: str
    changes: list[Reason]


class RoleReceiptIncomplete(Event):
    """The receipt of a role that ended well is incomplete: the role runs again next time."""

    event: Literal["receipt_incomplete"]
    role: str
    reason: Reason


class MitogenFallback(Event):
    """Mitogen does not support the node's Ansible; the run went on without it."""

    event: Literal["mitogen_fallback"]
    log: list[str]


class AptLocked(Event):
    """Another program holds apt's lock; `holder` is its name and process id."""

    event: Literal["apt_locked"]
    holder: str


class DpkgInterrupted(Event):
    """An earlier installation was interrupted; a deploy would complete it."""

    event: Literal["dpkg_interrupted"]
    packages: list[str]


class DpkgRepairFinished(Event):
    """An interrupted installation was completed, unless `ok` is false."""

    event: Literal["dpkg_repaired"]
    packages: list[str]
    ok: bool


class DownloadEstimate(Event):
    """The bytes that a deploy would download; `packages` is the part that apt fetches.

    The sizes of `unknown_urls` and `unknown_packages` are not known. With `partial`, more may come.
    """

    event: Literal["download_estimate"]
    bytes: int
    packages: int
    unknown_urls: list[str]
    unknown_packages: list[str]
    partial: bool


class DownloadProgress(Event):
    """How much of an archive is on the node; `total` is 0 while it is unknown.

    After an `error` the download continues in `pause` seconds.
    """

    event: Literal["download_progress"]
    title: str
    bytes: int
    total: int
    pause: NotRequired[int]
    error: NotRequired[str]


class DownloadAheadFinished(Event):
    """The downloads for the next deploy are on the node; `bytes` of them arrived in this run.

    The deploy itself downloads what is in `remaining`: images of containers, and packages whose
    repository it adds. With `partial`, the dry run that finds the packages stopped early.
    """

    event: Literal["download_finished"]
    bytes: int
    remaining: list[str]
    partial: bool


class InstalledPackage(TypedDict):
    """A package that is installed, with the roles that installed it."""

    name: str
    version: str
    architecture: str
    roles: list[str]


class InstalledPackages(Event):
    """The packages that the node's roles installed, at the end of a deploy."""

    event: Literal["installed_packages"]
    packages: list[InstalledPackage]


class FollowupRoles(Event):
    """Roles that a second pass would run, because the first one changes what they manage."""

    event: Literal["followup_roles"]
    roles: dict[str, list[Reason]]


class DryRunIncomplete(Event):
    """Ansible's check mode stopped, because a task needs the result of an earlier one."""

    event: Literal["dry_run_incomplete"]
    log: list[str]


class TaskFailed(Event):
    """A task failed for good, with warnings of the journal from around that time.

    In a run that ends well, a role reports with it what it did not achieve.
    """

    event: Literal["failure"]
    role: str
    task: str
    message: str
    journal: list[str]


class PlaybookFailed(Event):
    """Ansible exited with `code`; a failed task has its own event before this one."""

    event: Literal["playbook_failed"]
    code: int
    log: list[str]


class ChecksErrored(Event):
    """The checks on the node could not run; `code` is pytest's exit code."""

    event: Literal["checks_errored"]
    code: int
    log: list[str]


class CheckFinished(Event):
    """A check of a service ended; `units` are those whose journal explains a failure."""

    event: Literal["check"]
    side: Literal["inside", "outside"]
    node: str
    service: str
    check: str
    title: str
    outcome: Literal["passed", "failed", "skipped"]
    seconds: float
    message: str
    advice: str
    units: NotRequired[list[str]]
    journal: NotRequired[list[str]]


class NodeBusy(Event):
    """Another run holds the node's lock, so this one did not begin."""

    event: Literal["busy"]
    holder: LockHolder


class RunDetached(Event):
    """The run began, and goes on without a listener."""

    event: Literal["run_detached"]
    run: str


class RunRefused(Event):
    """The node did not start or find a run."""

    event: Literal["refused"]
    reason: Reason


class RunLost(Event):
    """The run stopped without reporting a result; `full_folder` lies on a disk that is full."""

    event: Literal["run_lost"]
    run: str
    full_folder: str


class RunTerminated(Event):
    """The run was stopped by SIGTERM."""

    event: Literal["run_terminated"]


class RunCrashed(Event):
    """The run stopped at an exception of the runner's own code."""

    event: Literal["run_crashed"]
    message: str


class RunFinished(Event):
    """The last event of a run; failed checks do not make `ok` false.

    `audit` are the last lines of the node's audit log.
    """

    event: Literal["run_finished"]
    ok: bool
    failed_checks: NotRequired[int]
    seconds: NotRequired[float]
    audit: NotRequired[list[str]]


class Heartbeat(Event):
    """The run goes on and has reported nothing for a while."""

    event: Literal["heartbeat"]


class MalformedLine(Event):
    """A line of the journal that is damaged, as by a failing disk."""

    event: Literal["malformed"]


# `X | Y` of TypedDicts cannot be evaluated by Python 3.10.
RunEvent = Union[  # noqa: UP007
    RunStarted, RolesSelected, RoleUpToDate, RoleStarted, TaskFinished, RoleFinished,
    PlannedFileDiff, RoleMessage, SSHLoginTestRequested, RoleNotRemovable, ManualChangeKept,
    RoleReceiptIncomplete, MitogenFallback, AptLocked, DpkgInterrupted, DpkgRepairFinished,
    DownloadEstimate, DownloadProgress, DownloadAheadFinished, InstalledPackages, FollowupRoles,
    DryRunIncomplete,
    TaskFailed, PlaybookFailed,
    ChecksErrored, CheckFinished, NodeBusy, RunDetached, RunRefused, RunLost, RunTerminated,
    RunCrashed, RunFinished, Heartbeat, MalformedLine,
]  # fmt: skip


# ── Answers to short questions ───────────────────────────────────────────────────────────────


class UpToDateRole(TypedDict):
    """A role whose receipt matches, with the run that wrote it and that run's notices."""

    role: str
    run: str
    notices: list[Reason]


class SurveyAnswer(TypedDict):
    """The answer to `survey`; while a run holds the lock, only facts are reported."""

    event: Literal["survey"]
    facts: list[str]
    busy: LockHolder | None
    reasons: NotRequired[dict[str, list[Reason]]]
    obsolete_roles: NotRequired[list[str]]
    up_to_date: NotRequired[list[UpToDateRole]]


class ResourceDrift(Reason):
    """A resource that differs from what its role left, with a diff where everyone may read it."""

    diff: NotRequired[list[str]]


class DriftAnswer(TypedDict):
    """The answer to `drift`.

    `deployed` is when the newest receipt was written, in seconds since the epoch. `known` is the
    number of roles on the node.
    """

    event: Literal["drift"]
    roles: dict[str, list[ResourceDrift]]
    deployed: float
    known: int
    busy: LockHolder | None


class StateFilesAnswer(TypedDict):
    """The answer to `state_files`: by service, the file in base64, or why it cannot be read.

    A service without a file is in neither.
    """

    event: Literal["state_files"]
    files: dict[str, str]
    errors: dict[str, str]


class StatusAnswer(TypedDict):
    """The answer to `status`: the newest deploy, how it ended, and the runs that are kept.

    `other_keys` are keys that can log in although no operator has them, as text.
    """

    event: Literal["status"]
    busy: LockHolder | None
    run: str | None
    runs: list[str]
    about: NotRequired[LockHolder]
    finished: NotRequired[RunFinished | None]
    other_keys: NotRequired[list[str]]


class ArtifactDigestAnswer(TypedDict):
    """The answer to `artifact_digest`: digest and size of a file, or why it did not arrive."""

    event: Literal["artifact_digest"]
    sha256: str
    size: int
    error: str


class LogLine(TypedDict):
    """A line that a service on the node logged; `source` is "journal" or a file."""

    event: Literal["log_line"]
    source: str
    text: str


class RunActivityAnswer(TypedDict):
    """The answer to `activity`: whose run holds the lock, and at which role it is."""

    event: Literal["activity"]
    busy: LockHolder | None

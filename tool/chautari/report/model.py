"""The result of one deploy or verify, as every report reads it.

Only these dataclasses pass from `deploy` to `report`: the terminal table, the JSON object, JUnit
and the HTML page are four views of one `RegionReport`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from chautari.language import Texts, _
from chautari.report import messages
from chautari.report.message_templates import Data
from chautari.report.role_messages import translate_check_message, translate_role_message
from chautari.report.text_format import to_one_line, translations_text

Outcome = Literal["passed", "failed", "skipped"]
PairState = Literal["green", "pending", "broken"]
# Words that reports show, translated where they do.
WORDS: Texts = {
    "passed": "passed", "failed": "failed", "skipped": "skipped",
    "green": "green", "pending": "pending", "broken": "broken",
    "inside": "inside", "outside": "outside",
}  # fmt: skip
PAIR_STATES: tuple[PairState, ...] = ("green", "pending", "broken")  # the worst one is last
NodeState = Literal[
    "converged", "failed", "refused", "unreachable", "busy", "detached", "disconnected", "verified",
    "planned", "downloaded", "prepared",
]  # fmt: skip
# The state of a node where everything succeeded, by the mode; the default is `converged`.
ENDINGS: dict[str, NodeState] = {
    "verify": "verified", "plan": "planned", "download": "downloaded", "prepare": "prepared",
}  # fmt: skip


@dataclass(frozen=True)
class Reason:
    """Why a role ran or would run."""

    code: str
    data: Data = field(default_factory=dict)

    @property
    def text(self) -> str:
        """Return the reason in words."""
        return messages.role_reason_text(self.code, self.data)


@dataclass(frozen=True)
class Notice:
    """Something worth knowing about a node on which all may be well."""

    code: str
    data: Data = field(default_factory=dict)

    @property
    def text(self) -> str:
        """Return the notice in words."""
        return messages.notice_text(self.code, self.data)


@dataclass(frozen=True)
class Refusal:
    """Why a node was not changed, or not changed further, and what to do about it."""

    code: str
    data: Data = field(default_factory=dict)

    @property
    def reason(self) -> str:
        """Return what happened."""
        return messages.refusal_texts(self.code, self.data)[0]

    @property
    def fix(self) -> str:
        """Return what to do, as an imperative."""
        return messages.refusal_texts(self.code, self.data)[1]


@dataclass
class RoleReport:
    """What one role did on one node: task counts and wall-clock seconds.

    Attributes:
        up_to_date: the role did not run, because its receipt holds.
        why: the reasons of a role that ran or would run.
        differences: what a plan found that the role would change.
    """

    name: str
    ok: int = 0
    changed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0.0
    up_to_date: bool = False
    why: list[Reason] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)


@dataclass
class TaskFailure:
    """The task that stopped a node's run, with the node's own journal lines around it."""

    role: str
    task: str
    message: str
    journal: list[str] = field(default_factory=list)

    @property
    def task_text(self) -> str:
        """Return the name of the task in the language of the command."""
        return _(self.task)

    @property
    def message_text(self) -> str:
        """Return why the task failed; what its role says is in the language of the command."""
        return translate_role_message(self.message)


@dataclass(frozen=True)
class InstalledPackage:
    """A package of the distribution or of an upstream repository, with the roles that need it."""

    name: str
    version: str
    architecture: str
    roles: tuple[str, ...] = ()


@dataclass(frozen=True)
class InstalledArtifact:
    """A pinned archive or container image that a service on a node was installed from."""

    node: str
    service: str
    name: str
    version: str
    url: str
    sha256: str
    image: bool = False
    double: bool = False


@dataclass
class NodeReport:
    """One node's part of a run; `seconds` is wall-clock time from connecting to the last event.

    `download_at_least` says that the download is larger than `download_bytes` by an unknown amount.
    `packages` are only in the bill of materials.
    `audit` are the last lines of the node's audit log.
    """

    name: str
    address: str
    state: NodeState
    os: str = ""
    run: str = ""
    changed: int = 0
    failed: int = 0
    seconds: float = 0.0
    roles: list[RoleReport] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    failure: TaskFailure | None = None
    notices: list[Notice] = field(default_factory=list)
    download_bytes: int | None = None
    download_at_least: bool = False
    packages: list[InstalledPackage] = field(default_factory=list)
    audit: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether the node reached the requested state."""
        return self.state in ("converged", "detached", *ENDINGS.values()) and not self.failed

    @property
    def was_up_to_date(self) -> bool:
        """Whether the deploy found nothing to do on the node."""
        return self.state == "converged" and not self.run and all(x.up_to_date for x in self.roles)


@dataclass
class CheckResult:
    """One check on one node; `service` is the role it belongs to, `message` says why it failed."""

    node: str
    service: str
    check: str
    outcome: Outcome
    title: str = ""
    seconds: float = 0.0
    message: str = ""
    advice: str = ""
    journal: list[str] = field(default_factory=list)
    side: Literal["inside", "outside"] = "inside"

    @property
    def title_text(self) -> str:
        """Return what the check examines, in the language of the command."""
        return _(self.title) or self.check

    @property
    def message_text(self) -> str:
        """Return why the check failed or was skipped, in the language of the command."""
        return translate_check_message(self.message)

    @property
    def advice_text(self) -> str:
        """Return what to do when the check fails."""
        return _(self.advice)


@dataclass
class ServiceAccess:
    """How a person opens a service: its address and the login to start with.

    `languages` are those of the region, each with the name of the app's translation, or nothing.
    """

    service: str
    url: str
    node: str
    version: str = ""
    login: str = ""
    note: str = ""
    languages: dict[str, str] = field(default_factory=dict)

    @property
    def note_text(self) -> str:
        """Return the note; what follows a colon is a command or a name."""
        label, colon, rest = to_one_line(self.note).partition(": ")
        return f"{_(label)}{colon}{rest}" if label else ""

    @property
    def languages_text(self) -> str:
        """Return which of the region's languages the app is translated into, in words."""
        return translations_text(self.languages)


@dataclass
class Double:
    """A replacement for an upstream package, which the sandbox served."""

    name: str
    version: str
    reason: str


@dataclass(frozen=True)
class PeerLink:
    """What one service reports of a peer, or the peer's descriptor when `service` is empty.

    `node` is empty where a service of one region works with the other region's as a whole.

    `cause` and `next_step` are texts from `code` and `data`; `since` is in seconds since 1970.
    """

    state: PairState
    code: str
    cause: str
    next_step: str = ""
    service: str = ""
    title: str = ""
    node: str = ""
    since: int | None = None
    data: Data = field(default_factory=dict)

    @property
    def label(self) -> str:
        """Return what stands so: a service, the node it is on, or the descriptor."""
        if not self.service:
            return _("Descriptor")
        if not self.node:
            return _(self.title)
        return _("{service} on {node}", service=_(self.title), node=self.node)

    @property
    def since_text(self) -> str:
        """Return since when it is not green, in words."""
        return (
            messages.peer_problem_since_text(self.since)
            if self.since and self.state != "green"
            else ""
        )


@dataclass(frozen=True)
class PeerStatus:
    """The status of one peer, by its descriptor and by each service."""

    name: str
    domain: str
    links: tuple[PeerLink, ...]

    @property
    def worst_link(self) -> PeerLink:
        """Return the link that decides the state of the pair."""
        return max(self.links, key=lambda link: PAIR_STATES.index(link.state))

    @property
    def state(self) -> PairState:
        """Return the state of the pair: the worst one counts."""
        return self.worst_link.state


@dataclass(frozen=True)
class BackupStatus:
    """How the backups of a node in one target stand; without a `target`, its tests of a restore.

    `cause` and `next_step` are texts from `code` and `data`; `time` is that of the last success, in
    seconds since 1970.
    """

    node: str
    target: str
    state: PairState
    code: str
    cause: str
    next_step: str = ""
    time: int | None = None
    age_seconds: int | None = None
    data: Data = field(default_factory=dict)

    @property
    def label(self) -> str:
        """Return what stands so."""
        if not self.target:
            return _("{node}, restore", node=self.node)
        return _("{node} to {target}", node=self.node, target=self.target)


@dataclass
class RegionReport:
    """The result of one command on a region's nodes; `left_out` are those it did not include.

    `peers` and `backups` never decide whether a deploy succeeded: `deploy status` reports them too.
    """

    region: str
    domain: str
    started: str
    command: str
    seconds: float = 0.0
    nodes: list[NodeReport] = field(default_factory=list)
    checks: list[CheckResult] = field(default_factory=list)
    services: list[ServiceAccess] = field(default_factory=list)
    doubles: list[Double] = field(default_factory=list)
    hints: list[Notice] = field(default_factory=list)
    left_out: tuple[str, ...] = ()
    peers: list[PeerStatus] = field(default_factory=list)
    backups: list[BackupStatus] = field(default_factory=list)
    artifacts: list[InstalledArtifact] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether every node is well and no check failed."""
        return all(node.ok for node in self.nodes) and not self.count_checks("failed")

    @property
    def had_nothing_to_do(self) -> bool:
        """Whether every node was up to date, and no check ran."""
        return not self.checks and all(node.was_up_to_date for node in self.nodes)

    def count_checks(self, outcome: Outcome) -> int:
        """Return how many checks ended with `outcome`."""
        return sum(check.outcome == outcome for check in self.checks)

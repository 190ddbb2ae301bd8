"""The actual state of a sandbox: the values that the rest of the tool works with."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from chautari.files import write_atomically
from chautari_sandbox import paths


@dataclass(frozen=True)
class MailRelay:
    """How nodes send mail."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class MirroredArtifact:
    """One file on the mirror; `reason` says why it is not upstream's own.

    An `older` one is a release that an upgrade passes through.
    """

    name: str
    version: str
    file: str
    url: str
    sha256: str
    double: bool = False
    reason: str = ""
    older: bool = False


@dataclass(frozen=True)
class UnavailableArtifact:
    """A file that is unavailable, and why."""

    name: str
    version: str
    reason: str


@dataclass(frozen=True)
class RepositoryDouble:
    """A package repository of doubles on the mirror, which replaces upstream's."""

    name: str
    version: str
    uri: str
    key_url: str
    fingerprint: str
    reason: str


@dataclass(frozen=True)
class SandboxState:
    """Everything about a sandbox that was started.

    Attributes:
        requested_packages: names and releases of the package repositories that were looked for.
        nodes: names and addresses of the nodes.
        neighbours: names of the sandboxes on this machine that this one lists as neighbours.
    """

    name: str
    zone: str
    network: str
    internet_address: str
    resolver: str
    acme_directory: str
    ca_file: Path
    ssh_key: Path
    operator_public_key: str
    mirror_url: str
    mail_relay: MailRelay
    mail_api: str
    artifacts: tuple[MirroredArtifact, ...] = ()
    missing: tuple[UnavailableArtifact, ...] = ()
    repositories: tuple[RepositoryDouble, ...] = ()
    requested_packages: tuple[tuple[str, str], ...] = ()
    nodes: tuple[tuple[str, str], ...] = ()
    neighbours: tuple[str, ...] = ()


def state_to_json(state: SandboxState) -> str:
    """Return a state as JSON."""
    return json.dumps(asdict(state), indent=2, default=str) + "\n"


def state_from_json(text: str) -> SandboxState:
    """Return the state that `to_json` wrote."""
    raw: dict[str, Any] = json.loads(text)
    raw["ca_file"] = Path(raw["ca_file"])
    raw["ssh_key"] = Path(raw["ssh_key"])
    raw["mail_relay"] = MailRelay(**raw["mail_relay"])
    raw["artifacts"] = tuple(MirroredArtifact(**item) for item in raw["artifacts"])
    raw["missing"] = tuple(UnavailableArtifact(**item) for item in raw["missing"])
    raw["repositories"] = tuple(RepositoryDouble(**item) for item in raw.get("repositories", ()))
    for name in ("requested_packages", "nodes"):
        raw[name] = tuple((first, second) for first, second in raw[name])
    raw["neighbours"] = tuple(raw.get("neighbours", ()))
    return SandboxState(**raw)


def _state_file_of_sandbox(name: str) -> Path:
    return paths.state_dir(name) / "state.json"


def _marker_file_of_unfinished_start(name: str) -> Path:
    return paths.state_dir(name) / "unfinished"


def mark_unfinished(name: str) -> None:
    """Record that a sandbox starts; until `save_completed_state`, containers may be missing."""
    write_atomically(_marker_file_of_unfinished_start(name), "")


def is_start_finished(name: str) -> bool:
    """Return whether the last start was completed."""
    return not _marker_file_of_unfinished_start(name).exists()


def is_sandbox_known(name: str) -> bool:
    """Return whether this account started a sandbox of this name, completely or not."""
    return _state_file_of_sandbox(name).exists() or _marker_file_of_unfinished_start(name).exists()


def save_completed_state(state: SandboxState) -> SandboxState:
    """Save the state of a sandbox whose start was completed."""
    write_atomically(_state_file_of_sandbox(state.name), state_to_json(state), 0o600)
    _marker_file_of_unfinished_start(state.name).unlink(missing_ok=True)
    return state


def load_last_saved_state(name: str) -> SandboxState | None:
    """Return the saved state; None when there is none or an older release wrote it."""
    try:
        return state_from_json(_state_file_of_sandbox(name).read_text())
    except (FileNotFoundError, NotADirectoryError, ValueError, TypeError, KeyError):
        return None

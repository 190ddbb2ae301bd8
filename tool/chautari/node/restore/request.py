"""What a restore is asked to do, as the control side sends it and the journal stores it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chautari.node.backup.manifest import StateSpec, parse_states, state_as_object

RESTORE_ID = re.compile(r"[0-9]{8}t[0-9]{6}")  # also part of names of databases
SETTINGS = Path("/etc/chautari/backup")


@dataclass(frozen=True)
class Target:
    """Where a repository is; see the settings of the role `backup`."""

    name: str
    kind: str
    repository: str
    mount: str = ""


@dataclass(frozen=True)
class RestoreCommands:
    """Commands of a service that a restore runs, besides `pause` and `resume`.

    They come from the toolkit on the control side, never from an archive.

    Attributes:
        adapt: changes the restored copy before the switch; gets an argument `LIVE=STAGED` for each
            folder and file.
        after_restore: runs after the switch with the argument `restored`, or `undone` if the old
            data is back, and once more with `resumed` when the service runs again.
        units: systemd units that are stopped during the switch.
    """

    adapt: tuple[str, ...] = ()
    after_restore: tuple[str, ...] = ()
    units: tuple[str, ...] = ()


@dataclass(frozen=True)
class Request:
    """One restore or drill.

    Attributes:
        id: time of its start; part of the names of what it creates.
        node: the node whose backup is read.
        at: use the newest archive that is not later, in seconds since 1970; 0 for the newest.
        states: the services to restore, as this node runs them.
        commands: further commands by service.
        compare_hashes: whether every file is read from the disk again, as drills do.
        about: who started it and from where.
    """

    id: str
    region: str
    node: str
    target: Target
    states: tuple[StateSpec, ...]
    at: int = 0
    commands: Mapping[str, RestoreCommands] = field(default_factory=dict)
    compare_hashes: bool = False
    about: Mapping[str, str] = field(default_factory=dict)

    def commands_of(self, state: StateSpec) -> RestoreCommands:
        """Return the further commands of a service."""
        return self.commands.get(state.name, RestoreCommands())


@dataclass(frozen=True)
class RepositoryAccess:
    """The files that open a repository."""

    passphrase: Path
    login_key: Path
    known_hosts: Path

    @property
    def has_passphrase(self) -> bool:
        """Return whether the passphrase is there; after a restart, memory is empty."""
        return self.passphrase.is_file()


def access_in(folder: Path) -> RepositoryAccess:
    """Return the access files in `folder`; the role `backup` uses the same names."""
    return RepositoryAccess(folder / "passphrase", folder / "login_key", folder / "known_hosts")


def parse_request(content: Mapping[str, Any]) -> Request:
    """Return a request from plain JSON data.

    Raises:
        ValueError: when a value cannot be used.
    """
    if not RESTORE_ID.fullmatch(content["id"]):
        raise ValueError(f"the id {content['id']!r} is not valid")
    target = content["target"]
    return Request(
        id=content["id"],
        region=content["region"],
        node=content["node"],
        target=Target(
            target["name"], target["kind"], target["repository"], target.get("mount", "")
        ),
        states=parse_states(content["states"]),
        at=int(content.get("at", 0)),
        commands={
            name: RestoreCommands(**{key: tuple(words) for key, words in commands.items()})
            for name, commands in content.get("commands", {}).items()
        },
        compare_hashes=bool(content.get("compare_hashes", False)),
        about=dict(content.get("about", {})),
    )


def request_as_object(request: Request) -> dict[str, Any]:
    """Return a request as plain JSON data."""
    return {
        "id": request.id,
        "region": request.region,
        "node": request.node,
        "target": vars(request.target),
        "states": [state_as_object(state) for state in request.states],
        "at": request.at,
        "commands": {
            name: {key: list(words) for key, words in vars(commands).items()}
            for name, commands in request.commands.items()
        },
        "compare_hashes": request.compare_hashes,
        "about": dict(request.about),
    }

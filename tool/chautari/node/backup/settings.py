"""Read the settings that the role `backup` wrote to this node."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from chautari.node.backup.errors import BackupError
from chautari.node.backup.manifest import InvalidManifest, StateSpec, parse_states

FORMAT = 1
SETTINGS = Path("/etc/chautari/backup")
KINDS = ("peer", "ssh", "disk")
_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
_REMOTE = re.compile(r"ssh://[A-Za-z0-9_.-]+@[][A-Za-z0-9_.:-]+:[0-9]{1,5}/[A-Za-z0-9_./~-]+")


@dataclass(frozen=True)
class Keep:
    """How many archives to keep of each period."""

    daily: int
    weekly: int
    monthly: int


@dataclass(frozen=True)
class Target:
    """A place that stores archives.

    Attributes:
        kind: `peer` and `ssh` are reached by SSH; `disk` is mounted on this node.
        repository: address of the repository, as borg takes it.
        append_only: whether the place keeps what this node deletes.
        mount: mount point of a disk.
    """

    name: str
    kind: str
    repository: str
    append_only: bool = False
    mount: str = ""

    @property
    def is_remote(self) -> bool:
        """Whether the repository is on another machine."""
        return self.kind != "disk"


@dataclass(frozen=True)
class Settings:
    """Everything that the backup of this node needs to know."""

    region: str
    node: str
    states: tuple[StateSpec, ...]
    targets: tuple[Target, ...]
    keep: Keep
    limit_kib: int = 0
    drill_days: int = 14
    versions: Mapping[str, str] = field(default_factory=dict)
    folder: Path = SETTINGS

    def target(self, name: str) -> Target:
        """Return the target called `name`."""
        for target in self.targets:
            if target.name == name:
                return target
        raise BackupError("target_unknown", target=name)

    def with_targets(self, targets: tuple[Target, ...]) -> Settings:
        """Return the same settings with other targets."""
        return replace(self, targets=targets)

    @property
    def databases(self) -> list[tuple[str, str]]:
        """Return all databases of the node as pairs of engine and name, each once."""
        pairs = [pair for state in self.states for pair in state.database_names]
        return list(dict.fromkeys(pairs))


def read_settings(folder: Path = SETTINGS) -> Settings:
    """Return the settings in `folder`.

    Raises:
        BackupError: when they are missing, damaged, or of another version.
    """
    try:
        content = json.loads((folder / "settings.json").read_text())
        return parse_settings(content, folder)
    except OSError as error:
        raise BackupError("settings_missing", reason=error.strerror or "") from None
    except (ValueError, KeyError, TypeError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise BackupError("settings_invalid", reason=reason) from None


def parse_settings(content: Mapping[str, Any], folder: Path = SETTINGS) -> Settings:
    """Return the settings that `content` describes; raise ValueError if it has anything else."""
    if content["format"] != FORMAT:
        raise InvalidManifest(f"format {content['format']!r}")
    keep = content["keep"]
    targets = tuple(_parse_target(item) for item in content["targets"])
    if len({target.name for target in targets}) != len(targets):
        raise ValueError("two targets have the same name")
    return Settings(
        region=_require_name(content["region"]),
        node=_require_name(content["node"]),
        states=parse_states(content["states"]),
        targets=targets,
        keep=Keep(*(_require_count(keep[period]) for period in ("daily", "weekly", "monthly"))),
        limit_kib=_require_count(content.get("limit_kib", 0)),
        drill_days=_require_count(content.get("drill_days", 14)),
        versions={
            _require_name(key): str(value) for key, value in content.get("versions", {}).items()
        },
        folder=folder,
    )


def _parse_target(item: Mapping[str, Any]) -> Target:
    kind, repository = item["kind"], item["repository"]
    mount = item.get("mount", "")
    if kind not in KINDS:
        raise ValueError(f"unknown kind of target {kind!r}")
    if kind == "disk":
        inside = Path(mount) in Path(repository).parents
        if not mount.startswith("/") or not inside or ".." in Path(repository).parts:
            raise ValueError(f"repository {repository!r} is not below {mount!r}")
    elif not _REMOTE.fullmatch(repository):
        raise ValueError(f"{repository!r} is not an address such as ssh://user@host:22/./node")
    append_only = item.get("append_only", False)
    if not isinstance(append_only, bool):
        raise ValueError("append_only is not true or false")
    return Target(_require_name(item["name"]), kind, repository, append_only, mount)


def _require_name(value: object) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise ValueError(f"{value!r} is not a name")
    return value


def _require_count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{value!r} is not a number of 0 or more")
    return value

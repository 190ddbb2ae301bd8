"""Read which peers have space on this node."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SETTINGS = Path("/etc/chautari/backup_space/settings.json")
FORMAT = 1
_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")


@dataclass(frozen=True)
class SpaceForPeerNode:
    """The repository of one node of a peer."""

    peer: str
    account: str
    node: str
    folder: Path

    @property
    def name(self) -> str:
        """How people call it."""
        return f"{self.peer}/{self.node}"

    @property
    def repository(self) -> Path:
        """Folder of the repository."""
        return self.folder / self.account / self.node

    @property
    def copy(self) -> Path:
        """Folder of its copy, which the peer's account cannot reach."""
        return self.folder / ".copies" / self.account / self.node

    @property
    def exists(self) -> bool:
        """Whether the peer has made a repository."""
        return (self.repository / "config").is_file()


def read_spaces(path: Path = SETTINGS) -> list[SpaceForPeerNode]:
    """Return the repositories of all peers."""
    return list(parse_spaces(json.loads(path.read_text())))


def parse_spaces(content: Mapping[str, Any]) -> Iterator[SpaceForPeerNode]:
    """Yield the repositories that the settings name; raise ValueError for anything else."""
    if content["format"] != FORMAT:
        raise ValueError(f"unknown format {content['format']!r}")
    folder = Path(content["folder"])
    if not folder.is_absolute():
        raise ValueError(f"{folder} is not absolute")
    for peer in content["peers"]:
        for node in peer["nodes"]:
            names = (peer["name"], peer["account"], node)
            if not all(_NAME.fullmatch(name) for name in names):
                raise ValueError(f"invalid name in {names!r}")
            yield SpaceForPeerNode(*names, folder)

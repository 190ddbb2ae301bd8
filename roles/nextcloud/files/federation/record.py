"""What this program remembers between its runs, and the state that it publishes."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from peer_probe import Finding

FORMAT = 1
MAX_TEXT = 120
_STATES = {
    "trusted": "green",
    "waiting_for_peer": "pending",
    "handshake_running": "pending",
    "not_ready": "pending",
}


@dataclass
class PeerRecord:
    """How a peer stands, and when the next steps are due.

    Attributes:
        begun: when the present exchange of the secret began; 0 before the first.
        refused: requests in a row that the peer refused or did not answer.
        accepted: requests that it accepted, but that led to nothing so far.
        request: when the next request is due.
        sync: when the address books may be fetched again.
    """

    code: str = ""
    data: dict[str, Any] = field(default_factory=dict)
    since: int = 0
    checked: int = 0
    begun: float = 0
    refused: int = 0
    accepted: int = 0
    request: float = 0
    sync: float = 0


class Record:
    """The servers that this program added, and what it knows of each peer."""

    def __init__(self, folder: Path) -> None:
        """Read the record in `folder`; a missing one is empty."""
        self._file = folder / "record.json"
        self._state_file = folder / "federation.json"
        self.added: set[str] = set()
        self.peers: dict[str, PeerRecord] = {}
        self._load_file()

    def _load_file(self) -> None:
        if not self._file.is_file():
            return
        try:
            data = json.loads(self._file.read_text())
            names = {item.name for item in fields(PeerRecord)}
            self.peers = {
                name: PeerRecord(**{key: value for key, value in item.items() if key in names})
                for name, item in data["peers"].items()
            }
            self.added = set(data["added"])
        except (ValueError, KeyError, TypeError, AttributeError):
            print(f"{self._file} is damaged; a new one is written", file=sys.stderr, flush=True)

    def of(self, name: str) -> PeerRecord:
        """Return what is known of a peer."""
        return self.peers.setdefault(name, PeerRecord())

    def retain(self, names: Collection[str]) -> None:
        """Forget all other peers."""
        self.peers = {name: peer for name, peer in self.peers.items() if name in names}

    def set_added(self, url: str, *, added: bool) -> None:
        """Note at once whether a server in Nextcloud's list is this program's."""
        self.added = (self.added | {url}) if added else (self.added - {url})
        self.save()

    def store(self, name: str, finding: Finding, now: float) -> None:
        """Note how a peer stands; the time of the last change of its code stays."""
        peer = self.of(name)
        if peer.code != finding.code:
            peer.code, peer.since = finding.code, int(now)
        peer.data = {
            key: value[:MAX_TEXT] if isinstance(value, str) else value
            for key, value in finding.data.items()
        }
        peer.checked = int(now)

    def save(self) -> None:
        """Write the record."""
        peers = {name: asdict(peer) for name, peer in self.peers.items()}
        _write_json_atomically(self._file, {"added": sorted(self.added), "peers": peers}, 0o600)

    def publish(self, now: float) -> None:
        """Write the state for other programs."""
        peers = {
            name: {
                "state": _STATES.get(peer.code, "broken"),
                "code": peer.code,
                "since": peer.since,
                "data": peer.data,
            }
            for name, peer in self.peers.items()
            if peer.code
        }
        _write_json_atomically(
            self._state_file, {"format": FORMAT, "checked": int(now), "peers": peers}, 0o644
        )

    def delete(self) -> None:
        """Delete the record: nothing is left of what it is about."""
        self._file.unlink(missing_ok=True)


def _write_json_atomically(path: Path, data: Mapping[str, Any], mode: int) -> None:
    """Write a file that readers see either whole or not at all."""
    temporary = path.with_name(f".{path.name}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w") as file:
        os.fchmod(descriptor, mode)
        json.dump(data, file)
        file.write("\n")
        file.flush()
        os.fsync(descriptor)
    temporary.replace(path)

"""Two Nextclouds that exchange a secret as upstream's do, for tests of the program for peers.

The rules are those of apps/federation in releases 33.0.3 and 34.0.1: `requestSharedSecret`,
`getSharedSecret`, `RequestSharedSecret`, `GetSharedSecret` and `SyncFederationAddressBooks`.
"""

from __future__ import annotations

import random
import string
import sys
from dataclasses import dataclass, field
from typing import Any

from region_samples import ROOT

sys.path.insert(0, str(ROOT / "roles" / "nextcloud" / "files" / "federation"))
from own_nextcloud import ANSWER, FAILURE, OK, PENDING, REQUEST, REVOKED, Job, TrustedServer

FEDERATION = ROOT / "roles" / "nextcloud" / "files" / "federation"
ALPHABET = string.ascii_letters + string.digits + "+/"


@dataclass
class Entry:
    """A server in the list: its token, its secret, its status."""

    id: int
    token: str
    secret: str = ""
    status: int = PENDING


@dataclass
class Server:
    """One Nextcloud; `peers` are those that it reaches by their address."""

    url: str
    release: int = 34
    peers: dict[str, Server] = field(default_factory=dict)
    entries: dict[str, Entry] = field(default_factory=dict)
    queue: list[tuple[int, str, str, str]] = field(default_factory=list)
    attempts: dict[str, int] = field(default_factory=dict)
    is_up: bool = True
    refused: int = 0
    calls: list[str] = field(default_factory=list)
    number: int = 0

    # What another server asks.
    def request_secret(self, url: str, token: str) -> int:
        if url not in self.entries:
            self.refused += 1
            return 403
        if self.entries[url].token > token:
            return 200 if self.release >= 34 else 403
        self._enqueue(ANSWER, url, token)
        return 200

    def give_secret(self, url: str, token: str) -> str:
        if url not in self.entries or self.entries[url].token != token:
            self.refused += 1
            return ""
        self.entries[url].secret = "".join(random.choices(ALPHABET, k=32))
        return self.entries[url].secret

    def knows_secret(self, secret: str) -> bool:
        return any(entry.secret == secret for entry in self.entries.values())

    # What the program asks, as OwnNextcloud offers it.
    def is_ready(self) -> bool:
        return True

    def address(self) -> str:
        return self.url

    def signs(self) -> bool:
        return True

    def servers(self) -> list[TrustedServer]:
        return [TrustedServer(item.id, url, item.status) for url, item in self.entries.items()]

    def add(self, url: str) -> bool:
        if url in self.entries:
            return True
        if not self.peers[url].is_up:
            return False
        self.number += 1
        self.entries[url] = Entry(self.number, "".join(random.choices(ALPHABET, k=16)))
        self._enqueue(REQUEST, url, self.entries[url].token)
        self.calls.append(f"add {url}")
        return True

    def remove(self, server: TrustedServer) -> None:
        self.calls.append(f"remove {server.url}")
        del self.entries[server.url]
        self.queue = [job for job in self.queue if job[2] != server.url]

    def jobs(self, url: str, kind: str) -> list[Job]:
        return [
            Job(str(number), token)
            for number, own_kind, about, token in self.queue
            if about == url and kind == own_kind
        ]

    def execute(self, job: Job) -> None:
        found = next((item for item in self.queue if str(item[0]) == job.id), None)
        if found is None:
            return
        self.queue.remove(found)
        _, kind, url, token = found
        peer = self.peers[url]
        if kind == REQUEST:
            self.calls.append("request")
            self.attempts[token] = self.attempts.get(token, 0) + 1
            answer = peer.request_secret(self.url, token) if peer.is_up else 0
            if answer == 0 or (answer == 403 and self.attempts[token] <= 5):
                self._enqueue(REQUEST, url, token)
        elif not peer.is_up:
            self._enqueue(ANSWER, url, token)
        else:
            self.entries[url].secret = peer.give_secret(self.url, token)

    def delete(self, job: Job) -> None:
        self.queue = [item for item in self.queue if str(item[0]) != job.id]

    def synchronize(self) -> None:
        self.calls.append("synchronize")
        for url, entry in self.entries.items():
            peer = self.peers[url]
            if not entry.secret:
                continue
            right = peer.is_up and peer.knows_secret(entry.secret)
            entry.status = OK if right else REVOKED if peer.is_up else FAILURE

    def forget_discovery(self, url: str) -> None:
        self.calls.append(f"forget {url}")

    def run_background_jobs(self) -> None:
        """Run the queue once, as cron.php does."""
        for number, _, _, token in list(self.queue):
            self.execute(Job(str(number), token))

    def _enqueue(self, kind: str, url: str, token: str) -> None:
        self.number += 1
        self.queue.append((self.number, kind, url, token))


def pair(releases: tuple[int, int]) -> tuple[Server, Server]:
    """Return two servers that reach each other; the first one's address is the smaller one."""
    first = Server("https://cloud.andes.example.org", releases[0])
    second = Server("https://cloud.himalaya.example.org", releases[1])
    first.peers[second.url], second.peers[first.url] = second, first
    return first, second


def settings_for(own: Server, peer: Server, **changes: Any) -> dict[str, Any]:
    """Return what the role writes for the program."""
    item = {
        "name": "peer",
        "url": peer.url,
        "descriptor_url": "https://peer.example.org/region.json",
        "lists_us": True,
    }
    return {"url": own.url, "domain": "own.example.org", "peers": [item | changes]}

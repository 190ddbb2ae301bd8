"""Drives the trust between this node's Nextcloud and its peers' to green, and takes it back."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import peer_probe
from exchange import Exchange
from own_nextcloud import OK, OwnNextcloud, OwnProblem, TrustedServer
from peer_probe import Finding, PeerProblem
from record import Record

PROBE_SECONDS = 45.0  # for all peers together; they are asked at the same time
PAUSES = {"trusted": 300, "handshake_running": 0}
OTHER_PAUSE = 40
FRESH_SECONDS = 180  # in which both sides work on an exchange without a pause
GIVEN_UP = 8  # refused requests, after which the state is no longer pending

Peer = Mapping[str, Any]


class TrustDriver:
    """One run of the program; `step` may be called again and again."""

    def __init__(
        self,
        settings: Mapping[str, Any],
        own: OwnNextcloud,
        record: Record,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Take the settings that the role wrote."""
        networks = settings.get("peer_networks", ())
        self.peers: dict[str, Peer] = {
            peer["name"]: {**peer, "networks": networks} for peer in settings["peers"]
        }
        self.own, self.record, self.clock = own, record, clock
        self.own_domain: str = settings["domain"]

    def step(self) -> None:
        """Remove what is no longer wanted, then look at each peer whose turn it is."""
        self._remove_servers_of_former_peers()
        self.record.retain(self.peers)
        due = {name: peer for name, peer in self.peers.items() if self._is_check_due(name)}
        if not due:
            return
        if not self.own.is_ready():
            findings = dict.fromkeys(due, Finding("not_ready"))
        else:
            findings = self._probe_due_peers(due)
        for name, finding in findings.items():
            self.record.store(name, finding, self.clock())

    def is_working(self) -> bool:
        """Return whether an exchange with a peer may end soon."""
        now = self.clock()
        return any(
            peer.code == "handshake_running" and now - peer.begun < FRESH_SECONDS
            for peer in self.record.peers.values()
        )

    def _is_check_due(self, name: str) -> bool:
        peer = self.record.peers.get(name)
        if peer is None or peer.checked > self.clock():
            return True
        return self.clock() - peer.checked >= PAUSES.get(peer.code, OTHER_PAUSE)

    def _remove_servers_of_former_peers(self) -> None:
        unwanted = self.record.added - {peer["url"] for peer in self.peers.values()}
        if not unwanted:
            return
        servers = {server.url: server for server in self.own.servers()}
        for url in sorted(unwanted):
            if url in servers:
                self.own.remove(servers[url])
            self.record.set_added(url, added=False)

    def _probe_due_peers(self, due: Mapping[str, Peer]) -> dict[str, Finding]:
        looks = _probe_all(due, self.own_domain)
        findings = {
            name: problem or Finding("waiting_for_peer")
            for name, (problem, listed) in looks.items()
            if problem or not self._is_listed_by_peer(due[name], listed)
        }
        ready = [name for name in due if name not in findings]
        if not ready:
            return findings
        try:
            problem = self._problem_with_own_settings(ready)
            servers = [] if problem else self.own.servers()
        except OwnProblem as error:
            problem, servers = _log_own_problem(error), []
        for name in ready:
            findings[name] = problem or self._step_exchange_or_report_error(due[name], servers)
        return findings

    def _is_listed_by_peer(self, peer: Peer, listed: bool | None) -> bool:
        """Return whether the peer lists us: as far as is known, if its descriptor is missing."""
        if listed is None:
            return peer["url"] in self.record.added or bool(peer["lists_us"])
        return listed

    def _problem_with_own_settings(self, names: Sequence[str]) -> Finding | None:
        """Return what in this node's own settings makes peers reject its shares.

        It takes two commands, so it waits while an exchange is running.
        """
        if all(self.record.of(name).code == "handshake_running" for name in names):
            return None
        address = self.own.address()
        if address != self.own.url:
            return Finding("address_differs", {"own": address, "expected": self.own.url})
        return None if self.own.signs() else Finding("signing_disabled")

    def _step_exchange_or_report_error(
        self, peer: Peer, servers: Sequence[TrustedServer]
    ) -> Finding:
        try:
            return self._step_exchange(peer, servers)
        except OwnProblem as error:
            return _log_own_problem(error)

    def _step_exchange(self, peer: Peer, servers: Sequence[TrustedServer]) -> Finding:
        url, known = peer["url"], self.record.of(peer["name"])
        if known.code not in ("", "trusted", "handshake_running"):
            self.own.forget_discovery(url)
        exchange = Exchange(
            self.own, self.record, known, url, self._requests_exchange(peer), self.clock
        )
        server = next((server for server in servers if server.url == url), None)
        if server is None:
            server = exchange.begin(None)
        elif known.code == "waiting_for_peer" and exchange.is_ours:
            server = exchange.resume(server)
        if server is not None and server.status != OK:
            server = exchange.step(server)
        if server is None:
            return Finding("unreachable", {"reason": "own_nextcloud"})
        if server.status == OK:
            known.request, known.refused, known.accepted = 0, 0, 0
            return Finding("trusted")
        if known.refused >= GIVEN_UP or not exchange.is_ours:
            return Finding("handshake_refused", {"attempts": known.refused})
        return Finding("handshake_running")

    def _requests_exchange(self, peer: Peer) -> bool:
        """Return whether this side requests the exchange: of each pair one does."""
        return bool(self.own.url < peer["url"])


def _log_own_problem(error: OwnProblem) -> Finding:
    print(error, file=sys.stderr, flush=True)
    return Finding("own_failure")


Look = tuple[Finding | None, bool | None]


def _probe_all(due: Mapping[str, Peer], domain: str) -> dict[str, Look]:
    """Return of each peer its problem, and whether it lists this region; all at the same time."""
    late: Look = (Finding("unreachable", {"reason": "timeout"}), None)
    found = dict.fromkeys(due, late)

    def probe(name: str) -> None:
        try:
            peer_probe.check_peer(due[name])
        except PeerProblem as problem:
            found[name] = (problem.finding, None)
        else:
            found[name] = (None, peer_probe.lists_us(due[name], domain))

    threads = [threading.Thread(target=probe, args=(name,), daemon=True) for name in due]
    deadline = time.monotonic() + PROBE_SECONDS
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return dict(found)

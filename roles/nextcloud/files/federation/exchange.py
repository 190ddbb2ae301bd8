"""The exchange of the secret between two Nextclouds, step by step.

Nextcloud gives each server in its list a random token. A side sends its token to the other side
(job RequestSharedSecret); the side with the smaller token then fetches the secret from the side
with the greater one (job GetSharedSecret). If this is left to the background jobs, it often fails:

- A request that comes before the other side added us is refused. Nextcloud repeats it six times in
  one run of its background jobs, and then never again.
- The other side counts each refused request as an attack, and delays its answers for twelve hours.
  After five, the delay is longer than the three seconds for which Nextcloud waits.
- A side with the greater token may have no request left to send.

So one side of each pair leads: it takes a great token and sends the requests, with growing pauses.
The other side takes a small one and only answers. A request that stays refused is not left to the
background jobs.
"""

from __future__ import annotations

from collections.abc import Callable

from own_nextcloud import ANSWER, OK, PENDING, REQUEST, OwnNextcloud, TrustedServer
from record import PeerRecord, Record

# First characters of tokens, in the order of bytes: of the side that answers, of the side that
# leads, and of a side that does not lead but got no request for long.
SMALL, GREAT, GREATEST = ("", "a"), ("a", "u"), ("u", "~")
MAX_TOKENS = 40
REFUSED_PAUSE, MAX_REFUSED_PAUSE = 15, 1800  # seconds; the pause doubles
# The peer's background jobs may answer too, every five minutes; so the pause becomes four times as
# long each time.
ACCEPTED_PAUSE, MAX_ACCEPTED_PAUSE = 90, 3600
# Refused requests, after which the job is deleted. A new one is made when it is due.
KEPT_REQUESTS = 2
PATIENCE = 900  # after which the side that does not lead sends a request too
SYNC_PAUSE, SLOW_SYNC_PAUSE = 5, 120


class Exchange:
    """The exchange with one peer."""

    def __init__(
        self,
        own: OwnNextcloud,
        record: Record,
        known: PeerRecord,
        url: str,
        leads: bool,
        clock: Callable[[], float],
    ) -> None:
        """Take the own Nextcloud, the record of the peer, and whether this side leads."""
        self.own, self.record, self.known, self.url = own, record, known, url
        self.leads, self.clock = leads, clock

    @property
    def is_ours(self) -> bool:
        """Whether this program added the server; one that a person added is never removed."""
        return self.url in self.record.added

    def begin(self, server: TrustedServer | None, late: bool = False) -> TrustedServer | None:
        """Add the server, in place of `server` if there is one; None if it is not reached.

        Args:
            late: whether to send a request at once, although this side may not lead.
        """
        now, known = self.clock(), self.known
        known.begun = now - PATIENCE if late else now
        known.request = now if self.leads or late else now + PATIENCE
        known.refused = known.accepted = 0
        known.sync = now + SLOW_SYNC_PAUSE
        return self._add_with_token(server)

    def resume(self, server: TrustedServer) -> TrustedServer | None:
        """Exchange the secret with a peer that left and came back: it has forgotten the old one."""
        answers = self.own.jobs(self.url, ANSWER)
        if not answers:
            return self.begin(server)
        for job in answers:
            self.own.execute(job)
        self.known.begun = self.known.sync = self.clock()
        return self._synchronize_if_due(server)

    def step(self, server: TrustedServer) -> TrustedServer | None:
        """Take the next step to the status OK, and return the server as it is then."""
        if server.status != PENDING:
            server = self._synchronize_if_due(server)
            is_over = server.status not in (OK, PENDING) and self.is_ours and self._is_request_due()
            # The peer refuses the secret, but may not know that a new one is needed.
            return self.begin(server, late=not self.leads) if is_over else server
        answers = self.own.jobs(self.url, ANSWER)
        for job in answers:
            self.own.execute(job)
        if answers:
            self.known.sync = self.clock()
        elif self.is_ours and self._is_request_due():
            return self._send_request_unless_answered(server)
        return self._synchronize_if_due(server)

    def _is_request_due(self) -> bool:
        return self.clock() >= self.known.request

    def _synchronize_if_due(self, server: TrustedServer) -> TrustedServer:
        """Let Nextcloud try the secret, and return the server as it is then."""
        now = self.clock()
        if now < self.known.sync:
            return server
        self.own.synchronize()
        self.known.sync = now + (SYNC_PAUSE if self.known.accepted == 1 else SLOW_SYNC_PAUSE)
        return self._find_server() or server

    def _send_request_unless_answered(self, server: TrustedServer) -> TrustedServer | None:
        """Send a request; a new one makes the secret void that came after the last one."""
        if self.known.accepted:
            self.known.sync = self.clock()
            server = self._synchronize_if_due(server)
        return server if server.status == OK else self._send_request(server)

    def _send_request(self, server: TrustedServer) -> TrustedServer | None:
        requests = self.own.jobs(self.url, REQUEST)
        if not requests:
            renewed = self._add_with_token(server)
            if renewed is None:
                return None
            server, requests = renewed, self.own.jobs(self.url, REQUEST)
        for job in requests:
            self.own.execute(job)
        known, now = self.known, self.clock()
        if left := self.own.jobs(self.url, REQUEST):
            known.request = now + min(REFUSED_PAUSE * 2**known.refused, MAX_REFUSED_PAUSE)
            known.refused = min(known.refused + 1, 50)
            if known.refused > KEPT_REQUESTS:
                for job in left:
                    self.own.delete(job)
        else:
            known.request = now + min(ACCEPTED_PAUSE * 4**known.accepted, MAX_ACCEPTED_PAUSE)
            known.accepted, known.refused = min(known.accepted + 1, 50), 0
            known.sync = now
        return server

    def _add_with_token(self, server: TrustedServer | None) -> TrustedServer | None:
        """Add the server until its token is as this side needs it; keep the job only to send it."""
        is_late = self.clock() >= self.known.begun + PATIENCE
        least, end = GREAT if self.leads else GREATEST if is_late else SMALL
        for _ in range(MAX_TOKENS):
            if server is not None:
                self.own.remove(server)
            if not self._add_server():
                return None
            server = self._find_server()
            jobs = self.own.jobs(self.url, REQUEST)
            if all(least <= job.token < end for job in jobs):
                break
        if not self.leads and not is_late:
            for job in jobs:
                self.own.delete(job)
        return server

    def _add_server(self) -> bool:
        # Written first: if this program is killed in between, it still knows whose server it is.
        self.record.set_added(self.url, added=True)
        done = False
        try:
            done = self.own.add(self.url)
        finally:
            if not done:
                self.record.set_added(self.url, added=False)
        return done

    def _find_server(self) -> TrustedServer | None:
        return next((server for server in self.own.servers() if server.url == self.url), None)

"""Small HTTPS requests with limits: the other side may be slow, broken or hostile."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import urljoin, urlsplit

from public_addresses import is_allowed_peer_address

PORT = 443
CONNECT_SECONDS = 10.0
LIMIT_SECONDS = 20.0  # for one answer, redirects included
MAX_BYTES = 64 * 1024
MAX_REDIRECTS = 2
REDIRECTS = (301, 302, 303, 307, 308)
AGENT = "chautari-nextcloud-federation"


class Answer(NamedTuple):
    """An answer: its status, its body, and the moment that its server's clock shows."""

    status: int
    body: bytes
    date: str = ""

    def json_object(self) -> dict[str, Any]:
        """Return the body as an object.

        Raises:
            RequestFailed: with the reason `broken_answer` when it is none.
        """
        try:
            found = json.loads(self.body)
        except (ValueError, RecursionError):
            raise RequestFailed("broken_answer") from None
        if not isinstance(found, dict):
            raise RequestFailed("broken_answer")
        return found


class RequestFailed(Exception):
    """No usable answer came.

    Attributes:
        reason: dns, private_address, tls, timeout, refused, broken_answer or http_NNN.
    """

    def __init__(self, reason: str) -> None:
        """Take the reason, a word of this program."""
        super().__init__(reason)
        self.reason = reason


class _Connection(http.client.HTTPSConnection):
    """An HTTPS connection to an address, which need not be the one in DNS."""

    def __init__(self, host: str, address: str, deadline: float) -> None:
        """Take the host whose certificate counts, and where to connect to until when."""
        context = ssl.create_default_context()
        super().__init__(host, context=context, timeout=CONNECT_SECONDS)
        self._address, self._tls, self._deadline = address, context, deadline

    def connect(self) -> None:
        """Connect, and verify the certificate for the name."""
        plain = socket.create_connection((self._address, PORT), CONNECT_SECONDS)
        self.sock = self._tls.wrap_socket(plain, server_hostname=self.host)
        self.sock.settimeout(max(0.1, min(CONNECT_SECONDS, self._deadline - time.monotonic())))


def request(
    url: str,
    *,
    method: str = "GET",
    address: str = "",
    networks: Sequence[str] = (),
    headers: Mapping[str, str] | None = None,
    body: str | None = None,
) -> Answer:
    """Return the answer to a request; redirects are followed on the same host only.

    Args:
        address: where to connect to in place of the address in DNS.
        networks: networks without public addresses in which the server may be.

    Raises:
        RequestFailed: when no usable answer comes in time.
    """
    deadline = time.monotonic() + LIMIT_SECONDS
    host = urlsplit(url).netloc
    address = address or find_public_address(host, networks)
    for _ in range(MAX_REDIRECTS + 1):
        parts = urlsplit(url)
        if (parts.scheme, parts.netloc) != ("https", host):
            raise RequestFailed("broken_answer")
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection = _Connection(host, address, deadline)
        with contextlib.closing(connection):
            try:
                sent = {"User-Agent": AGENT, "Connection": "close", **(headers or {})}
                connection.request(method, path, body, sent)
                answer = connection.getresponse()
                if method == "GET" and answer.status in REDIRECTS:
                    url = urljoin(url, answer.headers.get("Location", ""))
                    continue
                found = _read_limited_body(answer, deadline)
            except (OSError, http.client.HTTPException, ValueError) as error:
                raise RequestFailed(_failure_code(error)) from None
            return Answer(answer.status, found, answer.headers.get("Date", "")[:40])
    raise RequestFailed("broken_answer")


def find_public_address(host: str, networks: Sequence[str]) -> str:
    """Return the first address of a name, which is connected to without asking DNS again.

    Raises:
        RequestFailed: when there is none, or one of them is neither public nor in `networks`.
    """
    try:
        found = resolve(host)
    except (OSError, UnicodeError):
        raise RequestFailed("dns") from None
    if not all(is_allowed_peer_address(item, networks) for item in found):
        raise RequestFailed("private_address")
    return found[0]


def resolve(host: str) -> list[str]:
    """Return the addresses of a name, the best one first; at least one."""
    found = socket.getaddrinfo(host, PORT, type=socket.SOCK_STREAM)
    return [str(item[4][0]) for item in found]


def _read_limited_body(answer: http.client.HTTPResponse, deadline: float) -> bytes:
    parts: list[bytes] = []
    size = 0
    while part := answer.read1(16384):
        size += len(part)
        parts.append(part)
        if size > MAX_BYTES:
            raise RequestFailed("broken_answer")
        if time.monotonic() > deadline:
            raise RequestFailed("timeout")
    return b"".join(parts)


def _failure_code(error: Exception) -> str:
    """Return why a request failed, as a word of this program: the text may be the other side's."""
    if isinstance(error, socket.gaierror):
        return "dns"
    if isinstance(error, ssl.SSLError):
        return "tls"
    if isinstance(error, TimeoutError):
        return "timeout"
    return "refused" if isinstance(error, OSError) else "broken_answer"

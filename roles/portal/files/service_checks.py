"""Checks of the region's services from outside: one small HTTPS request each, with limits."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import urljoin, urlsplit

CONNECT_SECONDS = 10.0
LIMIT_SECONDS = 20.0  # for one service, redirects included
MAX_BYTES = 256 * 1024
MAX_REDIRECTS = 3
REDIRECTS = (301, 302, 303, 307, 308)
PAUSE_SECONDS = 5.0  # before the second try
LOOPBACK = "127.0.0.1"
AGENT = "chautari-portal"

Check = Mapping[str, Any]


class Result(NamedTuple):
    """Whether a service responds; the reason is for the journal only.

    `restored` is when a backup of the service was last restored for a test, in seconds since 1970;
    0 if that is not known.
    """

    responds: bool
    reason: str = ""
    restored: int = 0


class CheckFailed(Exception):
    """The service gave no right answer; the text says why."""


class _Connection(http.client.HTTPSConnection):
    """An HTTPS connection that may go to another address than the one in DNS."""

    def __init__(self, host: str, address: str, context: ssl.SSLContext) -> None:
        super().__init__(host, context=context, timeout=CONNECT_SECONDS)
        self._address, self._tls = address, context

    def connect(self) -> None:
        """Connect to the address, and verify the certificate for the name."""
        plain = socket.create_connection((self._address, 443), CONNECT_SECONDS)
        self.sock = self._tls.wrap_socket(plain, server_hostname=self.host)


def check_all(checks: Mapping[str, Check]) -> dict[str, Result]:
    """Return the result of each check; they run at the same time.

    A service that sends its answer slowly does not delay the others.
    """
    found: dict[str, Result] = {}
    threads = []
    for name, check in checks.items():
        thread = threading.Thread(
            target=_store_check_result, args=(found, name, check), daemon=True
        )
        thread.start()
        threads.append(thread)
    deadline = time.monotonic() + 2 * LIMIT_SECONDS + PAUSE_SECONDS + CONNECT_SECONDS
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return {name: found.get(name, Result(False, "no complete answer in time")) for name in checks}


def _store_check_result(found: dict[str, Result], name: str, check: Check) -> None:
    found[name] = check_service(check)


def check_service(check: Check, pause: float = PAUSE_SECONDS) -> Result:
    """Return whether a service gives the expected answer; a failed check is repeated once."""
    reason = ""
    for attempt in range(2):
        time.sleep(pause if attempt else 0)
        try:
            if check["expected_text"].encode() not in _fetch_page(
                check["url"], check["on_this_node"]
            ):
                raise CheckFailed("the answer does not contain the expected text")
        except (CheckFailed, OSError, http.client.HTTPException, ValueError) as error:
            reason = f"{type(error).__name__}: {error}"
        else:
            return Result(True, restored=_time_of_last_restore(check))
    return Result(False, reason)


def _time_of_last_restore(check: Check) -> int:
    """Return when a backup of the service was last restored for a test; 0 if nothing says so."""
    if not check["restored_url"]:
        return 0
    try:
        found = json.loads(_fetch_page(check["restored_url"], check["on_this_node"]))["restored"]
    except (CheckFailed, OSError, http.client.HTTPException, ValueError, TypeError, KeyError):
        return 0
    except RecursionError:
        return 0
    return found if type(found) is int and 0 < found <= time.time() else 0


def _fetch_page(url: str, on_this_node: bool) -> bytes:
    """Return the page at `url`; raise if there is none.

    Raises:
        CheckFailed: the answer is no page, too large, too slow, or on another server.
    """
    first = urlsplit(url)
    deadline = time.monotonic() + LIMIT_SECONDS
    for _ in range(MAX_REDIRECTS + 1):
        parts = urlsplit(url)
        if (parts.scheme, parts.netloc) != ("https", first.netloc):
            raise CheckFailed(f"redirected to {parts.scheme}://{parts.netloc[:100]}")
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        connection = _send_request(first.netloc, path or "/", on_this_node)
        try:
            answer = connection.getresponse()
            if answer.status in REDIRECTS:
                url = urljoin(url, answer.headers.get("Location", ""))
                continue
            if answer.status != 200:
                raise CheckFailed(f"status {answer.status}")
            return _read_limited_body(answer, deadline)
        finally:
            connection.close()
    raise CheckFailed("too many redirects")


def _send_request(host: str, path: str, on_this_node: bool) -> _Connection:
    """Return a connection over which the request was sent.

    A router may not lead the node back to its own public address. Then the node's web server is
    reached on the loopback address, under its public name.
    """
    context = ssl.create_default_context()
    for address in (host, LOOPBACK) if on_this_node else (host,):
        connection = _Connection(host, address, context)
        try:
            connection.request("GET", path, headers={"User-Agent": AGENT, "Connection": "close"})
        except (ssl.SSLError, socket.gaierror):
            connection.close()
            raise
        except OSError:
            connection.close()
            if address == LOOPBACK or not on_this_node:
                raise
        else:
            return connection
    raise CheckFailed("no address to connect to")


def _read_limited_body(answer: http.client.HTTPResponse, deadline: float) -> bytes:
    parts: list[bytes] = []
    size = 0
    while part := answer.read1(65536):
        size += len(part)
        parts.append(part)
        if size > MAX_BYTES:
            raise CheckFailed(f"the answer is larger than {MAX_BYTES // 1024} kB")
        if time.monotonic() > deadline:
            raise CheckFailed(f"the answer took longer than {LIMIT_SECONDS:.0f} s")
    return b"".join(parts)


def next_state(
    before: Mapping[str, Any], results: Mapping[str, Result], now: int
) -> dict[str, Any]:
    """Return the new state: of each service whether it responds, and since when that is so.

    A service that does not respond keeps the date of its last restored backup.
    """
    old = before.get("services", {})
    services = {}
    for name, result in results.items():
        same = old.get(name, {}).get("responds") is result.responds
        since = old[name]["since"] if same else now
        restored = result.restored if result.responds else old.get(name, {}).get("restored", 0)
        services[name] = {"responds": result.responds, "since": since, "restored": restored}
    return {"checked": now, "services": services}


def failures(results: Mapping[str, Result]) -> Sequence[str]:
    """Return a line for the journal for each service that does not respond."""
    return [f"{name}: {item.reason}" for name, item in results.items() if not item.responds]

"""Fetch files from upstream over a slow or unreliable link, from a server that may be hostile.

Only HTTPS; redirects only to hosts that belong to the upstream; limits on size and time. What has
arrived stays in a file, so that the next try continues, also that of a later command.
"""

from __future__ import annotations

import re
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

import requests
import urllib3

from chautari.deploy.pinning.refusal import PinRefused
from chautari.files import read_bytes_if_present, write_atomically
from chautari.language import _

PAUSES = (2, 5, 15, 30, 60, 120)  # seconds before the next try; the last one repeats
NO_PROGRESS_SECONDS = 600
NO_CONTACT_TRIES = 3  # without a byte since the command began
TOTAL_SECONDS = 12 * 3600
CONNECT_SECONDS, SILENCE_SECONDS = 20, 60
MAX_REDIRECTS = 4
_PIECE = 1 << 16
_TEMPORARY = frozenset({408, 425, 429, 500, 502, 503, 504})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class AllowedServers(NamedTuple):
    """The servers of one upstream.

    Attributes:
        hosts: other hosts to which the server may redirect.
        ca_file: certificates of the authorities that count; None for the system's.
    """

    hosts: tuple[str, ...] = ()
    ca_file: str | None = None


class _Interrupted(Exception):
    """The connection broke, and another try may continue."""


def fetch_small_file(
    url: str, max_bytes: int, origin: AllowedServers, headers: dict[str, str] | None = None
) -> bytes:
    """Return a small file.

    Raises:
        PinRefused: when it does not arrive, or is too large.
    """
    for attempt in range(NO_CONTACT_TRIES):
        try:
            with _open_following_redirects(url, origin, headers or {}) as answer:
                _check_http_status(url, answer)
                content = b"".join(_read_within_limit(answer, max_bytes, url))
                _require_complete_body(answer, len(content), url)
                return content
        except _Interrupted as error:
            if attempt + 1 == NO_CONTACT_TRIES:
                raise PinRefused("no_network", host=_host_of_url(url), detail=str(error)) from None
            time.sleep(PAUSES[attempt])
    raise AssertionError("unreachable")


class Download:
    """One large file: how much of it has arrived, and whether in several parts.

    Attributes:
        joined: whether the file comes from several connections.
    """

    def __init__(self, url: str, file: Path, max_bytes: int, origin: AllowedServers) -> None:
        """Continue from what earlier commands left."""
        self.url, self.file, self.max_bytes, self.origin = url, file, max_bytes, origin
        self._mark = file.with_name(file.name + ".etag")
        self._total: int | None = None
        self.joined = False

    def received_bytes(self) -> int:
        """Return how many bytes have arrived."""
        return self.file.stat().st_size if self.file.is_file() else 0

    def discard_received(self) -> None:
        """Delete what has arrived."""
        self.file.unlink(missing_ok=True)
        self._mark.unlink(missing_ok=True)

    def download_until_complete(self, say: Callable[[int, int | None], None]) -> None:
        """Try until the file is complete; `say` gets the bytes so far, and all that are expected.

        Raises:
            PinRefused: when the server refuses, or nothing arrives for too long.
        """
        self.file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        began = since = time.monotonic()
        tries, most, first = 0, self.received_bytes(), self.received_bytes()
        while True:
            try:
                self._receive_rest_of_file(say, began)
                return
            except _Interrupted as error:
                if self.received_bytes() > most:
                    since, tries, most = time.monotonic(), 0, self.received_bytes()
                pause = PAUSES[min(tries, len(PAUSES) - 1)]
                tries += 1
                if most == first and tries >= NO_CONTACT_TRIES:
                    raise PinRefused(
                        "no_network", host=_host_of_url(self.url), detail=str(error)
                    ) from None
                if time.monotonic() - since + pause > NO_PROGRESS_SECONDS:
                    minutes = NO_PROGRESS_SECONDS // 60
                    raise PinRefused(
                        "no_progress",
                        host=_host_of_url(self.url),
                        minutes=minutes,
                        detail=str(error),
                    ) from None
                time.sleep(pause)

    def _receive_rest_of_file(self, say: Callable[[int, int | None], None], began: float) -> None:
        """Append what the server sends; return when the file is complete."""
        size, mark = (
            self.received_bytes(),
            read_bytes_if_present(self._mark, 200).decode(errors="replace"),
        )
        # Without a mark, the server's file may have changed since: then begin again.
        headers = {"Range": f"bytes={size}-", "If-Range": mark} if size and mark else {}
        with _open_following_redirects(self.url, self.origin, headers) as answer:
            if answer.status_code == 416:
                self.discard_received()
                raise _Interrupted(_("the file on the server has changed"))
            _check_http_status(self.url, answer)
            start = self._offset_of_answer(answer, size)
            length = _content_length(answer)
            self._total = None if length is None else start + length
            if (self._total or 0) > self.max_bytes:
                self._discard_and_refuse_too_large()
            self.joined = self.joined or start > 0
            with self.file.open("ab" if start else "wb") as stream:
                for piece in _read_within_limit(
                    answer, self.max_bytes - start, self.url, self.discard_received
                ):
                    stream.write(piece)
                    say(stream.tell(), self._total)
                    if time.monotonic() - began > TOTAL_SECONDS:
                        raise PinRefused("too_slow", url=self.url, hours=TOTAL_SECONDS // 3600)
        if self._total is not None and self.received_bytes() < self._total:
            raise _Interrupted(_("the connection ended early"))

    def _offset_of_answer(self, answer: requests.Response, size: int) -> int:
        """Return where the answer's bytes belong; keep the mark of a file that begins again."""
        expected = answer.headers.get("Content-Range", "").startswith(f"bytes {size}-")
        if size and answer.status_code == 206 and expected:
            return size
        if answer.status_code == 206:
            self.discard_received()
            raise _Interrupted(_("the server sent a different part of the file"))
        self.discard_received()
        mark = answer.headers.get("ETag", "")
        if re.fullmatch(r'"[\x21\x23-\x7e]{1,150}"', mark):
            write_atomically(self._mark, mark, mode=0o600, durable=False)
        return 0

    def _discard_and_refuse_too_large(self) -> None:
        self.discard_received()
        raise PinRefused("too_large", url=self.url, megabytes=self.max_bytes >> 20)


@contextmanager
def _open_following_redirects(
    url: str, origin: AllowedServers, headers: dict[str, str]
) -> Iterator[requests.Response]:
    """Open an address, following redirects within the upstream's hosts."""
    first = _host_of_url(url)
    for __ in range(MAX_REDIRECTS + 1):
        with _send_request(url, origin, headers) as answer:
            if answer.status_code not in _REDIRECTS:
                yield answer
                return
            target = urljoin(url, answer.headers.get("Location", ""))
        if urlsplit(target).scheme != "https" or _host_of_url(target) not in (first, *origin.hosts):
            raise PinRefused("redirected", url=url, target=target[:200])
        url = target
    raise PinRefused("redirected", url=url, target=url)


@contextmanager
def _send_request(
    url: str, origin: AllowedServers, headers: dict[str, str]
) -> Iterator[requests.Response]:
    if urlsplit(url).scheme != "https":
        raise PinRefused("redirected", url=url, target=url)
    own = {"User-Agent": "chautari", "Accept-Encoding": "identity"} | headers
    try:
        # Without `auth`, a password for the server in ~/.netrc would be sent.
        with requests.get(
            url, headers=own, stream=True, allow_redirects=False, verify=origin.ca_file or True,
            timeout=(CONNECT_SECONDS, SILENCE_SECONDS), auth=lambda request: request,
        ) as answer:  # fmt: skip
            yield answer
    except requests.exceptions.SSLError as error:
        raise PinRefused(
            "certificate_invalid", host=_host_of_url(url), detail=_connection_error_text(error)
        ) from None
    except (requests.RequestException, urllib3.exceptions.HTTPError, ValueError) as error:
        raise _Interrupted(_connection_error_text(error)) from None


def _read_within_limit(
    answer: requests.Response, limit: int, url: str, discard: Callable[[], None] = lambda: None
) -> Iterator[bytes]:
    if answer.headers.get("Content-Encoding", "identity") != "identity":
        raise PinRefused("compressed", host=_host_of_url(url))
    left = limit
    # What has arrived counts at once, or a bad connection would lose it.
    while piece := answer.raw.read1(_PIECE, decode_content=False):
        left -= len(piece)
        if left < 0:
            discard()
            raise PinRefused("too_large", url=url, megabytes=max(limit >> 20, 1))
        yield piece


def _check_http_status(url: str, answer: requests.Response) -> None:
    code = answer.status_code
    if code in _TEMPORARY:
        raise _Interrupted(_("status {code}", code=code))
    if code in (404, 410):
        raise PinRefused("not_found", url=url)
    if code not in (200, 206):
        raise PinRefused("http_status", host=_host_of_url(url), status=code, url=url)
    if answer.headers.get("Content-Type", "").partition(";")[0].strip() == "text/html":
        raise PinRefused("web_page", url=url)


def _require_complete_body(answer: requests.Response, size: int, url: str) -> None:
    length = _content_length(answer)
    if length is not None and size < length:
        raise _Interrupted(_("the connection ended early"))


def _content_length(answer: requests.Response) -> int | None:
    text = answer.headers.get("Content-Length", "")
    return int(text) if re.fullmatch("[0-9]{1,15}", text) else None


def _host_of_url(url: str) -> str:
    return urlsplit(url).hostname or ""


def _connection_error_text(error: BaseException) -> str:
    """Return why there was no answer, in words of this machine."""
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, ssl.SSLCertVerificationError):
            return found.verify_message
        if isinstance(found, OSError) and found.strerror:
            return found.strerror
        found = found.__cause__ or found.__context__
    return str(error).rpartition(": ")[2][:200]

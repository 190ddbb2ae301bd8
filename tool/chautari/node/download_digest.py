"""Compute the SHA-256 of a file in the internet, as this node receives it; nothing is kept."""

from __future__ import annotations

import hashlib
import http.client
import ssl
import time
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chautari.node.events import ArtifactDigestAnswer

SILENCE_SECONDS = 60
TOTAL_SECONDS = 3600
_PIECE = 1 << 16


class _RedirectWithinHosts(urllib.request.HTTPRedirectHandler):
    """Follows redirects only to some hosts, and only over HTTPS."""

    def __init__(self, hosts: Sequence[str]) -> None:
        self._hosts = hosts

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any,
        newurl: str,
    ) -> urllib.request.Request | None:  # fmt: skip
        """Return the next request."""
        parts = urllib.parse.urlsplit(newurl)
        if parts.scheme != "https" or parts.hostname not in self._hosts:
            raise OSError(0, "the server redirects to another host")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def artifact_digest_answer(
    url: str, hosts: Sequence[str], max_bytes: int, headers: Mapping[str, str]
) -> ArtifactDigestAnswer:
    """Return the digest and the size of a file, or why it did not arrive."""
    answer: ArtifactDigestAnswer = {
        "event": "artifact_digest", "sha256": "", "size": 0, "error": "",
    }  # fmt: skip
    try:
        answer["sha256"], answer["size"] = _download_digest_and_size(url, hosts, max_bytes, headers)
    except (OSError, ValueError, http.client.HTTPException) as error:
        answer["error"] = str(getattr(error, "reason", "") or error)[:300] or "no answer"
    return answer


def _download_digest_and_size(
    url: str, hosts: Sequence[str], max_bytes: int, headers: Mapping[str, str]
) -> tuple[str, int]:
    if not url.startswith("https://"):
        raise ValueError("not an address with https")
    own = urllib.parse.urlsplit(url).hostname or ""
    opener = urllib.request.build_opener(
        urllib.request.HTTPSHandler(context=ssl.create_default_context()),
        _RedirectWithinHosts((own, *hosts)),
    )
    own_headers = {"User-Agent": "chautari", "Accept-Encoding": "identity"}
    request = urllib.request.Request(url, headers=own_headers | dict(headers))
    digest, size, deadline = hashlib.sha256(), 0, time.monotonic() + TOTAL_SECONDS
    with opener.open(request, timeout=SILENCE_SECONDS) as stream:
        while piece := stream.read1(_PIECE):
            digest.update(piece)
            size += len(piece)
            if size > max_bytes or time.monotonic() > deadline:
                raise ValueError("the file is too large, or arrives too slowly")
        if stream.length:
            raise OSError(0, "the connection ended early")
    return digest.hexdigest(), size

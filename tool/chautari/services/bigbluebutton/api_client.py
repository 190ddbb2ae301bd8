"""BigBlueButton's programming interface, as Nextcloud and other programs use it."""

from __future__ import annotations

import hashlib
import xml.etree.ElementTree as ET
from typing import Any
from urllib.parse import urlencode


class RequestRefused(Exception):
    """The server's answer was no; `key` is the name of its reason."""

    def __init__(self, key: str, message: str) -> None:
        """Keep the key."""
        super().__init__(f"{key}: {message}")
        self.key = key


class BigBlueButtonServer:
    """A server, and the secret that questions are signed with."""

    def __init__(self, web: Any, domain: str, secret: str, algorithm: str = "sha256") -> None:
        """Ask `domain` by the session `web`."""
        self.web, self.secret, self.algorithm = web, secret, algorithm
        self.url = f"https://{domain}/bigbluebutton/api"

    def signed_url(self, call: str, **parameters: object) -> str:
        """Return the signed address of a question."""
        query = urlencode({name: _parameter_text(value) for name, value in parameters.items()})
        data = f"{call}{query}{self.secret}".encode()
        signed = hashlib.new(self.algorithm, data, usedforsecurity=False).hexdigest()
        return f"{self.url}/{call}?{query}{'&' if query else ''}checksum={signed}"

    def call(self, call: str, **parameters: object) -> ET.Element:
        """Return what the server answers; raise what it refuses."""
        answer = self.web.get(self.signed_url(call, **parameters))
        try:
            found = ET.fromstring(answer.text)
        except ET.ParseError:
            raise RequestRefused(f"status {answer.status_code}", answer.text[:200]) from None
        if found.findtext("returncode") != "SUCCESS":
            key = found.findtext("messageKey") or f"status {answer.status_code}"
            raise RequestRefused(key, found.findtext("message") or answer.text[:200])
        return found


def _parameter_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)

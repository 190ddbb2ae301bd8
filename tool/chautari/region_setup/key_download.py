"""Fetch an operator's public keys from a web page, such as https://git.example.org/luz.keys."""

from __future__ import annotations

import requests

from chautari.errors import BadInput
from chautari.language import _
from chautari.region.ssh_key_types import validate_public_key

MAX_BYTES = 20_000
MAX_KEYS = 10
SECONDS = 10.0


def fetch_keys(url: str) -> list[str]:
    """Return the public keys at `url` that can log in and decrypt secrets.

    Raises:
        BadInput: when the page cannot be read, or has no such key.
    """
    fix = _("copy the key to this machine as a file, and specify it: --key FILE")
    if not url.startswith("https://"):
        raise BadInput(_("{url} is not an https:// address", url=url), fix=fix)
    try:
        with requests.get(
            url, timeout=SECONDS, stream=True, allow_redirects=False, auth=lambda request: request
        ) as answer:
            body, code = b"", answer.status_code
            for part in answer.iter_content(MAX_BYTES + 1):
                body += part
                if len(body) > MAX_BYTES:
                    break
    except (OSError, ValueError) as error:
        raise BadInput(
            _("{url} cannot be read: {name}", url=url, name=type(error).__name__), fix=fix
        ) from None
    if code != 200 or len(body) > MAX_BYTES:
        raise BadInput(
            _("{url} did not answer with a list of keys (HTTP {code})", url=url, code=code), fix=fix
        )
    return usable_keys(url, body)


def usable_keys(source: str, body: bytes) -> list[str]:
    """Return those of the public keys in `body`, one a line, that can be used.

    Raises:
        BadInput: when there is none.
    """
    found, reasons = [], []
    for line in body.decode(errors="replace").splitlines()[:MAX_KEYS]:
        try:
            found += [validate_public_key(line)] if line.strip() else []
        except ValueError as error:
            reasons.append(str(error))
    if not found:
        raise BadInput(
            _(
                "{source} has no key that can be used: {reasons}",
                source=source,
                reasons=reasons[0] if reasons else _("it is empty"),
            ),
            fix=_("create one: ssh-keygen -t ed25519"),
        )
    return found

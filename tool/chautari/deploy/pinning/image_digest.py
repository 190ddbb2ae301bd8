"""The digest of a container image, as its registry serves it for a tag.

Registries speak the OCI distribution API; one that answers 401 names where to get a token for
reading. The digest is computed from the bytes that arrive; what the registry says of it is ignored.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit

import requests

from chautari.deploy.pinning.download import AllowedServers, fetch_small_file
from chautari.deploy.pinning.refusal import PinRefused

MAX_MANIFEST = 4 << 20
MAX_TOKEN = 64 << 10
SECONDS = 30
# The registry of this name answers at another one.
_HOSTS = {"docker.io": "registry-1.docker.io"}
_TOKEN_HOSTS = {"registry-1.docker.io": ("auth.docker.io",)}
_KINDS = ", ".join((
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
))  # fmt: skip
_FIELD = re.compile(r'(\w+)="([^"]*)"')


class ImageManifest(NamedTuple):
    """What a registry serves for a tag, and the request that it answered."""

    sha256: str
    size: int
    url: str
    headers: dict[str, str]


def fetch_manifest(image: str, tag: str, origin: AllowedServers) -> ImageManifest:
    """Return what the registry serves for a tag of `image`.

    Raises:
        PinRefused: when it does not answer with the description of an image.
    """
    registry, _, name = image.partition("/")
    host = _HOSTS.get(registry, registry)
    url = f"https://{host}/v2/{name}/manifests/{tag}"
    headers = {"Accept": _KINDS}
    if challenge := _fetch_token_challenge(url, origin):
        headers["Authorization"] = f"Bearer {_fetch_read_token(host, name, challenge, origin)}"
    content = fetch_small_file(url, MAX_MANIFEST, origin, headers)
    try:
        parsed = json.loads(content)
        valid = parsed["schemaVersion"] == 2 and ("manifests" in parsed or "layers" in parsed)
    except (ValueError, KeyError, TypeError, RecursionError):
        valid = False
    if not valid:
        raise PinRefused("image_unreadable", host=host, image=image)
    return ImageManifest(hashlib.sha256(content).hexdigest(), len(content), url, headers)


def _fetch_token_challenge(url: str, origin: AllowedServers) -> dict[str, str]:
    """Return what the registry asks for before it answers; nothing if it needs no token."""
    try:
        with requests.head(
            url, headers={"Accept": _KINDS, "User-Agent": "chautari"}, timeout=SECONDS,
            allow_redirects=False, verify=origin.ca_file or True, auth=lambda request: request,
        ) as answer:  # fmt: skip
            text = answer.headers.get("WWW-Authenticate", "")
            return dict(_FIELD.findall(text)) if answer.status_code == 401 else {}
    except requests.RequestException:
        return {}  # the request for the image reports it


def _fetch_read_token(
    host: str, name: str, challenge: dict[str, str], origin: AllowedServers
) -> str:
    realm = urlsplit(challenge.get("realm", ""))
    if realm.scheme != "https" or realm.hostname not in (host, *_TOKEN_HOSTS.get(host, ())):
        raise PinRefused("redirected", url=f"https://{host}/", target=realm.geturl()[:200])
    query = {"service": challenge.get("service", ""), "scope": f"repository:{name}:pull"}
    content = fetch_small_file(f"{realm.geturl()}?{urlencode(query)}", MAX_TOKEN, origin)
    try:
        found = json.loads(content)
        token = found.get("token") or found.get("access_token")
    except (ValueError, AttributeError, RecursionError):
        token = None
    if not isinstance(token, str) or not re.fullmatch(r"[\x21-\x7e]{1,8000}", token):
        raise PinRefused("image_unreadable", host=host, image=name)
    return token

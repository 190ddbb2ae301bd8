"""What a peer's own servers say about it. Nothing of it is trusted further than it is needed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import https_client
from https_client import RequestFailed

MAX_SKEW_SECONDS = 300  # after this time Nextcloud rejects a signature
OCM_PATHS = ("/.well-known/ocm", "/ocm-provider/")


class Finding(NamedTuple):
    """The state of a peer: a code, and numbers and short texts that belong to it."""

    code: str
    data: Mapping[str, Any] = {}


class PeerProblem(Exception):
    """The peer cannot be worked with now."""

    def __init__(self, code: str, **data: Any) -> None:
        """Take the code and its data."""
        super().__init__(code)
        self.finding = Finding(code, data)


def check_peer(peer: Mapping[str, Any], clock: Callable[[], float] = time.time) -> None:
    """Raise unless the peer's Nextcloud works, is called as agreed, and signs with the right clock.

    Raises:
        PeerProblem: with what is wrong.
    """
    try:
        skew = _check_status(peer, clock)
        if abs(skew) > MAX_SKEW_SECONDS:
            raise PeerProblem("clock_differs", seconds=skew)
        _check_signing(peer)
    except RequestFailed as failure:
        if failure.reason == "private_address":
            raise PeerProblem("peer_address_private") from None
        raise PeerProblem("unreachable", reason=failure.reason) from None


def _check_status(peer: Mapping[str, Any], clock: Callable[[], float]) -> int:
    """Return by how many seconds the peer's clock is ahead."""
    before = clock()
    answer = _request(peer, f"{peer['url']}/status.php")
    middle = (before + clock()) / 2
    if answer.status >= 500:
        raise RequestFailed(f"http_{answer.status}")
    try:
        status = answer.json_object()
    except RequestFailed:
        raise PeerProblem("not_nextcloud") from None
    if answer.status != 200 or not isinstance(status.get("version"), str):
        raise PeerProblem("not_nextcloud")
    if status.get("maintenance") is True or status.get("needsDbUpgrade") is True:
        raise RequestFailed("maintenance")
    try:
        return round(parsedate_to_datetime(answer.date).timestamp() - middle)
    except (ValueError, TypeError, OverflowError):
        return 0


def _check_signing(peer: Mapping[str, Any]) -> None:
    """Compare the host that signs the peer's shares with the host that this region pinned."""
    provider = _read_provider(peer)
    key = provider.get("publicKey")
    if not isinstance(key, dict) or not isinstance(key.get("keyId"), str):
        raise PeerProblem("peer_signing_disabled")
    expected = urlsplit(peer["url"]).netloc
    for address in (key["keyId"], provider.get("endPoint")):
        found = _host_of(address)
        if found != expected:
            raise PeerProblem("peer_address_differs", found=found, expected=expected)


def _read_provider(peer: Mapping[str, Any]) -> dict[str, Any]:
    failure = RequestFailed("broken_answer")
    for path in OCM_PATHS:
        try:
            answer = _request(peer, peer["url"] + path)
            if answer.status == 200:
                return answer.json_object()
            failure = RequestFailed(f"http_{answer.status}")
        except RequestFailed as error:
            failure = error
    raise failure


def _request(peer: Mapping[str, Any], url: str) -> https_client.Answer:
    return https_client.request(url, networks=peer.get("networks", ()))


def _host_of(address: Any) -> str:
    """Return the host of an address; only characters of host names remain of what a peer sent."""
    try:
        host = urlsplit(address if isinstance(address, str) else "").netloc
    except ValueError:
        host = ""
    return "".join(x for x in host[:80].lower() if x.isascii() and (x.isalnum() or x in ".-:"))


def lists_us(peer: Mapping[str, Any], own_domain: str) -> bool | None:
    """Return whether the peer's descriptor names this region as its peer; None if none arrives.

    The answer only decides when it makes sense to begin, so the signature is not verified here.
    """
    try:
        answer = _request(peer, peer["descriptor_url"])
        if answer.status != 200:
            return None
        found = answer.json_object().get("peers")
    except RequestFailed:
        return None
    return isinstance(found, list) and own_domain in found

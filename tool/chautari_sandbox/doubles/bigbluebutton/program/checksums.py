"""Checks the checksum of a call as upstream does."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable

LENGTHS = {40: "sha1", 64: "sha256", 96: "sha384", 128: "sha512"}


def without_checksum(query: str) -> str:
    """Return a query string as it was when its checksum was made."""
    return "&".join(part for part in query.split("&") if not part.startswith("checksum="))


def checksums_in_query(query: str) -> list[str]:
    """Return the checksums that stand in a query."""
    return [part[9:] for part in query.split("&") if part.startswith("checksum=")]


def compute_checksum(algorithm: str, call: str, query: str, secret: str) -> str:
    """Return the checksum of a call."""
    return hashlib.new(algorithm, f"{call}{query}{secret}".encode()).hexdigest()


def is_checksum_right(call: str, query: str, secret: str, supported: Iterable[str]) -> bool:
    """Say whether a call has exactly one checksum, right, and by an algorithm that is supported."""
    checksums = checksums_in_query(query)
    if len(checksums) != 1:
        return False
    algorithm = LENGTHS.get(len(checksums[0]))
    if algorithm is None or algorithm not in supported:
        return False
    right = compute_checksum(algorithm, call, without_checksum(query), secret)
    return hmac.compare_digest(right, checksums[0])

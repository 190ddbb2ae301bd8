"""A name for the first operator that a region accepts."""

from __future__ import annotations

from collections.abc import Iterable

from chautari.region.names import validate_name
from chautari.region.rules.people import is_reserved_account

FALLBACK = "operator1"


def first_valid_operator_name(candidates: Iterable[str], logins: Iterable[str]) -> str:
    """Return the first of `candidates` that can name an operator; `logins` are used by nodes."""
    taken = set(logins)
    for candidate in candidates:
        name = candidate.strip().lower()
        try:
            validate_name(name)
        except ValueError:
            continue
        if name not in taken and not is_reserved_account(name):
            return name
    return FALLBACK

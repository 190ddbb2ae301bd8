"""The names of regions, nodes and operators."""

from __future__ import annotations

import re

from chautari.language import _

_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}(?<!-)")


def validate_name(value: str) -> str:
    """Return `value` when it can name a node, an operator or a region.

    Raises:
        ValueError: when it cannot, with the rule.
    """
    if not _NAME.fullmatch(value):
        raise ValueError(
            _(
                "{value!r} is not a valid name; use up to 31 lower-case letters (a-z), "
                "digits and dashes, starting with a letter and ending with a letter or digit",
                value=value,
            )
        )
    return value


def name_problem(name: str) -> str | None:
    """Return why no region can have this name, with the rule; None for a valid name."""
    try:
        validate_name(name)
    except ValueError as error:
        return str(error)
    return None

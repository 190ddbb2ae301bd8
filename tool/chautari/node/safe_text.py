"""Make text of unknown origin safe for a terminal, a page or a mail.

Names and messages on a node may come from anyone. Characters that control a terminal or turn the
reading direction are shown as escape sequences, so that a reader sees them and no program obeys.
"""

from __future__ import annotations

import re

_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters (C0 and C1) except tab and newline
    "\u2028\u2029\u202a-\u202e\u2066-\u2069"  # line separators, reading direction
    "\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]"  # surrogates and non-characters, illegal in XML
)


def escape_controls(text: str) -> str:
    """Return `text` with each unsafe character as a Python escape sequence, such as `\\x1b`."""
    return _UNSAFE.sub(lambda match: match[0].encode("unicode_escape").decode(), text)

"""Recognise the log lines that a healthy application is known to write."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any


def is_expected_log_line(entry: Mapping[str, Any], known: Iterable[Mapping[str, str]]) -> bool:
    """Return whether an entry of a log is one of the `known` lines.

    A known line has regular expressions for the whole of an entry's app and message, and for the
    class and message of its exception. It may lack each of them except the first.
    """
    attached = entry.get("exception") or {}
    found = {
        "app": entry["app"],
        "message": entry["message"],
        "exception": attached.get("Exception", ""),
        "cause": attached.get("Message", ""),
    }
    return any(
        all(re.fullmatch(line[part], str(found[part]), re.DOTALL) for part in found if part in line)
        for line in known
    )

"""Brings back what a clock that was ahead has left in the future.

Nothing is ever newer than a stamp from the future, so a role's own `find -newer` would not see a
setting that is not loaded. Settings from the future are newer than any stamp of today: they would
be loaded anew at every deploy until the clock has caught up with them.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from typing import Any

from chautari.node import fingerprint


def bring_back(items: Iterable[dict[str, Any]]) -> None:
    """Let settings count as written now, and as not loaded, whose times lie in the future."""
    for item in items:
        if item["kind"] != "loaded":
            continue
        for pattern in item["settings"]:
            # The kernel's own "now", which a stamp gets as well: it lags behind the exact time.
            _set(pattern, None)
        # The stamp comes last: until then it tells a run that follows an interrupted one.
        _set(item["stamp"], (0, 0))


def _set(pattern: str, times: tuple[int, int] | None) -> None:
    for path, changed in fingerprint.written(pattern):
        if not fingerprint.ahead(changed):
            continue
        # Of a link counts what it points to as well.
        for follow in (False, True):
            with contextlib.suppress(OSError):
                os.utime(path, times, follow_symlinks=follow)

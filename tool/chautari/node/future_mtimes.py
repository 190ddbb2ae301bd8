"""Correct modification times that lie in the future, as after the clock was set back.

Nothing is newer than a marker from the future, so a role's own `find -newer` would miss a setting
that is not in use. Settings from the future are newer than any marker of today: they would be
reloaded at every deploy until the clock has caught up with them.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable

from chautari.node import current_resources
from chautari.node.changes_since_receipt import Item


def reset_future_mtimes(items: Iterable[Item]) -> None:
    """Make settings from the future count as written now, and as not reloaded yet."""
    for item in items:
        if item["kind"] != "reload_marker":
            continue
        for pattern in item["settings"]:
            # The kernel's own "now", which a marker gets as well: it lags behind the exact time.
            _replace_future_mtimes(pattern, None)
        # The marker comes last: until then the next run sees that this one was interrupted.
        _replace_future_mtimes(item["marker"], (0, 0))


def _replace_future_mtimes(pattern: str, times: tuple[int, int] | None) -> None:
    for path, changed in current_resources.mtimes_under_pattern(pattern):
        if not current_resources.is_future_time_ns(changed):
            continue
        # The target of a link counts as well.
        for follow in (False, True):
            with contextlib.suppress(OSError):
                os.utime(path, times, follow_symlinks=follow)

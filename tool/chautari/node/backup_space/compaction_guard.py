"""Decide whether a repository may be compacted, which ends what deleted archives could still be.

A person with a stolen key can mark everything as deleted. So compaction is refused when it would
free as much as only an attack or a large mistake does.
"""

from __future__ import annotations

from dataclasses import dataclass

MAX_SHARE = 0.5
# Compaction reads and writes what it keeps, so it waits until it is worth that.
MIN_BYTES = 64 << 20
MIN_SHARE = 0.05


@dataclass(frozen=True)
class Decision:
    """What to do: `compact`, `wait` or `refuse`, and the figures behind it."""

    action: str
    freeable: int
    deleted: int
    total: int


def decide_whether_to_compact(freeable: int, size: int, deleted: int, copy_size: int) -> Decision:
    """Return whether to compact.

    Args:
        freeable: bytes that compaction would free.
        size: of the repository.
        deleted: bytes that compactions freed since the copy was made.
        copy_size: of the copy.
    """
    at_once = freeable > size * MAX_SHARE
    # Several small steps must not do what one large step may not.
    in_steps = deleted > 0 and deleted + freeable > copy_size * MAX_SHARE
    if freeable >= MIN_BYTES and (at_once or in_steps):
        return Decision("refuse", freeable, deleted, size)
    if freeable < MIN_BYTES or freeable < size * MIN_SHARE:
        # Small repositories are never compacted: what is deleted there can always be brought back.
        return Decision("wait", freeable, deleted, size)
    return Decision("compact", freeable, deleted, size)

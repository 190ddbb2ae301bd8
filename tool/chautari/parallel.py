"""Works on several nodes at once, with a bound."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

PARALLEL = 16
Item = TypeVar("Item")
Result = TypeVar("Result")


def map_parallel(
    function: Callable[[Item], Result], items: Sequence[Item], parallel: int = PARALLEL
) -> list[Result]:
    """Return `function` of every item, in their order; at most `parallel` at once.

    When this side is interrupted it does not wait for the others: a node's run needs nobody.
    """
    if len(items) < 2:
        return [function(item) for item in items]
    from concurrent.futures import ThreadPoolExecutor  # one node alone needs no threads

    pool = ThreadPoolExecutor(parallel)
    try:
        return list(pool.map(function, items))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)

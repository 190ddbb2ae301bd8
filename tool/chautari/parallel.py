"""Runs a function on several items in parallel, with a limit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

PARALLEL = 16
Item = TypeVar("Item")
Result = TypeVar("Result")


def map_parallel(
    function: Callable[[Item], Result], items: Sequence[Item], parallel: int = PARALLEL
) -> list[Result]:
    """Return the results of `function` in the order of `items`; at most `parallel` run together.

    After an interruption, the function returns without waiting: runs on nodes continue.
    """
    if len(items) < 2:
        return [function(item) for item in items]
    from concurrent.futures import ThreadPoolExecutor  # a single item needs no threads

    pool = ThreadPoolExecutor(parallel)
    try:
        return list(pool.map(function, items))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)

"""Work on several nodes at the same time, with a limit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TypeVar

PARALLEL = 16
Item = TypeVar("Item")
Result = TypeVar("Result")


def map_parallel(
    function: Callable[[Item], Result], items: Sequence[Item], parallel: int = PARALLEL
) -> list[Result]:
    """Return `function` of every item, in their order; at most `parallel` at the same time.

    The first error ends the wait and is raised. Threads are daemons: when this process is
    interrupted it does not wait for them, because the runs on nodes continue without it.
    """
    if len(items) < 2:
        return [function(item) for item in items]
    waiting: SimpleQueue[tuple[int, Item]] = SimpleQueue()
    done: SimpleQueue[tuple[int, Result | BaseException]] = SimpleQueue()
    for numbered in enumerate(items):
        waiting.put(numbered)
    for _ in range(min(parallel, len(items))):
        Thread(target=_run_waiting_items, args=(function, waiting, done), daemon=True).start()
    results: dict[int, Result] = {}
    while len(results) < len(items):
        number, outcome = done.get()
        if isinstance(outcome, BaseException):
            _discard_waiting_items(waiting)
            raise outcome
        results[number] = outcome
    return [results[number] for number in range(len(items))]


def call_within(seconds: float, function: Callable[[], Result]) -> Result:
    """Return what `function` returns; its error is raised.

    Raises:
        TimeoutError: when it takes longer. Its thread is a daemon, so this process can end.
    """
    waiting: SimpleQueue[tuple[int, None]] = SimpleQueue()
    done: SimpleQueue[tuple[int, Result | BaseException]] = SimpleQueue()
    waiting.put((0, None))
    arguments = (lambda _: function(), waiting, done)
    Thread(target=_run_waiting_items, args=arguments, daemon=True).start()
    try:
        outcome = done.get(timeout=seconds)[1]
    except Empty:
        raise TimeoutError from None
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome


def _run_waiting_items(
    function: Callable[[Item], Result],
    waiting: SimpleQueue[tuple[int, Item]],
    done: SimpleQueue[tuple[int, Result | BaseException]],
) -> None:
    while True:
        try:
            number, item = waiting.get_nowait()
        except Empty:
            return
        try:
            done.put((number, function(item)))
        except BaseException as error:
            done.put((number, error))


def _discard_waiting_items(waiting: SimpleQueue[tuple[int, Item]]) -> None:
    with suppress(Empty):
        while True:
            waiting.get_nowait()

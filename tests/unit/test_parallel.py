"""Work on several nodes at the same time."""

import threading
import time

import pytest

from chautari.parallel import map_parallel


def test_map_parallel_keeps_the_order_of_the_items() -> None:
    def slow_first(number: int) -> int:
        time.sleep(0.05 if number == 0 else 0)
        return number * 2

    assert map_parallel(slow_first, range(5)) == [0, 2, 4, 6, 8]


def test_map_parallel_keeps_to_its_limit() -> None:
    lock, now, most = threading.Lock(), [0], [0]

    def work(_: int) -> None:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.01)
        with lock:
            now[0] -= 1

    map_parallel(work, range(9), parallel=3)
    assert most == [3]


def test_map_parallel_raises_the_first_error_at_once() -> None:
    release = threading.Event()

    def work(number: int) -> None:
        if number == 1:
            raise BrokenPipeError
        release.wait(30)

    began = time.monotonic()
    with pytest.raises(BrokenPipeError):
        map_parallel(work, range(3))
    release.set()
    assert time.monotonic() - began < 10

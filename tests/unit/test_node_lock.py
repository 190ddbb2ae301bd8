"""The lock of a node: it has one holder, and is free when its holder ends."""

import json
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest
from run_samples import ABOUT, OLD

from chautari.node import lock

pytestmark = pytest.mark.usefixtures("node_state")


@pytest.mark.usefixtures("lock_holder")
def test_lock_reports_its_holder() -> None:
    with lock.hold_lock_or_yield_holder(ABOUT) as holder:
        assert holder is not None
        assert (holder["operator"], holder["origin"], holder["run"]) == ("luz", "cusco", OLD)
        assert abs(holder["since"] - time.time()) < 60


@pytest.mark.parametrize("written_first", [None, "", '{"operator": "l'])
def test_holder_that_has_just_taken_the_lock_is_named(
    node_state: Path, written_first: str | None
) -> None:
    """Two operators may deploy at the same moment."""
    if written_first is not None:
        lock.HOLDER.write_text(written_first)
    with lock.LOCK.open("a") as other:
        lock.fcntl.flock(other, lock.fcntl.LOCK_EX)
        holder = json.dumps({"operator": "luz"})
        threading.Timer(0.3, lock.HOLDER.write_text, [holder]).start()
        assert lock.lock_holder() == {"operator": "luz"}


def test_lock_is_free_after_its_holder_was_killed(
    lock_holder: subprocess.Popen[str],
) -> None:
    lock_holder.send_signal(signal.SIGKILL)
    lock_holder.wait()
    assert lock.lock_holder() is None
    with lock.hold_lock_or_yield_holder(ABOUT) as holder:
        assert holder is None


def test_lock_is_free_after_its_holder_ended() -> None:
    with lock.hold_lock_or_yield_holder(ABOUT):
        assert json.loads(lock.HOLDER.read_text())["operator"] == "ana"
    assert not lock.HOLDER.exists()
    assert lock.lock_holder() is None


def test_query_for_the_holder_does_not_block_the_lock(node_state: Path) -> None:
    asking = lock.LOCK.open("a")
    lock.fcntl.flock(asking, lock.fcntl.LOCK_SH)
    threading.Timer(0.1, asking.close).start()
    with lock.hold_lock_or_yield_holder(ABOUT) as holder:
        assert holder is None

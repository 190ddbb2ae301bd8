"""Two operators at once: how soon the second is told that somebody is at work."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace

from benchmarks.lab import Lab
from benchmarks.measure import BenchError, Figure, Sample, at_most, figure, once, seconds

NODE = "cloud"
LIMIT_SECONDS = 5.0
HOLDER = "cat /var/lib/chautari/holder.json 2>/dev/null || true"
# Who, since when, from where, which run.
TOLD = re.compile(r"ana is deploying to this node \(since \d\d:\d\d, from \S.*, run \S+\)")


def run(lab: Lab, rounds: int) -> list[Figure]:
    """Deploy in full as one operator, and as another while the node is at work."""
    lab.deployed()
    refused: list[Sample] = []
    for turn in range(rounds):
        with _at_work(lab):
            second = lab.redeploy("--node", NODE, "--full", "--json", LOGNAME="luz")
            sample = once(replace(second, codes=(1,)))
            [node] = lab.report(sample)["nodes"]
            said = " ".join(refusal["reason"] for refusal in node["refusals"])
            if not TOLD.search(said):
                raise BenchError(f"the second operator saw another message: {said}")
        refused.append(sample)
        print(f"  round {turn + 1}: refused after {sample.seconds:.2f} s")
    return [
        figure(
            "refusal of the second operator", seconds(refused), goal=at_most(LIMIT_SECONDS, "s"),
            reason="a push holds no lock: both would run at the same time",
            note=f"the slowest of {rounds}: {max(seconds(refused)):.2f} s",
        )
    ]  # fmt: skip


@contextlib.contextmanager
def _at_work(lab: Lab) -> Iterator[None]:
    """Have an operator at work on the node; the run is waited for at the end.

    Raises:
        BenchError: when it does not begin within a minute, or ends badly.
    """
    first = lab.redeploy("--node", NODE, "--full", LOGNAME="ana")
    with subprocess.Popen(
        first.argv, env=os.environ | dict(first.env), stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        deadline = time.monotonic() + 60
        while not once(lab.inside(NODE, HOLDER)).stdout.strip():
            if process.poll() is not None or time.monotonic() > deadline:
                raise BenchError("the first operator's run did not begin")
            time.sleep(0.2)
        yield
    if process.returncode:
        raise BenchError(f"the first operator's run ended with {process.returncode}")

"""Times commands, and makes figures of the times: medians, ratios and whether a goal is met."""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

LIMIT_SECONDS = 3600.0
# What takes longer than this in its first round is not measured in every other one.
SLOW_SECONDS = 60.0


class BenchError(Exception):
    """A command of a bench ended otherwise than it must, so that its time means nothing."""


@dataclass(frozen=True)
class Command:
    """One contestant's command; `codes` are the exit codes it may end with."""

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None
    stdin: bytes = b""
    codes: tuple[int, ...] = (0,)


@dataclass(frozen=True)
class Sample:
    """What one run of a command took.

    Attributes:
        seconds: from its start to its end.
        cpu: processor seconds of the command and of all processes it waited for.
        memory: megabytes of its largest process.
        stdout: what it printed.
        code: the exit code that it ended with.
    """

    seconds: float
    cpu: float = 0.0
    memory: float = 0.0
    stdout: str = ""
    code: int = 0


def once(command: Command) -> Sample:
    """Run a command to its end and return what it took.

    Raises:
        BenchError: when it cannot be started, or ends with another code than it may.
    """
    with (
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as said,
        tempfile.TemporaryFile() as given,
    ):
        given.write(command.stdin)
        given.seek(0)
        began = time.perf_counter()
        try:
            process = subprocess.Popen(
                command.argv, env=os.environ | dict(command.env), cwd=command.cwd,
                stdin=given, stdout=out, stderr=said,
            )  # fmt: skip
        except OSError as error:
            raise BenchError(f"{command.argv[0]}: {error.strerror}") from None
        timer = threading.Timer(LIMIT_SECONDS, process.kill)
        timer.daemon = True
        timer.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.terminate()
            raise
        finally:
            timer.cancel()
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in command.codes:
            shown = " ".join(command.argv)[:300]
            told = (_text(out) + _text(said))[-3000:]
            raise BenchError(f"`{shown}` ended with {process.returncode}:\n{told}")
        cpu = usage.ru_utime + usage.ru_stime
        return Sample(seconds, cpu, usage.ru_maxrss / 1024, _text(out), process.returncode)


def _text(stream: IO[bytes]) -> str:
    stream.seek(0)
    return stream.read().decode(errors="replace")


Contestant = Callable[[], Sample]
Samples = dict[str, list[Sample]]


def interleaved(
    contestants: Mapping[str, Contestant],
    rounds: int,
    tell: Callable[[str], None] = print,
    optional: Sequence[str] = (),
    missing: dict[str, str] | None = None,
) -> Samples:
    """Run the contestants by turns, so that what else the machine does disturbs them alike.

    A slow one (over a minute) takes part in the first of every three rounds only. An `optional`
    one that fails is left out, and `missing` says why.
    """
    found: Samples = {name: [] for name in contestants}
    out = {} if missing is None else missing
    for turn in range(rounds):
        for name, run in contestants.items():
            slow = bool(found[name]) and found[name][-1].seconds > SLOW_SECONDS
            if name in out or (slow and turn % 3):
                continue
            try:
                sample = run()
            except BenchError as error:
                if name not in optional:
                    raise
                out[name] = f"it fails here: {str(error).strip().splitlines()[-1][:200]}"
                tell(f"  round {turn + 1}: {name}: {out[name]}")
                continue
            found[name].append(sample)
            tell(f"  round {turn + 1}: {name} {sample.seconds:.2f} s, cpu {sample.cpu:.2f} s")
    return found


@dataclass(frozen=True)
class Goal:
    """What a figure has to reach: a highest value, itself or as a part of the peer's.

    Attributes:
        text: the goal in words.
        value: the highest value ours may have.
        times: the highest value ours may have, as a multiple of the peer's.
    """

    text: str = "figure only"
    value: float | None = None
    times: float | None = None


def at_most(value: float, unit: str) -> Goal:
    """Ours may not exceed `value`."""
    return Goal(f"at most {value:g} {unit}", value=value)


def at_most_times(times: float) -> Goal:
    """Ours may not exceed the peer's figure `times` over."""
    return Goal(f"at most {times:g} times the peer's", times=times)


def times_faster(times: float) -> Goal:
    """Ours must take no more than one `times`-th of the peer's."""
    return Goal(f"at least {times:g} times faster than the peer", times=1 / times)


FIGURE_ONLY = Goal()


@dataclass(frozen=True)
class Figure:
    """One line of the results.

    Attributes:
        name: what was measured.
        ours: our median, None when it could not be had.
        peer: the peer's median, None when there is none or it could not be had.
        limit: the highest value of ours that meets the goal, in `unit`.
        ratio: ours divided by the peer's.
        met: whether the goal is met; None when there is none, or no figure.
        against: who the peer is.
        rounds: how many times ours and the peer were measured.
        reason: why a figure is missing.
        note: what a reader has to know of it.
        simulated: whether a part of it was played by a stand-in.
    """

    name: str
    ours: float | None
    peer: float | None
    limit: float | None
    unit: str
    ratio: float | None
    goal: str
    met: bool | None
    against: str = ""
    rounds: tuple[int, int] = (0, 0)
    reason: str = ""
    note: str = ""
    simulated: bool = False


def figure(
    name: str,
    ours: Sequence[float],
    peer: Sequence[float] = (),
    *,
    unit: str = "s",
    goal: Goal = FIGURE_ONLY,
    against: str = "",
    reason: str = "",
    note: str = "",
    simulated: bool = False,
) -> Figure:
    """Return the figure of what was measured: medians, their ratio, the limit and the verdict."""
    mine = _rounded(statistics.median(ours)) if ours else None
    theirs = _rounded(statistics.median(peer)) if peer else None
    limit = goal.value
    if goal.times is not None:
        limit = None if theirs is None else _rounded(goal.times * theirs)
    met = None if limit is None or mine is None else mine <= limit
    ratio = None if mine is None or not theirs else _rounded(mine / theirs)
    rounds = (len(ours), len(peer))
    return Figure(
        name, mine, theirs, limit, unit, ratio, goal.text, met, against, rounds, reason, note,
        simulated,
    )  # fmt: skip


def _rounded(value: float) -> float:
    """Return `value` with four digits that count."""
    return float(f"{value:.4g}")


def seconds(samples: Sequence[Sample]) -> list[float]:
    """Return the wall times."""
    return [sample.seconds for sample in samples]


def cpu(samples: Sequence[Sample], nodes: int = 1) -> list[float]:
    """Return the processor times for each node."""
    return [sample.cpu / nodes for sample in samples]


def memory(samples: Sequence[Sample]) -> list[float]:
    """Return the megabytes of the largest process."""
    return [sample.memory for sample in samples]

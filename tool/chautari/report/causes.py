"""What stands behind a failed task, where its words give it away, and what to do then."""

from __future__ import annotations

import re
from dataclasses import dataclass

from chautari.report.model import Failure


@dataclass(frozen=True)
class Cause:
    """A cause of failures of many tasks.

    Attributes:
        said: what the task says when this stopped it.
        step: the cause and what to do about it, in one line.
        anywhere: whether it explains the failure also where only the node's journal tells of it.
    """

    said: re.Pattern[str]
    step: str
    anywhere: bool = False


def _said(*parts: str) -> re.Pattern[str]:
    return re.compile("|".join(parts), re.IGNORECASE | re.MULTILINE)


CAUSES = (
    Cause(
        _said(r"no space left on device", r"\[Errno 28\]", r"don't have enough free space"),
        "its disk is full: `df -h; df -i` there shows which; make room on it.",
        anywhere=True,
    ),
    Cause(
        _said("out of memory", "cannot allocate memory", r"\[Errno 12\]", "^MemoryError",
              "oom-kill", "^Killed$"),
        "it ran out of memory: `free -m` there shows how much it has; stop what else runs there, "
        "or give it more.",
        anywhere=True,
    ),
    Cause(
        _said("could not get lock", "unable to (?:acquire|lock) the", "failed to lock apt"),
        "another program holds apt's lock, mostly the machine's own updates: wait until it is done "
        "(`pgrep -a 'apt|dpkg|unattended'` there shows it); delete no lock.",
    ),
    Cause(
        _said("another preparation is still at work", "a run is at work on this node"),
        "somebody is at work there already: wait until that has ended, then deploy again.",
    ),
    Cause(
        _said("dpkg was interrupted"),
        "an installation was cut off, perhaps by a power cut: run `dpkg --configure -a` there.",
    ),
    Cause(
        _said("temporary failure (?:in name resolution|resolving)", "could not resolve",
              "name or service not known", "no address associated with hostname"),
        "it could not look up a name: see that `getent hosts example.org` answers there, and "
        "mend its network or /etc/resolv.conf.",
    ),
)  # fmt: skip


def next_step(failure: Failure) -> str:
    """Return the cause of a failure with what to do, in one line; empty when it is not known.

    The task's own words count first: the journal tells of the whole machine.
    """
    if found := step(failure.message):
        return found
    journal = "\n".join(failure.journal)
    return next((c.step for c in CAUSES if c.anywhere and c.said.search(journal)), "")


def step(message: str) -> str:
    """Return the cause that a message gives away with what to do, in one line; empty for none."""
    return next((cause.step for cause in CAUSES if cause.said.search(message)), "")

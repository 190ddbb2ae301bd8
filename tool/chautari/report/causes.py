"""Known causes of failures, found in what Ansible, apt, dpkg and SSH print."""

from __future__ import annotations

import re
from typing import NamedTuple

from chautari.report.model import TaskFailure


class FailureCause(NamedTuple):
    """A cause of failures of many tasks.

    Attributes:
        code: its text is in `next_step_texts.CAUSES`.
        pattern: what a task prints when this stopped it.
        in_journal: whether it explains the failure also when only the node's journal shows it.
    """

    code: str
    pattern: re.Pattern[str]
    in_journal: bool = False


def _compile_alternatives(*parts: str) -> re.Pattern[str]:
    return re.compile("|".join(parts), re.IGNORECASE | re.MULTILINE)


CAUSES = (
    FailureCause(
        "disk_full",
        _compile_alternatives(
            r"no space left on device", r"\[Errno 28\]", r"don't have enough free space"
        ),
        in_journal=True,
    ),
    FailureCause(
        "out_of_memory",
        _compile_alternatives(
            "out of memory", "cannot allocate memory", r"\[Errno 12\]", "^MemoryError",
            "oom-kill", "^Killed$",
        ),
        in_journal=True,
    ),
    FailureCause(
        "port_taken",
        _compile_alternatives(r"bind\(\) .*failed", "address already in use", r"\[Errno 98\]"),
        in_journal=True,
    ),
    FailureCause(
        "apt_locked",
        _compile_alternatives(
            "could not get lock", "unable to (?:acquire|lock) the", "failed to lock apt"
        ),
    ),
    FailureCause(
        "other_run",
        _compile_alternatives("another preparation is running", "another run is active"),
    ),
    FailureCause("dpkg_interrupted", _compile_alternatives("dpkg was interrupted")),
    FailureCause(
        "no_name_resolution",
        _compile_alternatives(
            "temporary failure (?:in name resolution|resolving)", "could not resolve",
            "name or service not known", "no address associated with hostname",
        ),
    ),
)  # fmt: skip


def find_cause_code(failure: TaskFailure) -> str:
    """Return the code of a failure's cause; empty when it is unknown.

    The task's own message counts first: the journal covers the whole machine.
    """
    if found := match_cause_code(failure.message):
        return found
    journal = "\n".join(failure.journal)
    matches = (item.code for item in CAUSES if item.in_journal and item.pattern.search(journal))
    return next(matches, "")


def match_cause_code(message: str) -> str:
    """Return the code of the cause that a message shows; empty when it is unknown."""
    return next((item.code for item in CAUSES if item.pattern.search(message)), "")

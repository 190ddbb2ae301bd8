"""The one family of expected errors. Only the command's entry point catches them.

Exit codes (DESIGN.md): 0 done, 1 the run or a check failed, 2 bad input, 3 a bug of ours,
130 interrupted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


class ChautariError(Exception):
    """Something that can be expected to go wrong, told in plain words with the next step."""

    exit_code = 1

    def __init__(self, message: str, *, fix: str = "") -> None:
        """Keep what went wrong (`message`) and what the reader can do about it (`fix`)."""
        super().__init__(message)
        self.message = message
        self.fix = fix

    def __str__(self) -> str:
        """Return the message and, on a line of its own, the next step."""
        return f"{self.message}\n  → {self.fix}" if self.fix else self.message


class RunFailed(ChautariError):
    """A run on a node, or something it needs on this machine, failed."""


class BadInput(ChautariError):
    """The input cannot be used; nothing was connected to."""

    exit_code = 2


@dataclass(frozen=True, order=True)
class Problem:
    """One thing wrong in a file: where it stands (lines and columns count from 1) and why."""

    file: Path
    line: int
    column: int
    where: str
    message: str

    def __str__(self) -> str:
        """Return `file:line:column: path: message`, which editors can jump to."""
        place = f"{self.file}:{self.line}:{self.column}: "
        return place + (f"{self.where}: {self.message}" if self.where else self.message)


class InvalidRegion(BadInput):
    """Every problem found in a region's files, in the order of their lines."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        """Sort `problems` and make one line of each."""
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(str(problem) for problem in self.problems))

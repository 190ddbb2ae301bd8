"""Expected errors. Only the command's entry point catches them.

Exit codes (DESIGN.md): 0 done, 1 the run or a check failed, 2 bad input, 3 a bug in Chautari,
130 interrupted.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple


class ChautariError(Exception):
    """An expected error, with a plain message and the next step."""

    exit_code = 1

    def __init__(self, message: str, *, fix: str = "") -> None:
        """Store what happened (`message`) and what the reader can do (`fix`)."""
        super().__init__(message)
        self.message = message
        self.fix = fix

    def __str__(self) -> str:
        """Return the message and, on a separate line, the next step."""
        return f"{self.message}\n  Fix: {self.fix}" if self.fix else self.message

    def as_object(self) -> dict[str, object]:
        """Return the error as plain JSON data."""
        return {"exit_code": self.exit_code, "message": self.message, "fix": self.fix}


class RunFailed(ChautariError):
    """A run on a node, or something it needs on this machine, failed."""


class BadInput(ChautariError):
    """The input cannot be used. No machine was contacted."""

    exit_code = 2


class NotARecipient(BadInput):
    """Secrets are encrypted to other keys than those of this person."""


class ProblemInFile(NamedTuple):
    """One error in a file: its position (lines and columns count from 1) and the reason."""

    file: Path
    line: int
    column: int
    where: str
    message: str

    def __str__(self) -> str:
        """Return `file:line:column: path: message`, which editors can jump to."""
        place = f"{self.file}:{self.line}:{self.column}: "
        return place + (f"{self.where}: {self.message}" if self.where else self.message)


MAX_SHOWN_PROBLEMS = 100


class InvalidRegion(BadInput):
    """All errors in a region's files, in the order of their lines."""

    def __init__(self, problems: Sequence[ProblemInFile]) -> None:
        """Sort `problems` and format each as one line."""
        self.problems = tuple(sorted(set(problems)))
        lines = [str(problem) for problem in self.problems[:MAX_SHOWN_PROBLEMS]]
        if rest := len(self.problems) - len(lines):
            lines.append(f"More errors: {rest:,}. Fix the errors above first.")
        super().__init__("\n".join(lines))

    def as_object(self) -> dict[str, object]:
        """Return every problem with its place in its file."""
        problems = [problem._asdict() | {"file": str(problem.file)} for problem in self.problems]
        return {**super().as_object(), "problems": problems}

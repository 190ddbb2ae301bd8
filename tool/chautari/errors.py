"""Expected errors. Only the command's entry point catches them.

Exit codes (DESIGN.md): 0 done, 1 the run or a check failed, 2 bad input, 3 a bug in Chautari,
130 interrupted.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from chautari.language import _

_QUOTED = re.compile(r"(?<!\w)'[^']*'|(?<!\w)\"[^\"]*\"|`[^`]*`")


class ChautariError(Exception):
    """An expected error, with a plain message and the next step."""

    exit_code = 1
    error_code = "failed"  # for programs

    def __init__(self, message: str, *, fix: str = "") -> None:
        """Store what happened (`message`) and what the reader can do (`fix`)."""
        super().__init__(message)
        self.message = message
        self.fix = fix

    def __str__(self) -> str:
        """Return the message and, on a separate line, the next step."""
        return (
            _("{message}\n  Fix: {fix}", message=self.message, fix=self.fix)
            if self.fix
            else self.message
        )

    def as_object(self) -> dict[str, object]:
        """Return the error as plain JSON data."""
        return {"exit_code": self.exit_code, "message": self.message, "fix": self.fix}

    def items(self) -> list[dict[str, object]]:
        """Return each mistake by itself, for programs: its code, place, message and fix."""
        return [error_item(self.error_code, self.message, self.fix)]


def error_item(code: str, message: str, fix: str, file: Path | None = None) -> dict[str, object]:
    """Return a mistake that is at no line of a file."""
    place = {"file": None if file is None else str(file), "line": None, "column": None}
    return {"code": code, **place, "where": "", "message": message, "fix": fix}


class RunFailed(ChautariError):
    """A run on a node, or something it needs on this machine, failed."""

    error_code = "run_failed"


class BadInput(ChautariError):
    """The input cannot be used. No machine was contacted."""

    exit_code = 2
    error_code = "bad_input"


class NotARecipient(BadInput):
    """Secrets are encrypted to other keys than those of this person."""

    error_code = "not_a_recipient"


class ProblemInFile(NamedTuple):
    """One error in a file: its position (lines and columns count from 1) and the reason.

    The message has the form `what is wrong; what to write instead`.
    """

    file: Path
    line: int
    column: int
    where: str
    message: str
    code: str = "invalid_value"

    def __str__(self) -> str:
        """Return `file:line:column: path: message`, which editors can jump to."""
        place = f"{self.file}:{self.line}:{self.column}: "
        return place + (f"{self.where}: {self.message}" if self.where else self.message)

    def as_object(self) -> dict[str, object]:
        """Return the error as plain JSON data, with the fix apart from the message."""
        message, fix = split_fix(self.message)
        place = {"file": str(self.file), "line": self.line, "column": self.column}
        return {"code": self.code, **place, "where": self.where, "message": message, "fix": fix}


def split_fix(message: str) -> tuple[str, str]:
    """Return what is wrong, and what to write instead; a message may consist of the latter only.

    A semicolon in a quoted value ends nothing.
    """
    masked = _QUOTED.sub(lambda found: "x" * len(found[0]), message)
    end = masked.find("; ")
    return (message, message) if end < 0 else (message[:end], message[end + 2 :])


MAX_SHOWN_PROBLEMS = 100


class InvalidRegion(BadInput):
    """All errors in a region's files, in the order of their lines."""

    error_code = "invalid_region"

    def __init__(self, problems: Sequence[ProblemInFile]) -> None:
        """Sort `problems` and format each as one line."""
        self.problems = tuple(sorted(set(problems)))
        lines = [str(problem) for problem in self.problems[:MAX_SHOWN_PROBLEMS]]
        if rest := len(self.problems) - len(lines):
            lines.append(_("More errors: {rest:,}. Fix the errors above first.", rest=rest))
        super().__init__("\n".join(lines))

    def items(self) -> list[dict[str, object]]:
        """Return every problem with its place in its file."""
        return [problem.as_object() for problem in self.problems]

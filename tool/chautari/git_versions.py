"""What git knows of a region's file: how to restore it, and how to end a conflict in it."""

from __future__ import annotations

import shlex
from pathlib import Path

from chautari.errors import ChautariError
from chautari.language import _
from chautari.process import run

_SECONDS = 20


def restore_step(file: Path) -> str:
    """Return how to restore a damaged or lost file: a command, if git has a version of it."""
    if is_committed(file):
        words = ["git", "-C", str(file.parent), "checkout", "HEAD", "--", file.name]
        return _("restore the file from git: {command}", command=shlex.join(words))
    return _(
        "restore {file} from a copy: git has no committed version of this file, so ask another "
        "operator for theirs",
        file=file,
    )


def is_committed(file: Path) -> bool:
    """Return whether the last commit contains this file."""
    return _git_knows(file, "cat-file", "-e", f"HEAD:./{file.name}")


def has_conflict(file: Path) -> bool:
    """Return whether git stopped with a conflict in this file."""
    return _git_knows(file, "ls-files", "-u", "--", file.name, with_output=True)


def _git_knows(file: Path, *arguments: str, with_output: bool = False) -> bool:
    try:
        found = run(("git", "-C", str(file.parent), *arguments), timeout=_SECONDS, check=False)
    except ChautariError:
        return False
    return found.code == 0 and (bool(found.text.strip()) or not with_output)

"""Git's side of a merge of `secrets.age`: the driver's settings, and the versions of a conflict."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import NamedTuple

from chautari.errors import BadInput
from chautari.files import read_bytes_if_present, write_atomically
from chautari.language import _
from chautari.process import CompletedProcess, ProcessError, run
from chautari.region.locate import SECRETS_FILE

NAME = "chautari-secrets"
ATTRIBUTES_FILE = ".gitattributes"
# `-text` keeps git from changing line ends, which are no line ends in an encrypted file.
ATTRIBUTES = f"{SECRETS_FILE} -text -diff merge={NAME}"
_SECONDS = 20
_MAX_ATTRIBUTES_BYTES = 1_000_000


class Versions(NamedTuple):
    """The three encrypted versions of a conflict; the base is empty if there is none."""

    base: bytes
    ours: bytes
    theirs: bytes


def driver_command() -> str:
    """Return the command that git runs in the shell for a merge."""
    # The Python of this installation: git runs it from terminals where `deploy` is not in PATH.
    return f"{shlex.quote(sys.executable)} -m chautari secrets merge-driver %O %A %B %P"


def repository_of(folder: Path) -> Path | None:
    """Return the top folder of the git repository that contains `folder`, if there is one."""
    try:
        found = _git(folder, "rev-parse", "--show-toplevel")
    except ProcessError:
        return None
    return Path(found.text.strip()) if found.code == 0 and found.text.strip() else None


def is_wanted(folder: Path) -> bool:
    """Return whether `.gitattributes` asks for the driver for the secrets under `folder`."""
    found = _git(folder, "check-attr", "merge", "--", f"any/{SECRETS_FILE}")
    return found.code == 0 and found.text.rstrip().endswith(f": {NAME}")


def is_installed(repository: Path) -> bool:
    """Return whether this clone runs the driver of this installation."""
    found = _git(repository, "config", "--local", f"merge.{NAME}.driver")
    return found.code == 0 and found.text.rstrip("\n") == driver_command()


def install(repository: Path) -> None:
    """Set the driver in the settings of this clone. Git never takes them from other clones.

    Raises:
        ProcessError: when git cannot write its settings.
    """
    settings = {
        "name": f"merge {SECRETS_FILE} secret by secret",
        "driver": driver_command(),
        # Merges of several old versions into one base have no conflict that a person could settle.
        "recursive": "binary",
    }
    for key, value in settings.items():
        _git(repository, "config", "--local", f"merge.{NAME}.{key}", value, check=True)


def add_attributes(repository: Path) -> bool:
    """Write the line into `.gitattributes`; return whether it was missing."""
    file = repository / ATTRIBUTES_FILE
    content = read_bytes_if_present(file, _MAX_ATTRIBUTES_BYTES)
    if ATTRIBUTES.encode() in content.splitlines():
        return False
    text = content + (b"\n" if content and not content.endswith(b"\n") else b"")
    write_atomically(file, text + f"{ATTRIBUTES}\n".encode())
    return True


def versions_of_conflict(file: Path) -> Versions:
    """Return what git keeps of a file with a conflict.

    Raises:
        BadInput: when the file has no conflict.
    """
    listed = _git(file.parent, "ls-files", "-u", "-z", "--", file.name)
    stages = {line.split()[2] for line in listed.text.split("\0") if line}
    if listed.code or not {"2", "3"} <= stages:
        raise BadInput(
            f"git has no conflict in {file}",
            fix=_(
                "run this command after `git merge`, `git rebase` or `git pull` has stopped "
                "with a conflict in this file. If one side deleted the file, choose it with "
                "git"
            ),
        )
    base, ours, theirs = (
        _git(file.parent, "show", f":{stage}:./{file.name}", check=True).stdout
        if stage in stages
        else b""
        for stage in "123"
    )
    return Versions(base, ours, theirs)


def _git(folder: Path, *arguments: str, check: bool = False) -> CompletedProcess:
    return run(("git", "-C", str(folder), *arguments), timeout=_SECONDS, check=check)

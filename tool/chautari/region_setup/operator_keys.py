"""Public SSH keys of the person: from the agent and from ~/.ssh."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from chautari.account import home_dir
from chautari.errors import ChautariError
from chautari.files import read_regular_file
from chautari.process import ProcessError, run
from chautari.region.ssh_key_types import validate_public_key

AGENT = "ssh-agent"
MAX_KEYS = 50
MAX_KEY_BYTES = 20_000
AGENT_SECONDS = 10
# The names that SSH itself tries, the best first.
_USUAL = ("id_ed25519.pub", "id_rsa.pub")


class OperatorKey(NamedTuple):
    """A key that can log in and decrypt secrets, and where it was found."""

    line: str
    source: str


class UnusableKey(NamedTuple):
    """A key that cannot be used for a region, with the reason."""

    source: str
    reason: str


def find_operator_keys() -> tuple[list[OperatorKey], list[UnusableKey]]:
    """Return the person's keys, each once.

    Files come before the agent: only with the file of a private key secrets can be decrypted.
    """
    found: dict[str, OperatorKey] = {}
    unusable = []
    for line, source in (*_keys_in_files(), *_keys_of_agent()):
        try:
            valid = validate_public_key(line)
        except ValueError as error:
            unusable.append(UnusableKey(source, str(error)))
            continue
        found.setdefault(valid.split()[1], OperatorKey(valid, source))
    return list(found.values())[:MAX_KEYS], unusable[:MAX_KEYS]


def read_key_file(file: Path) -> OperatorKey:
    """Return the public key in a file.

    Raises:
        ValueError: when it holds another thing.
        UnusableFile: when it cannot be read.
    """
    text = read_regular_file(file, MAX_KEY_BYTES).decode(errors="replace")
    return OperatorKey(validate_public_key(text.strip()), str(file))


def _keys_in_files() -> Iterator[tuple[str, str]]:
    folder = home_dir() / ".ssh"
    try:
        files = sorted(folder.glob("*.pub"), key=_sort_key_usual_names_first)
    except OSError:
        return
    for file in files[:MAX_KEYS]:
        if file.name.endswith("-cert.pub"):
            continue
        try:
            yield read_regular_file(file, MAX_KEY_BYTES).decode(errors="replace").strip(), str(file)
        except ChautariError:
            continue


def _sort_key_usual_names_first(file: Path) -> tuple[int, str]:
    return (_USUAL.index(file.name) if file.name in _USUAL else len(_USUAL), file.name)


def _keys_of_agent() -> Iterable[tuple[str, str]]:
    if not os.environ.get("SSH_AUTH_SOCK"):
        return ()
    try:
        listed = run(("ssh-add", "-L"), timeout=AGENT_SECONDS, check=False)
    except ProcessError:
        return ()
    lines = listed.text.splitlines()[:MAX_KEYS] if listed.code == 0 else []
    return [(line, AGENT) for line in lines]

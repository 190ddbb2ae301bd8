"""Name the processes of the login that started a run, so that a role can prove how it logged in."""

from __future__ import annotations

import os
from pathlib import Path


def own_and_ancestor_pids() -> list[int]:
    """Return the ids of this process and its ancestors; sshd of the login is one of them."""
    found, pid = [], os.getpid()
    while pid > 1:
        found.append(pid)
        try:
            status = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            break
        # The name in brackets may contain spaces and brackets.
        pid = int(status.rpartition(")")[2].split()[1])
    return found

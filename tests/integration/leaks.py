"""Searches for secrets: arguments of all processes during a deploy, and files on nodes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from chautari_sandbox.privileges import as_root

# Containers share the kernel of this machine, so its /proc shows the processes of all nodes, of ssh
# and of the tool. A process that was just started still has its parent's arguments, so each is
# read three times.
SAMPLER = """
import os, select, sys
reads, known = {}, set()
with open(sys.argv[1], "wb", 0) as output:
    while not select.select([0], [], [], 0.01)[0]:
        alive = {name for name in os.listdir("/proc") if name.isdigit()}
        reads = {name: reads.get(name, 0) + 1 for name in alive}
        for name in (name for name in alive if reads[name] <= 3):
            try:
                with open(f"/proc/{name}/cmdline", "rb") as file:
                    line = file.read()
            except OSError:
                continue
            if line not in known:
                known.add(line)
                output.write(line.replace(b"\\0", b" ") + b"\\n")
"""
# The names of files with one of the patterns (on standard input) that any account can read.
OPEN_FILES = (
    "runuser -u nobody -- grep -rlsaF -D skip -f - /etc /var /opt /tmp /run /srv /home /usr/local"
    "; true"
)
# The same for files that only root can read, but that must not contain secrets either.
CLOSED_FILES = (
    "grep -rlsaF -D skip -f - /var/lib/chautari /run/chautari /var/cache /tmp /var/tmp /var/log"
    "; true"
)
JOURNAL = "journalctl --no-pager -o cat"
# A line of these files: it shows that a search finds what is there.
CONTROL = "root:x:0:0:"
CONTROL_FILES = ("/etc/passwd", "/etc/passwd-")


class ArgumentSampler:
    """Records the arguments of every process of this machine that runs for some milliseconds."""

    def __init__(self, file: Path) -> None:
        """Start the sampler; it writes to `file`."""
        self._file = file
        argv = as_root([sys.executable, "-c", SAMPLER, str(file)])
        self._process = subprocess.Popen(argv, stdin=subprocess.PIPE)

    def stop(self) -> str:
        """Stop the sampler and return the arguments, one process a line."""
        self._process.communicate(timeout=30)
        return self._file.read_text(errors="replace")


def local_files_with(patterns: Iterable[str], *folders: Path) -> list[Path]:
    """Return the files of this machine below `folders` that contain one of the patterns."""
    argv = as_root(["grep", "-rlsaF", "-D", "skip", "-f", "-", *map(str, folders)])
    found = subprocess.run(
        argv, input="\n".join(patterns), stdout=subprocess.PIPE, text=True, check=False
    )
    return [Path(line) for line in found.stdout.splitlines()]


def patterns_of(secrets: Iterable[str]) -> list[str]:
    """Return of each secret a line that no other text has: of a key, one from its middle."""
    lines = [secret.strip().splitlines() for secret in secrets]
    return [found[len(found) // 2] for found in lines if found]

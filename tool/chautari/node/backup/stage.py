"""Copy what changed while services are paused, so that they run again before it is uploaded.

borg stores a path below its working directory under the same name as the absolute path, and a
restore takes the last copy of a name.
"""

from __future__ import annotations

import os
import shutil
import stat
from contextlib import suppress
from pathlib import Path

from chautari.node.backup.scan import Entry

_COPY_BLOCK = 1 << 20


def create_empty_stage(stage: Path) -> None:
    """Create an empty folder for copies, closed to other accounts."""
    shutil.rmtree(stage, ignore_errors=True)
    stage.mkdir(parents=True, mode=0o700)


def copy_entry(entry: Entry, stage: Path) -> bytes | None:
    """Copy one path with its mode, owner and times, and return the relative path of the copy.

    Returns:
        None when the path has gone meanwhile.
    """
    relative = entry.path.lstrip(b"/")
    target = os.path.join(os.fsencode(stage), relative)
    os.makedirs(os.path.dirname(target), mode=0o700, exist_ok=True)
    try:
        found = os.lstat(entry.path)
        if stat.S_ISLNK(found.st_mode):
            os.symlink(os.readlink(entry.path), target)
        elif stat.S_ISDIR(found.st_mode):
            os.makedirs(target, exist_ok=True)
        elif stat.S_ISREG(found.st_mode):
            _copy_content(entry.path, target)
        else:
            return None
    except FileNotFoundError:
        return None
    _copy_attributes(entry.path, target, found)
    return relative


def _copy_content(source: bytes, target: bytes) -> None:
    # A file that became a pipe meanwhile must not be waited for.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
    reading = os.open(source, flags)
    try:
        writing = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            while block := os.read(reading, _COPY_BLOCK):
                os.writev(writing, [block])
        finally:
            os.close(writing)
    finally:
        os.close(reading)


def _copy_attributes(source: bytes, target: bytes, attributes: os.stat_result) -> None:
    os.chown(target, attributes.st_uid, attributes.st_gid, follow_symlinks=False)
    if not stat.S_ISLNK(attributes.st_mode):
        os.chmod(target, stat.S_IMODE(attributes.st_mode))
        with suppress(OSError):
            for name in os.listxattr(source):
                if name.startswith("user.") or name == "system.posix_acl_access":
                    os.setxattr(target, name, os.getxattr(source, name))
    os.utime(target, ns=(attributes.st_atime_ns, attributes.st_mtime_ns), follow_symlinks=False)

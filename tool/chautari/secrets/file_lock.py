"""One writer at a time: commands that change `secrets.age` on this machine wait for each other."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

from chautari.errors import BadInput
from chautari.language import _
from chautari.paths import state_dir

MAX_WAIT_SECONDS = 60.0
_PAUSE_SECONDS = 0.05
# File systems of a network may lock no folder; then a file of this machine is locked.
_NO_LOCK_HERE = (errno.EBADF, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL, errno.EACCES)


@contextlib.contextmanager
def hold_secrets_lock(file: Path) -> Iterator[None]:
    """Hold the lock of `file`; the system frees it as soon as this process ends.

    The folder is locked, so that no file is left behind and a link to the same file shares the
    lock. Commands that only read need no lock, since the file is replaced in one step.

    Raises:
        BadInput: when another command holds the lock for a minute.
    """
    folder = Path(os.path.realpath(file)).parent  # a link to itself is refused where it is read
    if not folder.is_dir():
        folder = file.parent
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            _wait_for_lock(handle, file)
        except OSError as error:
            if error.errno not in _NO_LOCK_HERE:
                raise
            os.close(handle)
            handle = _open_lock_file(folder)
            _wait_for_lock(handle, file)
        yield
    finally:
        os.close(handle)


def _open_lock_file(folder: Path) -> int:
    name = hashlib.sha256(os.fsencode(folder)).hexdigest()
    place = state_dir() / "secrets-locks" / name
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    return os.open(place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _wait_for_lock(handle: int, file: Path) -> None:
    deadline = time.monotonic() + MAX_WAIT_SECONDS
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise BadInput(
                    _(
                        "another command on this computer has been changing {file} for a minute",
                        file=file,
                    ),
                    fix=_("wait for that command to finish, or stop it; then run this one again"),
                ) from None
        time.sleep(_PAUSE_SECONDS)

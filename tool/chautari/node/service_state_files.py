"""Answer what services on this node report in files, such as the state of peers or backups."""

from __future__ import annotations

import os
import stat
from binascii import b2a_base64
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chautari.node.events import StateFilesAnswer

MAX_BYTES = 64 << 10


def state_files_answer(files: Mapping[str, str]) -> StateFilesAnswer:
    """Return the content of each file, by the name of its service; missing ones are left out.

    One byte more than the limit is read, so that the other side sees what is too long.
    """
    answer: StateFilesAnswer = {"event": "state_files", "files": {}, "errors": {}}
    for service, path in files.items():
        try:
            content = _read_regular_file(path)
        except FileNotFoundError:
            continue
        except OSError as error:
            answer["errors"][service] = error.strerror or type(error).__name__
            continue
        answer["files"][service] = b2a_base64(content, newline=False).decode()
    return answer


def _read_regular_file(path: str) -> bytes:
    # A link or a pipe in its place must neither be followed nor waited for.
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as stream:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(0, "not a regular file")
        return stream.read(MAX_BYTES + 1)

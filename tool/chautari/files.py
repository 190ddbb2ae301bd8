"""Writing files so that a power cut leaves the old one or the new one, never half of one."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write_atomically(
    file: Path, content: bytes | str, mode: int = 0o644, durable: bool = True
) -> None:
    """Replace `file` with `content`: written aside with `mode`, synced, renamed over it.

    What can be made again at any time need not be `durable`: syncing takes longer than writing.
    """
    raw = content.encode() if isinstance(content, str) else content
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, aside = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            os.fchmod(stream.fileno(), mode)
            stream.write(raw)
            if durable:
                stream.flush()
                os.fsync(stream.fileno())
        Path(aside).replace(file)
    except BaseException:
        Path(aside).unlink(missing_ok=True)
        raise

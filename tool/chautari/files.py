"""Writing files so that a power cut leaves the old or the new one, and reading our own."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any


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


def read_own(file: Path) -> Any:
    """Return what a YAML file of the toolkit itself holds; what people wrote goes through `guard`.

    libyaml reads it ten times faster where PyYAML was built with it.
    """
    import yaml

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(file.read_bytes(), Loader=loader)

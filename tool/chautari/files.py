"""Writes files atomically, and reads the toolkit's own files."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any


def write_atomically(
    file: Path, content: bytes | str, mode: int = 0o644, durable: bool = True
) -> None:
    """Replace `file` with `content`, so that a power cut leaves the old or the new content.

    Set `durable` to false for files that can be created again: syncing takes longer than writing.
    """
    raw = content.encode() if isinstance(content, str) else content
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            os.fchmod(stream.fileno(), mode)
            stream.write(raw)
            if durable:
                stream.flush()
                os.fsync(stream.fileno())
        Path(temporary).replace(file)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def read_toolkit_yaml(file: Path) -> Any:
    """Return the content of a YAML file of the toolkit. Use `yaml_reader` for files of users.

    PyYAML with libyaml reads it ten times faster.
    """
    import yaml

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(file.read_bytes(), Loader=loader)

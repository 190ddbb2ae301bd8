"""Unpack a bundle without trusting its archive."""

from __future__ import annotations

import io
import shutil
import tarfile
from pathlib import Path


def unpack_bundle(bundle: bytes, folder: Path) -> None:
    """Write the regular files of `bundle` into a new private `folder`, and none outside it.

    Debian 12's Python has no extraction filters yet, so the few rules are written here.

    Raises:
        ValueError: when the archive holds anything else.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    with tarfile.open(fileobj=io.BytesIO(bundle), mode="r:gz") as archive:
        for member in archive:
            target = (folder / member.name).resolve()
            content = archive.extractfile(member) if member.isreg() else None
            if content is None or folder.resolve() not in target.parents:
                raise ValueError(f"{member.name} does not belong in a bundle")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content.read())

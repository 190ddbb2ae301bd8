"""The files of a container before it boots: one tar archive, with reproducible bytes."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class ArchiveEntry:
    """One file, folder or link at an absolute path, owned by root."""

    path: str
    data: bytes = b""
    mode: int = 0o644
    kind: bytes = tarfile.REGTYPE


def text_entry(path: str, content: str, mode: int = 0o644) -> ArchiveEntry:
    """Return the entry of a text file."""
    return ArchiveEntry(path, content.encode(), mode)


def folder_entry(path: str, mode: int = 0o755) -> ArchiveEntry:
    """Return the entry of a folder."""
    return ArchiveEntry(path, mode=mode, kind=tarfile.DIRTYPE)


def link_entry(path: str, target: str) -> ArchiveEntry:
    """Return the entry of a symbolic link."""
    return ArchiveEntry(path, target.encode(), 0o777, tarfile.SYMTYPE)


def build_tar_archive(entries: Iterable[ArchiveEntry]) -> bytes:
    """Return entries as a tar archive in their order, with fixed times and owners.

    Nothing follows the two empty blocks that end an archive: podman stops reading there, and
    breaks its own pipe when more is under way.
    """
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for entry in entries:
            _add_entry(tar, entry)
        end = tar.offset + 2 * tarfile.BLOCKSIZE
    return buffer.getvalue()[:end]


def _add_entry(tar: tarfile.TarFile, entry: ArchiveEntry) -> None:
    info = tarfile.TarInfo(entry.path.lstrip("/"))
    info.mode, info.type = entry.mode, entry.kind
    if entry.kind == tarfile.SYMTYPE:
        info.linkname = entry.data.decode()
    elif entry.kind == tarfile.REGTYPE:
        info.size = len(entry.data)
    tar.addfile(info, io.BytesIO(entry.data))


def short_digest(*parts: bytes | str) -> str:
    """Return a short digest of some content."""
    total = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        total.update(str(len(data)).encode() + b":" + data)
    return total.hexdigest()[:16]

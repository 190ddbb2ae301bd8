"""Look into an archive without unpacking it: its kind, whether it is whole, and its version."""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple, cast

from chautari.deploy.pinning.refusal import PinRefused
from chautari.language import _
from chautari.node.archive_rules import (
    MAX_BYTES,
    CheckedEntries,
    Entry,
    EntryRefused,
    entry_of_tar,
    entry_of_zip,
)
from chautari.services.artifact_sources import ArtifactSource

MAX_VERSION_FILE = 1 << 20
_PIECE = 1 << 20
_BEGINNINGS = {
    "zip": b"PK\x03\x04", "gz": b"\x1f\x8b\x08", "bz2": b"BZh", "xz": b"\xfd7zXZ\x00",
}  # fmt: skip
_DAMAGED = (OSError, EOFError, ValueError, lzma.LZMAError, tarfile.TarError, zipfile.BadZipFile,
            NotImplementedError, RuntimeError)  # fmt: skip


# What people read about a broken rule; a release that breaks another one has an unsafe entry.
_CODES = {
    "too_many_entries": "archive_too_large",
    "unsafe_path": "unsafe_path",
    "not_in_folder": "no_single_folder",
}


class _ArchiveOfRelease(NamedTuple):
    """A file that should be the archive of a release."""

    file: Path
    source: ArtifactSource
    version: str

    def refused(self, code: str, **data: object) -> PinRefused:
        return PinRefused(code, name=self.source.name, version=self.version, **data)


class _UnpackableContent:
    """The content of an archive so far, all of which a node would unpack."""

    def __init__(self, release: _ArchiveOfRelease) -> None:
        self._release, self._entries, self._size = release, CheckedEntries(), 0

    def add_entry(self, entry: Entry, size: int) -> None:
        try:
            self._entries.add(entry)
        except EntryRefused as error:
            code = _CODES.get(error.code, "unsafe_entry")
            raise self._release.refused(code, path=ascii(error.name[:200])) from None
        self.add_bytes(size)

    def add_bytes(self, size: int) -> None:
        self._size += size
        if self._size > MAX_BYTES:
            raise self._release.refused("archive_too_large")


def check_archive(file: Path, url: str, source: ArtifactSource, version: str) -> None:
    """Make sure that a file is the whole archive of this release. Nothing is unpacked.

    Raises:
        PinRefused: when it is something else.
    """
    release = _ArchiveOfRelease(file, source, version)
    kind = url.rpartition(".")[2]
    with file.open("rb") as stream:
        if not stream.read(8).startswith(_BEGINNINGS.get(kind, b"\0")):
            raise release.refused("not_this_archive", kind=kind)
    try:
        texts = list(
            _read_version_files_in_zip(release)
            if kind == "zip"
            else _read_version_files_in_tar(release, kind)
        )
    except _DAMAGED as error:
        raise release.refused("archive_damaged", detail=str(error)[:200]) from None
    found = [match[1] for text in texts if (match := re.search(source.version_pattern, text))]
    if not found:
        raise release.refused("version_missing", file=source.version_file)
    if set(found) != {version}:
        raise release.refused("other_version", found=", ".join(sorted(set(found)))[:100])


def _is_version_file(release: _ArchiveOfRelease, name: str) -> bool:
    wanted = release.source.version_file
    name = name.removeprefix("./")
    return name == wanted or name.partition("/")[2] == wanted


def _read_version_files_in_zip(release: _ArchiveOfRelease) -> Iterator[str]:
    """Yield the text of the file with the version; read all files, which checks their sums."""
    with release.file.open("rb") as stream:
        stream.seek(0, 2)
        size = stream.tell()
        stream.seek(max(0, size - (1 << 16) - 22))
        end = stream.read()
    start = end.rfind(b"PK\x05\x06")
    comment = int.from_bytes(end[start + 20 : start + 22], "little")
    if start < 0 or start + 22 + comment != len(end):
        raise zipfile.BadZipFile(_("there are bytes after its end"))
    unpackable = _UnpackableContent(release)
    with zipfile.ZipFile(release.file) as archive:
        for member in archive.infolist():
            unpackable.add_entry(entry_of_zip(archive, member), member.file_size)
            with archive.open(member) as content:
                yield from _read_member_to_end(release, member.filename, content)


def _read_version_files_in_tar(release: _ArchiveOfRelease, kind: str) -> Iterator[str]:
    """Yield the text of the file with the version; read to the end, which checks the sum."""
    unpackable = _UnpackableContent(release)
    with _open_decompressed(release.file, kind) as plain:
        with tarfile.open(fileobj=plain, mode="r|") as archive:
            for member in archive:
                unpackable.add_entry(entry_of_tar(member), member.size)
                if member.isfile() and _is_version_file(release, member.name):
                    content = archive.extractfile(member)
                    assert content is not None
                    yield from _read_member_to_end(release, member.name, content)
        while piece := plain.read(_PIECE):
            if piece.strip(b"\0"):
                raise tarfile.ReadError(_("there are bytes after its end"))
            unpackable.add_bytes(len(piece))


def _open_decompressed(file: Path, kind: str) -> IO[bytes]:
    if kind == "gz":
        return cast("IO[bytes]", gzip.open(file, "rb"))
    return cast("IO[bytes]", bz2.open(file, "rb") if kind == "bz2" else lzma.open(file, "rb"))


def _read_member_to_end(release: _ArchiveOfRelease, name: str, content: IO[bytes]) -> Iterator[str]:
    if _is_version_file(release, name):
        yield content.read(MAX_VERSION_FILE).decode(errors="replace")
    while content.read(_PIECE):
        pass

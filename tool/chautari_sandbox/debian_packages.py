"""Writes Debian packages and a flat apt repository; equal input gives equal bytes."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import PurePosixPath

from chautari_sandbox.openpgp import SigningKey

TIME = 1_760_000_000
Files = Mapping[str, bytes]


@dataclass(frozen=True)
class DebianPackage:
    """One package: `control` holds its fields, `scripts` the other files of its control archive."""

    control: Mapping[str, str]
    scripts: Files = field(default_factory=dict)
    files: Files = field(default_factory=dict)

    @property
    def filename(self) -> str:
        """Return the package's usual file name."""
        version = self.control["Version"].partition(":")[2] or self.control["Version"]
        return f"{self.control['Package']}_{version}_{self.control['Architecture']}.deb"

    def pack(self) -> bytes:
        """Return the package's bytes."""
        control = {"control": _control_stanza(self.control).encode(), **self.scripts}
        members = {
            "debian-binary": b"2.0\n",
            "control.tar.gz": _pack_deb_member(control),
            "data.tar.gz": _pack_deb_member(self.files),
        }
        return b"!<arch>\n" + b"".join(_ar_member(*item) for item in members.items())


def repository_files(
    packages: Iterable[DebianPackage], suite: str, key: SigningKey, now: int
) -> dict[str, bytes]:
    """Return the files of a flat repository `deb URL suite/`, signed with `key` at the time `now`.

    A package lies in a folder named by its content: a cache that kept another package of the same
    name and version never hands that one out.
    """
    files: dict[str, bytes] = {}
    stanzas = []
    for package in packages:
        data = package.pack()
        digest = hashlib.sha256(data).hexdigest()
        path = f"{suite}/{digest[:16]}/{package.filename}"
        files[path] = data
        place = {"Filename": path, "Size": str(len(data)), "SHA256": digest}
        stanzas.append(_control_stanza({**package.control, **place}))
    index = "\n".join(stanzas).encode()
    files[f"{suite}/Packages"] = index
    files[f"{suite}/InRelease"] = key.clear_sign(_apt_release_file(suite, index, now), now).encode()
    return files


def _apt_release_file(suite: str, index: bytes, now: int) -> str:
    date = format_datetime(datetime.fromtimestamp(now, UTC), usegmt=True)
    return (
        f"Origin: Chautari sandbox\nLabel: doubles\nSuite: {suite}\nCodename: {suite}\n"
        f"Date: {date}\nArchitectures: all amd64 arm64\n"
        f"SHA256:\n {hashlib.sha256(index).hexdigest()} {len(index)} Packages\n"
    )


def _control_stanza(fields: Mapping[str, str]) -> str:
    return "".join(f"{name}: {value}\n" for name, value in fields.items())


def _pack_deb_member(files: Files) -> bytes:
    buffer = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as archive,
    ):
        for folder in _parent_folders(files):
            archive.addfile(_tar_entry(f"./{folder}/", 0o755, tarfile.DIRTYPE))
        for name, content in sorted(files.items()):
            mode = 0o755 if content.startswith(b"#!") else 0o644
            entry = _tar_entry(f"./{name}", mode, tarfile.REGTYPE)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def _parent_folders(files: Files) -> list[str]:
    parents = {parent for name in files for parent in PurePosixPath(name).parents}
    return sorted(str(parent) for parent in parents if str(parent) != ".")


def _tar_entry(name: str, mode: int, kind: bytes) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.mode, entry.type, entry.mtime = mode, kind, TIME
    entry.uname = entry.gname = "root"
    return entry


def _ar_member(name: str, data: bytes) -> bytes:
    head = f"{name:<16}{TIME:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n"
    return head.encode() + data + (b"\n" if len(data) % 2 else b"")

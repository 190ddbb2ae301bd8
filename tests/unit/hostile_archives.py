"""Archives of a release, each with one entry that no release may have."""

from __future__ import annotations

import functools
import gzip
import io
import stat
import tarfile
import warnings
import zipfile
from collections.abc import Callable, Iterable
from typing import NamedTuple

VERSION = "3.0.1"
VERSION_FILE = "constants.php"
CHARACTER_DEVICE = tarfile.CHRTYPE


class Item(NamedTuple):
    """An entry; `kind` is a type of tar, `target` where a link leads."""

    name: str
    content: bytes = b""
    kind: bytes = tarfile.REGTYPE
    target: str = ""
    mode: int = 0o644


def link(name: str, target: str) -> Item:
    return Item(name, kind=tarfile.SYMTYPE, target=target)


def release(version: str = VERSION) -> list[Item]:
    """Return the entries of an honest release, with the links that a release may have."""
    return [
        Item("app", kind=tarfile.DIRTYPE, mode=0o755),
        Item(f"app/{VERSION_FILE}", f"<?php\nconst VERSION = '{version}';\n".encode()),
        Item("app/bin/run", b"#!/bin/sh\n", mode=0o4755),
        link("app/run", "bin/run"),
        link("app/bin/up", "../constants.php"),
        Item("app/café.txt", b"\xc3\xa9"),
    ]


def tar_gz(items: Iterable[Item]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for item in items:
            info = tarfile.TarInfo(item.name)
            info.type, info.linkname, info.mode = item.kind, item.target, item.mode
            info.size = len(item.content)
            archive.addfile(info, io.BytesIO(item.content))
    return gzip.compress(stream.getvalue(), mtime=0)


def zip_file(items: Iterable[Item]) -> bytes:
    formats = {tarfile.SYMTYPE: stat.S_IFLNK, CHARACTER_DEVICE: stat.S_IFCHR}
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for item in items:
            folder = item.kind == tarfile.DIRTYPE
            info = zipfile.ZipInfo(item.name + "/" * folder)
            info.create_system = 3  # zip's own value on Linux
            info.external_attr = (formats.get(item.kind, stat.S_IFREG) | item.mode) << 16
            with warnings.catch_warnings(action="ignore"):  # one name twice is meant
                archive.writestr(info, item.target.encode() or item.content)
    return stream.getvalue()


# Each is added to an honest release.
HOSTILE: dict[str, list[Item]] = {
    "path that climbs out": [Item("app/../../../etc/cron.d/x", b"x")],
    "path that begins by climbing out": [Item("../x", b"x")],
    "absolute path": [Item("/tmp/chautari-escaped", b"x")],
    "path with a backslash": [Item("app\\..\\..\\x", b"x")],
    "name with a control character": [Item("app/\x1b[2J", b"x")],
    "link with a control character": [link("app/l", "bin/\x1b[2J")],
    "link to an absolute path": [link("app/l", "/etc/passwd")],
    "link that climbs out": [link("app/l", "../../etc/passwd")],
    "link to the folder above": [link("app/l", "..")],
    "link over another link": [link("app/a/b/l", "../.."), link("app/m", "a/b/l/../../x")],
    "file behind a link": [link("app/l", "bin"), Item("app/l/run2", b"x")],
    "file in place of a link": [link("app/l", "bin/run"), Item("app/l", b"x")],
    "file that is there twice": [Item(f"app/{VERSION_FILE}", b"const VERSION = '3.0.1';")],
    "device": [Item("app/null", kind=CHARACTER_DEVICE)],
    "two top folders": [Item("other/x", b"x")],
    "file beside the top folder": [Item("x", b"x")],
    "hidden folder beside the top folder": [Item(".git/config", b"x")],
}
HOSTILE_TAR: dict[str, list[Item]] = {
    "name that is no UTF-8": [Item("app/\udcff", b"x")],
    "hard link out": [Item("app/l", kind=tarfile.LNKTYPE, target="../../etc/passwd")],
    "hard link to a file outside": [Item("app/l", kind=tarfile.LNKTYPE, target="/etc/passwd")],
    "hard link to a link": [
        link("app/l", "bin/run"), Item("app/m", kind=tarfile.LNKTYPE, target="app/l"),
    ],
    "named pipe": [Item("app/pipe", kind=tarfile.FIFOTYPE)],
    "entry of an unknown kind": [Item("app/x", kind=b"Z", content=b"x")],
}  # fmt: skip


@functools.cache
def hostile_archives() -> dict[str, tuple[str, bytes]]:
    """Return the ending and the content of each hostile archive."""
    forms: dict[str, Callable[[Iterable[Item]], bytes]] = {"tar.gz": tar_gz, "zip": zip_file}
    found = {}
    for ending, pack in forms.items():
        for name, items in (HOSTILE | (HOSTILE_TAR if ending == "tar.gz" else {})).items():
            found[f"{ending}: {name}"] = ending, pack([*release(), *items])
    return found

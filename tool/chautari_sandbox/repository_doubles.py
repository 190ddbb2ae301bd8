"""Publishes doubles of package repositories on the mirror where upstream's are unavailable."""

from __future__ import annotations

import socket
import time
import urllib.parse
import urllib.request
from collections.abc import Iterable
from pathlib import Path

from chautari.files import write_atomically
from chautari.language import _
from chautari_sandbox import debian_packages, download, openpgp, paths
from chautari_sandbox.doubles import catalog
from chautari_sandbox.spec import RequiredRepository
from chautari_sandbox.state import RepositoryDouble

KEY_FILE = "archive-key.asc"
SUITE = "stable"


def publish_doubles_of_unserved_repositories(
    repositories: Iterable[RequiredRepository], folder: Path, mirror_root: Path, url: str
) -> tuple[RepositoryDouble, ...]:
    """Publish and return a double of each repository that upstream does not serve here."""
    found = []
    for item in repositories:
        reason = upstream_unavailable_reason(item, paths.cache_dir() / "downloads")
        if reason:
            found.append(
                _write_double(item, folder, mirror_root / item.name, f"{url}{item.name}", reason)
            )
    return tuple(found)


def upstream_unavailable_reason(item: RequiredRepository, memory: Path) -> str:
    """Return why upstream cannot be reached from here, known for an hour; empty if it can."""
    note = memory / f"{item.name}-repository.refused"
    fresh = download.REMEMBERED_SECONDS
    if note.is_file() and time.time() - note.stat().st_mtime < fresh:
        return note.read_text()
    try:
        _require_reachable(item.key_url)
    except (OSError, ValueError) as error:
        reason = _("upstream's packages cannot be reached from this machine: {error}", error=error)
        write_atomically(note, reason)
        return reason
    note.unlink(missing_ok=True)
    return ""


def _require_reachable(url: str) -> None:
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in urllib.request.getproxies():
        address = parts.hostname or "", parts.port or 443
        socket.create_connection(address, timeout=download.CONNECT_SECONDS).close()
    with urllib.request.build_opener().open(url, timeout=download.STALL_SECONDS) as answer:
        answer.read(1)


def _content_equals(file: Path, content: bytes) -> bool:
    return file.is_file() and file.read_bytes() == content


def _write_double(
    item: RequiredRepository, folder: Path, mirror_root: Path, url: str, reason: str
) -> RepositoryDouble:
    key = openpgp.ensure_signing_key(
        folder / "mirror-key.pem", "Chautari sandbox mirror", debian_packages.TIME
    )
    files = debian_packages.repository_files(
        catalog.REPOSITORIES[item.name](item.version), SUITE, key, int(time.time())
    )
    files[KEY_FILE] = key.certificate().encode()
    # apt takes an index of the same date for the same: it is signed anew only when it changed.
    if not all(
        _content_equals(mirror_root / name, files[name]) for name in (f"{SUITE}/Packages", KEY_FILE)
    ):
        for name, content in files.items():
            write_atomically(mirror_root / name, content)
    return RepositoryDouble(
        name=item.name,
        version=item.version,
        uri=url,
        key_url=f"{url}/{KEY_FILE}",
        fingerprint=key.fingerprint,
        reason=reason,
    )

"""Downloads one pinned file from upstream, with limits and verification; remembers failures."""

from __future__ import annotations

import hashlib
import shutil
import socket
import time
import urllib.parse
import urllib.request
from pathlib import Path

from chautari.errors import RunFailed
from chautari.files import write_atomically
from chautari.language import _
from chautari_sandbox.spec import RequiredArtifact

CONNECT_SECONDS = 5
STALL_SECONDS = 30
TOTAL_SECONDS = 900
REMEMBERED_SECONDS = 3600
_BLOCK = 1 << 20


class CannotFetch(RunFailed):
    """Upstream did not deliver the pinned file."""


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, as written in a pin."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def find_cached_file(artifact: RequiredArtifact, folder: Path) -> Path | None:
    """Return the file of an earlier download if it still matches its pin."""
    path = folder / artifact.sha256 / artifact.file
    return path if path.is_file() and file_sha256(path) == artifact.sha256 else None


def fetch_into_cache(artifact: RequiredArtifact, folder: Path) -> Path:
    """Download into the cache and return the file; a failure is remembered for an hour.

    Raises:
        CannotFetch: with the reason, when upstream does not deliver the pinned file.
    """
    memory = folder / f"{hashlib.sha256(artifact.url.encode()).hexdigest()[:16]}.refused"
    if memory.is_file() and time.time() - memory.stat().st_mtime < REMEMBERED_SECONDS:
        raise CannotFetch(memory.read_text())
    try:
        path = _download_artifact(artifact, folder)
    except (OSError, ValueError, CannotFetch) as error:
        reason = _(
            "{file} could not be downloaded from upstream: {error}", file=artifact.file, error=error
        )
        write_atomically(memory, reason)
        raise CannotFetch(reason) from None
    memory.unlink(missing_ok=True)
    return path


def _download_artifact(artifact: RequiredArtifact, folder: Path) -> Path:
    if not artifact.url.startswith(("https://", "http://")):
        raise ValueError(_("{url!r} is not a web address", url=artifact.url))
    _require_reachable(artifact.url)
    final = folder / artifact.sha256 / artifact.file
    final.parent.mkdir(parents=True, exist_ok=True)
    partial = final.with_name(final.name + ".partial")
    try:
        _stream_to_file(artifact.url, partial)
        got = file_sha256(partial)
        if got != artifact.sha256:
            raise CannotFetch(
                _("its SHA-256 is {got}, but {sha256} is pinned", got=got, sha256=artifact.sha256)
            )
        return partial.replace(final)
    finally:
        partial.unlink(missing_ok=True)


def _require_reachable(url: str) -> None:
    """Raise within seconds where upstream cannot be reached; a proxy answers for itself."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme in urllib.request.getproxies():
        return
    port = parts.port or (443 if parts.scheme == "https" else 80)
    socket.create_connection((parts.hostname or "", port), timeout=CONNECT_SECONDS).close()


def _stream_to_file(url: str, target: Path) -> None:
    deadline = time.monotonic() + TOTAL_SECONDS
    with (
        urllib.request.build_opener().open(url, timeout=STALL_SECONDS) as answer,
        target.open("wb") as file,
    ):
        while block := answer.read(_BLOCK):
            file.write(block)
            if time.monotonic() > deadline:
                raise CannotFetch(
                    _(
                        "the download took longer than {seconds} seconds",
                        seconds=TOTAL_SECONDS,
                    )
                )


def ensure_mirror_copy(source: Path, target: Path) -> Path:
    """Copy a file to the mirror, unless the same bytes are there; return the copy."""
    if target.is_file() and file_sha256(target) == file_sha256(source):
        return target
    aside = target.with_name(f".{target.name}.new")
    aside.unlink(missing_ok=True)
    shutil.copy2(source, aside)
    aside.chmod(0o644)
    return aside.replace(target)

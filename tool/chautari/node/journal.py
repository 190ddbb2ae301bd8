"""The journal of a run: JSON lines, limited in size, free of secrets."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote

MASK = "********"
# A journal that has grown so far keeps what matters: single tasks are no longer written down.
MOST_BYTES = 4_000_000
DISPENSABLE = frozenset({"task", "difference"})
LOG_BYTES = 400_000
SHORTEST_SECRET = 6
SHORTEST_LINE = 16  # of a secret of several lines: shorter ones may be words of any text


def append(file: Path, event: dict[str, Any], secrets: Iterable[str] = ()) -> None:
    """Append one event to a journal, whole or not at all."""
    if event["event"] in DISPENSABLE and file.exists() and file.stat().st_size > MOST_BYTES:
        return
    add(file, json.dumps(masked(event, secrets)) + "\n")


def add(file: Path, text: str, synced: bool = False) -> None:
    """Append lines to a file, whole or not at all; `synced` ones outlive a power cut.

    A disk that is full takes a part of a line, which would spoil the next one as well: that part
    is taken back before the OSError is raised. Meanwhile no other writer may append.
    """
    left = text.encode()
    with file.open("ab", buffering=0) as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        size = os.fstat(stream.fileno()).st_size
        try:
            while left:
                left = left[stream.write(left) :]
            if synced:
                os.fsync(stream.fileno())
        except OSError:
            stream.truncate(size)
            raise


def lines(file: Path, position: int = 0) -> list[bytes]:
    """Return the whole lines of a journal from byte `position` on."""
    if not file.exists():
        return []
    with file.open("rb") as stream:
        stream.seek(position)
        return [line for line in stream.read().splitlines(keepends=True) if line.endswith(b"\n")]


def read(line: bytes) -> dict[str, Any]:
    """Return the event of a line; one that is spoiled, as by a disk that fails, is `garbled`."""
    with contextlib.suppress(ValueError, RecursionError):
        found = json.loads(line)
        if isinstance(found, dict) and isinstance(found.get("event"), str):
            return found
    return {"event": "garbled"}


def trim(log: Path) -> None:
    """Cut a log that has grown too long: its beginning and its end tell most."""
    if not log.exists() or log.stat().st_size <= LOG_BYTES:
        return
    text = log.read_bytes()
    half = LOG_BYTES // 2
    log.write_bytes(text[:half] + b"\n[cut]\n" + text[-half:])


def read_secrets(file: Path) -> list[str]:
    """Return the secrets of the bundle in every spelling, for `masked`."""
    return spellings(json.loads(file.read_text()) if file.is_file() else [])


def spellings(secrets: Iterable[str]) -> list[str]:
    """Return each way in which a text may spell these secrets, the longest first.

    Messages hold results as JSON, values as Python writes them, addresses, and base64. Logs and
    journals come line by line, so each long line of a key is a secret of its own.
    """
    wanted = [secret for secret in secrets if len(secret) >= SHORTEST_SECRET]
    rows = [row.strip() for secret in wanted for row in secret.splitlines()]
    found = set[str]()
    for secret in wanted + [row for row in rows if len(row) >= SHORTEST_LINE]:
        found |= {secret, repr(secret)[1:-1], quote(secret, safe="")}
        found |= {json.dumps(secret, ensure_ascii=short)[1:-1] for short in (True, False)}
        found.add(base64.b64encode(secret.encode()).decode().rstrip("="))
    return sorted(found, key=len, reverse=True)


def masked(value: Any, secrets: Iterable[str]) -> Any:
    """Return a text, or plain data with every text in it, without the secrets.

    Args:
        value: what is to be shown or kept.
        secrets: every spelling of them, as `read_secrets` or `spellings` returns them.
    """
    if isinstance(value, str):
        for secret in secrets:
            value = value.replace(secret, MASK)
    elif isinstance(value, dict):
        return {key: masked(item, secrets) for key, item in value.items()}
    elif isinstance(value, list | tuple):
        return [masked(item, secrets) for item in value]
    return value

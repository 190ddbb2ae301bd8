"""The journal of a run: JSON lines, limited in size, free of secrets."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

MASK = "********"
# A journal that has grown so far keeps what matters: single tasks are no longer written down.
MOST_BYTES = 4_000_000
DISPENSABLE = frozenset({"task", "difference"})
LOG_BYTES = 400_000
SHORTEST_SECRET = 6


def append(file: Path, event: dict[str, Any], secrets: Iterable[str] = ()) -> None:
    """Append one event to a journal, in one write, so that writers cannot mix their lines."""
    if event["event"] in DISPENSABLE and file.exists() and file.stat().st_size > MOST_BYTES:
        return
    line = json.dumps(event)
    for secret in secrets:
        if secret in line:
            line = line.replace(secret, MASK)
    with file.open("a") as stream:
        stream.write(line + "\n")


def lines(file: Path, position: int = 0) -> list[bytes]:
    """Return the whole lines of a journal from byte `position` on."""
    if not file.exists():
        return []
    with file.open("rb") as stream:
        stream.seek(position)
        return [line for line in stream.read().splitlines(keepends=True) if line.endswith(b"\n")]


def trim(log: Path) -> None:
    """Cut a log that has grown too long: its beginning and its end tell most."""
    if not log.exists() or log.stat().st_size <= LOG_BYTES:
        return
    text = log.read_bytes()
    half = LOG_BYTES // 2
    log.write_bytes(text[:half] + b"\n[cut]\n" + text[-half:])


def read_secrets(file: Path) -> list[str]:
    """Return the secrets of the bundle as they look inside JSON, the longest first."""
    found = json.loads(file.read_text()) if file.is_file() else []
    escaped = {json.dumps(secret)[1:-1] for secret in found if len(secret) >= SHORTEST_SECRET}
    return sorted(escaped, key=len, reverse=True)


def masked(text: str, secrets: Iterable[str]) -> str:
    """Replace every secret in a plain text; the secrets are given as they look inside JSON."""
    for secret in secrets:
        text = text.replace(json.loads(f'"{secret}"'), MASK)
    return text

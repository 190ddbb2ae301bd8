"""Write and read the journal of a run: JSON lines, limited in size, free of secrets."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from chautari.node import old_formats

MASK = "********"
# A larger journal takes no further events of single tasks.
MAX_BYTES = 4_000_000
DISPENSABLE = frozenset({"task", "difference", "download_progress"})
LOG_BYTES = 400_000
SHORTEST_SECRET = 6
SHORTEST_LINE = 16  # of a secret of several lines: shorter ones may be words of any text


def append_event(file: Path, event: Mapping[str, Any], secrets: Iterable[str] = ()) -> None:
    """Append one event to a journal, completely or not at all.

    Raises:
        OSError: when the disk is full.
    """
    if event["event"] in DISPENSABLE and file.exists() and file.stat().st_size > MAX_BYTES:
        return
    append_lines(file, json.dumps(mask_secrets(dict(event), secrets)) + "\n")


def append_lines(file: Path, text: str, synced: bool = False) -> None:
    """Append lines to a file, completely or not at all; `synced` ones survive a power cut.

    A full disk takes a part of a line, which would damage the next line as well: that part is
    removed before the OSError is raised. No other writer can append meanwhile.
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


def read_lines_from(file: Path, position: int = 0) -> list[bytes]:
    """Return the complete lines of a journal from byte `position` on."""
    if not file.exists():
        return []
    with file.open("rb") as stream:
        stream.seek(position)
        return [line for line in stream.read().splitlines(keepends=True) if line.endswith(b"\n")]


def parse_event(line: bytes) -> Mapping[str, Any]:
    """Return the event of a line; a damaged line, as from a failing disk, is `malformed`."""
    with contextlib.suppress(ValueError, RecursionError):
        event = json.loads(line)
        if isinstance(event, dict) and isinstance(event.get("event"), str):
            return event
    return {"event": "malformed"}


def select_event_parser(file: Path) -> Callable[[bytes], Mapping[str, Any]]:
    """Return the function that parses the lines of this journal, whichever version wrote it."""
    try:
        with file.open("rb") as stream:
            first = parse_event(stream.readline())
    except OSError:
        return parse_event
    if first["event"] == "run_started" and "format" in first:
        return parse_event
    return _parse_old_event


def _parse_old_event(line: bytes) -> Mapping[str, Any]:
    try:
        return old_formats.upgrade_event(parse_event(line))
    except (KeyError, TypeError, AttributeError, ValueError):
        return {"event": "malformed"}


def shorten_log_file(log: Path) -> None:
    """Shorten a log that is too long to its beginning and its end."""
    if not log.exists() or log.stat().st_size <= LOG_BYTES:
        return
    text = log.read_bytes()
    half = LOG_BYTES // 2
    log.write_bytes(text[:half] + b"\n[cut]\n" + text[-half:])


def read_secret_spellings(file: Path) -> list[str]:
    """Return the secrets of the bundle in every spelling, for `mask_secrets`."""
    return secret_spellings(json.loads(file.read_text()) if file.is_file() else [])


def secret_spellings(secrets: Iterable[str]) -> list[str]:
    """Return each way in which a text may spell these secrets, the longest first.

    Messages hold results as JSON, Python literals, URLs and base64. Logs come line by line, so each
    long line of a key is a secret of its own.
    """
    long = [secret for secret in secrets if len(secret) >= SHORTEST_SECRET]
    rows = [row.strip() for secret in long for row in secret.splitlines()]
    found = set[str]()
    for secret in long + [row for row in rows if len(row) >= SHORTEST_LINE]:
        found |= {secret, repr(secret)[1:-1], quote(secret, safe="")}
        found |= {json.dumps(secret, ensure_ascii=short)[1:-1] for short in (True, False)}
        found.add(base64.b64encode(secret.encode()).decode().rstrip("="))
    return sorted(found, key=len, reverse=True)


def mask_secrets(value: Any, secrets: Iterable[str]) -> Any:
    """Return a text, or all texts of plain data, with the secrets replaced.

    Args:
        value: a text, or JSON data.
        secrets: every spelling, from `read_secret_spellings` or `secret_spellings`.
    """
    if isinstance(value, str):
        for secret in secrets:
            value = value.replace(secret, MASK)
    elif isinstance(value, dict):
        return {key: mask_secrets(item, secrets) for key, item in value.items()}
    elif isinstance(value, list | tuple):
        return [mask_secrets(item, secrets) for item in value]
    return value

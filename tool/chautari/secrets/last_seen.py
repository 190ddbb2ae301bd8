"""What this computer last saw of each `secrets.age`: a file that was signed stays signed."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from chautari.errors import ChautariError
from chautari.files import read_bytes_if_present, write_atomically
from chautari.paths import state_dir

_MAX_BYTES = 1000


class LastSeen(BaseModel):
    """What is remembered of one file.

    Attributes:
        signed: whether it had a signature.
        digest: SHA-256 of its content, encrypted as it is.
        written: when it was written, in seconds since 1970.
    """

    model_config = ConfigDict(extra="ignore", defer_build=True)
    signed: bool = False
    digest: str = Field(default="", pattern=r"^([0-9a-f]{64})?$")
    written: int = 0


def load_last_seen(file: Path) -> LastSeen:
    """Return what is remembered of `file`; nothing if it was never seen."""
    with suppress(ChautariError, ValidationError):
        content = read_bytes_if_present(_file_of_last_seen(file), _MAX_BYTES)
        return LastSeen.model_validate_json(content) if content else LastSeen()
    return LastSeen()


def store_last_seen(file: Path, seen: LastSeen) -> None:
    """Remember `file`; without a place for it, the next command knows less."""
    if seen == load_last_seen(file):
        return
    with suppress(OSError):
        place = _file_of_last_seen(file)
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_atomically(place, seen.model_dump_json(), durable=False)


def _file_of_last_seen(file: Path) -> Path:
    name = hashlib.sha256(os.fsencode(os.path.realpath(file))).hexdigest()
    return state_dir() / "secrets-seen" / name

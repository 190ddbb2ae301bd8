"""The newest serial that this machine has seen of each peer, by the key that signs.

A peer signs its descriptor every hour, and the pin in git changes only with its content. So the
pin alone would accept an older descriptor again that another one had already replaced.
"""

from __future__ import annotations

import base64
import hashlib
from contextlib import suppress
from pathlib import Path

from chautari.errors import ChautariError
from chautari.federation.descriptor import MAX_SERIAL
from chautari.files import read_bytes_if_present, write_atomically
from chautari.paths import state_dir

_MAX_BYTES = 20


def load_newest_serial(key: str) -> int:
    """Return the newest serial that was seen of a key; 0 if none is known."""
    with suppress(ChautariError, ValueError):
        found = int(read_bytes_if_present(_serial_file_of_key(key), _MAX_BYTES) or 0)
        return found if found <= MAX_SERIAL else 0  # a damaged file
    return 0


def store_newest_serial(key: str, serial: int) -> None:
    """Remember a serial; without a place for it, only the pinned one counts."""
    if serial <= load_newest_serial(key):
        return
    with suppress(OSError):
        file = _serial_file_of_key(key)
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_atomically(file, str(serial), durable=False)


def _serial_file_of_key(key: str) -> Path:
    digest = hashlib.sha256(base64.b64decode(key.split()[1])).hexdigest()
    return state_dir() / "peer-serials" / digest

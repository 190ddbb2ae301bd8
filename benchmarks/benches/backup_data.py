"""backup_data.py make BYTES | change SEED: data for backups below Nextcloud's data folder.

It runs on a node. A third of the bytes is in files of 64 KiB, a third in files of 2 MiB, a third in
files of 64 MiB. `change` writes one per cent of them anew: whole small files, and parts of large
ones.
"""

from __future__ import annotations

import os
import random
import shutil
import sys
from pathlib import Path

FOLDER = Path("/var/lib/nextcloud/data/bench/files")
KIB = 1 << 10
SIZES = (64 * KIB, 2048 * KIB, 65536 * KIB)
PIECE = 64 * KIB


def make(size: int) -> None:
    """Write `size` bytes of random data, anew."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    for file_size in SIZES:
        for number in range(max(1, size // len(SIZES) // file_size)):
            folder = FOLDER / str(file_size) / str(number // 500)
            folder.mkdir(parents=True, exist_ok=True)
            with (folder / str(number)).open("wb") as file:
                for _ in range(file_size // PIECE):
                    file.write(os.urandom(PIECE))
    _give_away()


def change(seed: int) -> None:
    """Write one per cent of the data anew."""
    chosen = random.Random(seed)
    for file_size in SIZES:
        files = sorted(path for path in (FOLDER / str(file_size)).rglob("*") if path.is_file())
        pieces = max(1, len(files) * file_size // PIECE // 100)
        if file_size == SIZES[-1]:
            for _ in range(pieces):
                _write_piece(chosen.choice(files), chosen.randrange(file_size // PIECE) * PIECE)
            continue
        for path in chosen.sample(files, max(1, len(files) // 100)):
            for offset in range(0, file_size, PIECE):
                _write_piece(path, offset)


def _write_piece(path: Path, offset: int) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(os.urandom(PIECE))


def _give_away() -> None:
    owner = FOLDER.parent.parent.stat()
    for path in (FOLDER.parent, *FOLDER.parent.rglob("*")):
        os.chown(path, owner.st_uid, owner.st_gid)


if __name__ == "__main__":
    {"make": make, "change": change}[sys.argv[1]](int(sys.argv[2]))

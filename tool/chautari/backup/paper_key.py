"""Borg's paper form of a repository key: each line has a checksum, so typing errors are found.

`borg key import --paper` reads it line by line. The form is that of `borg key export --paper`.
"""

from __future__ import annotations

import binascii
import hashlib
from collections.abc import Iterator

from chautari.language import _

LINE_BYTES = 18
HEADER = "BORG_KEY"


def paper_key_lines(exported: str) -> list[str]:
    """Return the lines to type, made from the output of `borg key export`.

    Raises:
        ValueError: when it is not an exported borg key.
    """
    header, __, body = exported.strip().partition("\n")
    word, __, repository = header.partition(" ")
    if word != HEADER or len(repository) != 64:
        raise ValueError(_("this is not an exported borg key"))
    return list(_lines_with_checksums(repository, binascii.a2b_base64(body)))


def _lines_with_checksums(repository: str, key: bytes) -> Iterator[str]:
    count, name = (len(key) + LINE_BYTES - 1) // LINE_BYTES, repository[:LINE_BYTES]
    whole = _short_checksum(key, 12)
    check = _short_checksum(f"{count}/{name}/{whole}".encode(), 2)
    yield f"id: {count} / {_in_groups_of_six(name)} / {_in_groups_of_six(whole)} - {check}"
    for number in range(count):
        part = key[number * LINE_BYTES : (number + 1) * LINE_BYTES]
        check = _short_checksum((number + 1).to_bytes(2, "big") + part, 2)
        yield f"{number + 1:2d}: {_in_groups_of_six(part.hex())} - {check}"


def _short_checksum(content: bytes, letters: int) -> str:
    return hashlib.sha256(content).hexdigest()[:letters]


def _in_groups_of_six(text: str) -> str:
    return " ".join(text[start : start + 6] for start in range(0, len(text), 6))

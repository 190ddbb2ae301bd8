"""Look into a repository of borg without its key: how much of it could be freed.

borg keeps this in the file `hints.N`, in the format MessagePack.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

MAX_HINTS_BYTES = 256 << 20
MAX_DEPTH = 8


class UnknownHints(ValueError):
    """The hints are missing or of an unknown form."""


def freeable_bytes(repository: Path) -> int:
    """Return how many bytes `borg compact` could free.

    Raises:
        UnknownHints: when the repository does not say.
    """
    numbers = {name: _newest_number_of_file(repository, name) for name in ("hints", "index")}
    number = numbers["hints"]
    if number is None or number != numbers["index"]:
        raise UnknownHints("the hints are not those of the index")
    path = repository / f"hints.{number}"
    if path.stat().st_size > MAX_HINTS_BYTES:
        raise UnknownHints("the hints are too large")
    try:
        hints = _MessagePackReader(path.read_bytes()).value()
        freeable = hints[b"compact"] if b"compact" in hints else hints["compact"]
        return sum(int(size) for size in freeable.values())
    except (KeyError, TypeError, AttributeError, IndexError, struct.error) as error:
        raise UnknownHints(type(error).__name__) from None


def size_of_segments(folder: Path) -> int:
    """Return the size of the segments of a repository or of its copy."""
    return sum(path.stat().st_size for path in (folder / "data").rglob("*") if path.is_file())


def _newest_number_of_file(repository: Path, name: str) -> int | None:
    numbers = [path.suffix[1:] for path in repository.glob(f"{name}.*")]
    return max((int(number) for number in numbers if number.isdecimal()), default=None)


class _MessagePackReader:
    """Reads the values of MessagePack that hints consist of."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def value(self, depth: int = 0) -> Any:
        """Return the next value."""
        if depth > MAX_DEPTH:
            raise UnknownHints("nested too deeply")
        kind = self._take_bytes(1)[0]
        if kind <= 0x7F:
            return kind
        if kind >= 0xE0:
            return kind - 0x100
        if kind <= 0x8F:
            return self._read_map(kind & 0x0F, depth)
        if kind <= 0x9F:
            return self._read_list(kind & 0x0F, depth)
        if kind <= 0xBF:
            return self._take_bytes(kind & 0x1F).decode(errors="replace")
        if kind in _CONSTANTS:
            return _CONSTANTS[kind]
        if kind in _NUMBERS:
            return self._read_number(_NUMBERS[kind])
        if kind in _SIZED:
            size, read = _SIZED[kind]
            return read(self, self._read_number(size), depth)
        raise UnknownHints(f"unknown kind {kind}")

    def _take_bytes(self, count: int) -> bytes:
        found = self._data[self._at : self._at + count]
        if len(found) != count:
            raise UnknownHints("the hints are incomplete")
        self._at += count
        return found

    def _read_number(self, struct_format: str) -> Any:
        return struct.unpack(struct_format, self._take_bytes(struct.calcsize(struct_format)))[0]

    def _read_map(self, count: int, depth: int) -> dict[Any, Any]:
        return {self.value(depth + 1): self.value(depth + 1) for _ in range(count)}

    def _read_list(self, count: int, depth: int) -> list[Any]:
        return [self.value(depth + 1) for _ in range(count)]

    def _read_bytes(self, count: int, depth: int) -> bytes:
        return self._take_bytes(count)

    def _read_text(self, count: int, depth: int) -> str:
        return self._take_bytes(count).decode(errors="replace")


_CONSTANTS = {0xC0: None, 0xC2: False, 0xC3: True}
_NUMBERS = {
    0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q",
    0xD0: ">b", 0xD1: ">h", 0xD2: ">i", 0xD3: ">q", 0xCA: ">f", 0xCB: ">d",
}  # fmt: skip
_SIZED: dict[int, tuple[str, Callable[[_MessagePackReader, int, int], Any]]] = {
    0xC4: (">B", _MessagePackReader._read_bytes), 0xC5: (">H", _MessagePackReader._read_bytes),
    0xC6: (">I", _MessagePackReader._read_bytes), 0xD9: (">B", _MessagePackReader._read_text),
    0xDA: (">H", _MessagePackReader._read_text), 0xDB: (">I", _MessagePackReader._read_text),
    0xDC: (">H", _MessagePackReader._read_list), 0xDD: (">I", _MessagePackReader._read_list),
    0xDE: (">H", _MessagePackReader._read_map), 0xDF: (">I", _MessagePackReader._read_map),
}  # fmt: skip

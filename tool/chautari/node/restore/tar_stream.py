"""Read an archive in tar's format from a pipe, and copy each byte only once.

The mode of `tarfile` for pipes copies everything several times, which takes longer than hashing.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from typing import IO, cast

BLOCK = 1 << 20


class TarStream:
    """A pipe as `tarfile` reads it: at a position that only increases."""

    def __init__(self, stream: IO[bytes]) -> None:
        """Begin where the stream is."""
        self._stream, self._position = cast("io.BufferedIOBase", stream), 0
        self._buffer = memoryview(bytearray(BLOCK))

    def members(self) -> Iterator[tarfile.TarInfo]:
        """Yield the members; after each, `blocks` yields its content."""
        archive = tarfile.TarFile(fileobj=cast("IO[bytes]", self), mode="r")
        while (member := archive.next()) is not None:
            yield member
            # Else tarfile keeps every member in memory.
            vars(archive)["members"].clear()

    def blocks_in_reused_buffer(self, size: int) -> Iterator[memoryview]:
        """Yield the next `size` bytes in blocks; each one overwrites the one before.

        Raises:
            tarfile.ReadError: when the stream ends before.
        """
        while size > 0:
            count = self._stream.readinto(self._buffer[:size])
            if not count:
                raise tarfile.ReadError("unexpected end of data")
            self._position += count
            size -= count
            yield self._buffer[:count]

    def tell(self) -> int:
        """Return how many bytes were read."""
        return self._position

    def read(self, size: int) -> bytes:
        """Return the next bytes; fewer than `size` only at the end."""
        data = self._stream.read(size)
        self._position += len(data)
        return data

    def seek(self, position: int) -> None:
        """Skip what is before `position`."""
        for _ in self.blocks_in_reused_buffer(position - self._position):
            pass

"""Talks to Redis as far as the queue of recordings needs it."""

from __future__ import annotations

import socket
from typing import BinaryIO

Reply = str | int | None | list["Reply"]


class RedisError(Exception):
    """Redis refused a command."""


def encode_command(*words: str) -> bytes:
    """Return one command as Redis reads it."""
    parts = [f"*{len(words)}\r\n".encode()]
    for word in words:
        data = word.encode()
        parts.append(b"$%d\r\n%s\r\n" % (len(data), data))
    return b"".join(parts)


def read_reply(stream: BinaryIO) -> Reply:
    """Read one reply."""
    line = stream.readline()
    if not line:
        raise ConnectionError("Redis closed the connection")
    kind, rest = line[:1], line[1:-2].decode()
    if kind == b"+":
        return rest
    if kind == b"-":
        raise RedisError(rest)
    if kind == b":":
        return int(rest)
    if kind == b"$":
        length = int(rest)
        return None if length < 0 else stream.read(length + 2)[:-2].decode()
    return None if int(rest) < 0 else [read_reply(stream) for _ in range(int(rest))]


def send_command(host: str, port: int, *words: str, wait: float = 5) -> Reply:
    """Send one command on a connection of its own."""
    with socket.create_connection((host, port), timeout=wait) as link:
        link.sendall(encode_command(*words))
        with link.makefile("rb") as stream:
            return read_reply(stream)

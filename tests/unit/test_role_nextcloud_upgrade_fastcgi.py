"""Requests of the upgrade program to PHP-FPM, with a small server in its place."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nextcloud_upgrade_node  # noqa: F401  # puts the program's modules on the path
import pytest

# isort: split
import fastcgi

HEADER = struct.Struct("!BBHHBB")


def record(kind: int, content: bytes, padding: int = 0) -> bytes:
    return HEADER.pack(1, kind, 1, len(content), padding, 0) + content + b"\0" * padding


@contextmanager
def pool(path: Path, *records: bytes) -> Iterator[list[bytes]]:
    """Serve one request with `records`; the value holds what was received."""
    received: list[bytes] = []
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen(1)

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                received.append(connection.recv(65536))
                connection.sendall(b"".join(records))

        thread = threading.Thread(target=serve)
        thread.start()
        yield received
        thread.join(10)


def test_request_returns_status_and_body(tmp_path: Path) -> None:
    answer = b"Status: 401 Unauthorized\r\nX: y\r\n\r\n<d:error/>"
    with pool(
        tmp_path / "socket", record(6, answer[:10], 6), record(7, b"a warning"),
        record(6, answer[10:]), record(6, b""), record(3, b"\0" * 8),
    ) as received:  # fmt: skip
        found = fastcgi.request(tmp_path / "socket", "/r", "/remote.php/dav/")
    assert found == fastcgi.Answer(401, "<d:error/>")
    [sent] = received
    for value in (b"/r/remote.php", b"/dav/", b"localhost"):
        assert value in sent


def test_request_without_status_is_200(tmp_path: Path) -> None:
    with pool(tmp_path / "socket", record(6, b"X: y\r\n\r\n{}"), record(3, b"\0" * 8)):
        found = fastcgi.request(tmp_path / "socket", "/r", "/status.php")
    assert found == fastcgi.Answer(200, "{}")


def test_request_to_a_closed_pool_has_no_status(tmp_path: Path) -> None:
    assert fastcgi.request(tmp_path / "none", "/r", "/status.php").status == 0


def test_request_that_ends_early_has_no_status(tmp_path: Path) -> None:
    with pool(tmp_path / "socket", record(6, b"X: y")):
        assert fastcgi.request(tmp_path / "socket", "/r", "/status.php").status == 0


@pytest.mark.parametrize("status", [b"", b"abc"])
def test_request_with_an_unreadable_status(tmp_path: Path, status: bytes) -> None:
    content = record(6, b"Status: " + status + b"\r\n\r\n")
    with pool(tmp_path / "socket", content, record(3, b"\0" * 8)):
        found = fastcgi.request(tmp_path / "socket", "/r", "/status.php")
    assert found.status in (0, 200)

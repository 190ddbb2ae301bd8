"""A request to PHP-FPM over its socket: while people read the notice, nginx passes none on."""

from __future__ import annotations

import socket
import struct
from pathlib import Path
from typing import NamedTuple

SECONDS = 60
# Nextcloud trusts this name, whatever its settings are.
HOST = "localhost"
MAX_BYTES = 1_000_000
_BEGIN, _END, _PARAMETERS, _STDIN, _STDOUT = 1, 3, 4, 5, 6
_HEADER = struct.Struct("!BBHHBB")


class Answer(NamedTuple):
    """Status and body of an answer; status 0 means that none came."""

    status: int
    body: str


def request(pool: Path, release: str, path: str) -> Answer:
    """Return PHP's answer to GET `path`, such as /status.php or /index.php/login."""
    script, _, rest = path.partition(".php")
    parameters = {
        "GATEWAY_INTERFACE": "CGI/1.1", "REQUEST_METHOD": "GET", "SERVER_PROTOCOL": "HTTP/1.1",
        "SCRIPT_FILENAME": f"{release}{script}.php", "SCRIPT_NAME": f"{script}.php",
        "PATH_INFO": rest, "REQUEST_URI": path, "QUERY_STRING": "", "CONTENT_LENGTH": "",
        "DOCUMENT_ROOT": release, "HTTP_HOST": HOST, "SERVER_NAME": HOST, "HTTPS": "on",
        "SERVER_PORT": "443", "REMOTE_ADDR": "127.0.0.1", "modHeadersAvailable": "true",
        "front_controller_active": "true",
    }  # fmt: skip
    content = b"".join(_encode_pair(name, value) for name, value in parameters.items())
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(SECONDS)
            connection.connect(str(pool))
            connection.sendall(
                _encode_record(_BEGIN, struct.pack("!HB5x", 1, 0))
                + _encode_record(_PARAMETERS, content)
                + _encode_record(_PARAMETERS, b"")
                + _encode_record(_STDIN, b"")
            )
            return _parse_answer(_read_output(connection))
    except OSError as error:
        return Answer(0, str(error))


def _encode_pair(name: str, value: str) -> bytes:
    key, content = name.encode(), value.encode()
    return struct.pack("!LL", len(key) | 1 << 31, len(content) | 1 << 31) + key + content


def _encode_record(kind: int, content: bytes) -> bytes:
    return _HEADER.pack(1, kind, 1, len(content), 0, 0) + content


def _read_output(connection: socket.socket) -> bytes:
    output = b""
    while len(output) < MAX_BYTES:
        _, kind, _, length, padding, _ = _HEADER.unpack(_read_exactly(connection, _HEADER.size))
        content = _read_exactly(connection, length)
        _read_exactly(connection, padding)
        if kind == _STDOUT:
            output += content
        elif kind == _END:
            break
    return output


def _read_exactly(connection: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        piece = connection.recv(count - len(found))
        if not piece:
            raise ConnectionError("PHP-FPM closed the connection")
        found += piece
    return found


def _parse_answer(output: bytes) -> Answer:
    head, _, body = output.partition(b"\r\n\r\n")
    status = 200
    for line in head.decode(errors="replace").splitlines():
        name, _, value = line.partition(":")
        if name.lower() == "status" and value.split():
            first = value.split()[0]
            status = int(first) if first.isdigit() else 0
    return Answer(status, body.decode(errors="replace"))

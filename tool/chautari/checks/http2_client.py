"""One request over HTTP/2 (RFC 9113). No installed library supports HTTP/2."""

from __future__ import annotations

import socket
import ssl
import struct
from typing import Any, NamedTuple

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, SETTINGS, PING, GOAWAY = 0x0, 0x1, 0x4, 0x6, 0x7
END_STREAM, END_HEADERS, ACK, PADDED = 0x1, 0x4, 0x1, 0x8
STREAM = 1
MAX_BODY = 16 << 20  # bytes of one answer
# Entries of the static table that contain only the status.
STATUS = {0x88: 200, 0x89: 204, 0x8A: 206, 0x8B: 304, 0x8C: 400, 0x8D: 404, 0x8E: 500}
# Entries that contain the name of a field; its value follows.
AUTHORITY, PATH = 1, 4
METHOD_GET, SCHEME_HTTPS = 0x82, 0x87


class Frame(NamedTuple):
    """One frame."""

    kind: int
    flags: int
    stream: int
    payload: bytes


def connect_with_http2(address: str, name: str, ca_file: str) -> ssl.SSLSocket:
    """Return a TLS connection on which HTTP/2 was agreed."""
    context = ssl.create_default_context(cafile=ca_file)
    context.set_alpn_protocols(["h2"])
    plain = socket.create_connection((address, 443), timeout=20)
    channel = context.wrap_socket(plain, server_hostname=name)
    agreed = channel.selected_alpn_protocol()
    if agreed != "h2":
        channel.close()
        raise ConnectionError(
            f"{name} at {address} negotiated {agreed or 'no protocol'} instead of h2"
        )
    return channel


def send_get_request(channel: Any, name: str, path: str) -> tuple[int, bytes]:
    """Return the status and the body that the server answers."""
    fields = (
        bytes([METHOD_GET, SCHEME_HTTPS])
        + _encode_field(AUTHORITY, name)
        + _encode_field(PATH, path)
    )
    channel.sendall(
        PREFACE
        + _encode_frame(SETTINGS, 0, 0)
        + _encode_frame(HEADERS, END_STREAM | END_HEADERS, STREAM, fields)
    )
    stream = channel.makefile("rb")
    status, body = 0, b""
    while True:
        frame = _read_frame(stream)
        if frame.kind == SETTINGS and not frame.flags & ACK:
            channel.sendall(_encode_frame(SETTINGS, ACK, 0))
        elif frame.kind == PING and not frame.flags & ACK:
            channel.sendall(_encode_frame(PING, ACK, 0, frame.payload))
        elif frame.kind == GOAWAY:
            raise ConnectionError(f"the server closed the connection: {frame.payload[8:]!r}")
        if frame.stream != STREAM:
            continue
        if frame.kind == HEADERS:
            status = STATUS.get(_payload_without_padding(frame)[0], 0)
        elif frame.kind == DATA:
            body += _payload_without_padding(frame)
            if len(body) > MAX_BODY:
                raise ConnectionError("the response is too large")
        if frame.flags & END_STREAM and frame.kind in (HEADERS, DATA):
            return status, body


def _encode_field(index: int, value: str) -> bytes:
    """Return a field of the static table with a literal value, without indexing."""
    data = value.encode()
    if len(data) > 126:
        raise ValueError(f"{value!r} is longer than 126 bytes")
    return bytes([index, len(data)]) + data


def _encode_frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def _read_frame(stream: Any) -> Frame:
    head = stream.read(9)
    if len(head) < 9:
        raise ConnectionError("the server closed the connection")
    size = int.from_bytes(head[:3], "big")
    kind, flags, number = struct.unpack(">BBI", head[3:])
    return Frame(kind, flags, number & 0x7FFFFFFF, stream.read(size))


def _payload_without_padding(frame: Frame) -> bytes:
    if not frame.flags & PADDED:
        return frame.payload
    return frame.payload[1 : len(frame.payload) - frame.payload[0]]

"""A TURN client (RFC 8656) with what checks need: allocate, permit, send through the relay."""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import os
import socket
import ssl
import struct
from typing import Any

COOKIE = 0x2112A442
ALLOCATE, REFRESH, SEND, DATA, PERMIT = 0x003, 0x004, 0x016, 0x017, 0x008
USERNAME, INTEGRITY, ERROR, PEER, DATA_, REALM, NONCE, RELAYED, TRANSPORT, LIFETIME, MAPPED = (
    0x0006, 0x0008, 0x0009, 0x0012, 0x0013, 0x0014, 0x0015, 0x0016, 0x0019, 0x000D, 0x0020,
)  # fmt: skip
INDICATION, SUCCESS, FAILURE = 0x0010, 0x0100, 0x0110
Address = tuple[str, int]
Attributes = dict[int, bytes]


class RequestRefused(Exception):
    """The server's answer was an error; `code` is its number."""

    def __init__(self, code: int, reason: str) -> None:
        """Store the error code."""
        super().__init__(f"{code} {reason}")
        self.code = code


class TurnClient:
    """One client of a TURN server, over UDP, TCP or TLS."""

    def __init__(self, stream: Any, username: str, password: str) -> None:
        """Use a connected socket."""
        self.stream, self.username, self.password = stream, username, password
        self.realm, self.nonce, self.waiting = b"", b"", b""
        self.seen: Address = ("", 0)
        self.datagrams = stream.type == socket.SOCK_DGRAM

    def allocate(self) -> Address:
        """Allocate a relayed address. The first answer contains only realm and nonce."""
        attributes = {TRANSPORT: struct.pack(">I", 17 << 24)}
        try:
            self._request(ALLOCATE, attributes, signed=False)
        except RequestRefused as refused:
            if refused.code != 401:
                raise
        answer = self._request(ALLOCATE, attributes)
        if MAPPED in answer:
            self.seen = _decode_address(answer[MAPPED], self.transaction)
        return _decode_address(answer[RELAYED], self.transaction)

    def permit_peer(self, peer: Address) -> None:
        """Let a peer send to the relayed address."""
        self.transaction = os.urandom(12)
        self._request(PERMIT, {PEER: _encode_address(peer, self.transaction)}, keep=True)

    def send_to_peer(self, peer: Address, data: bytes) -> None:
        """Send through the relay."""
        self.transaction = os.urandom(12)
        attributes = {PEER: _encode_address(peer, self.transaction), DATA_: data}
        self.stream.sendall(self._encode_message(SEND | INDICATION, attributes))

    def receive_from_peer(self) -> bytes:
        """Return what a peer sent."""
        while True:
            kind, attributes = self._read_message()
            if kind == DATA | INDICATION:
                return attributes[DATA_]

    def is_relayed_address_reachable(self, relayed: Address) -> bool:
        """Return whether a packet from here reaches the relayed address."""
        self.permit_peer((self.seen[0], 0))
        kind = socket.AF_INET6 if ":" in relayed[0] else socket.AF_INET
        with socket.socket(kind, socket.SOCK_DGRAM) as probe:
            for _ in range(3):
                probe.sendto(b"chautari", relayed)
        try:
            return self.receive_from_peer() == b"chautari"
        except TimeoutError:
            return False

    def close(self) -> None:
        """Release the relayed address."""
        try:
            self._request(REFRESH, {LIFETIME: struct.pack(">I", 0)})
        except (OSError, RequestRefused):
            pass
        finally:
            self.stream.close()

    def _request(
        self, method: int, attributes: Attributes, *, signed: bool = True, keep: bool = False
    ) -> Attributes:
        if not keep:
            self.transaction = os.urandom(12)
        self.stream.sendall(self._encode_message(method, attributes, signed))
        while True:
            kind, answer = self._read_message()
            if kind & ~FAILURE != method:
                continue
            if kind & FAILURE == FAILURE:
                self.realm = answer.get(REALM, self.realm)
                self.nonce = answer.get(NONCE, self.nonce)
                error = answer[ERROR]
                raise RequestRefused(error[2] * 100 + error[3], error[4:].decode(errors="replace"))
            return answer

    def _encode_message(self, kind: int, attributes: Attributes, signed: bool = False) -> bytes:
        if signed:
            signature = {
                USERNAME: self.username.encode(), REALM: self.realm, NONCE: self.nonce,
            }  # fmt: skip
            attributes = attributes | signature
        body = b"".join(_encode_attribute(*item) for item in attributes.items())
        if signed:
            realm = self.realm.decode()
            secret = f"{self.username}:{realm}:{self.password}".encode()
            key = hashlib.md5(secret, usedforsecurity=False).digest()
            head = struct.pack(">HHI", kind, len(body) + 24, COOKIE) + self.transaction
            digest = hmac.new(key, head + body, hashlib.sha1).digest()
            body += _encode_attribute(INTEGRITY, digest)
        return struct.pack(">HHI", kind, len(body), COOKIE) + self.transaction + body

    def _read_message(self) -> tuple[int, Attributes]:
        if self.datagrams:
            data = self.stream.recv(65536)
        else:
            while (
                len(self.waiting) < 20
                or len(self.waiting) < 20 + self._announced_attributes_length()
            ):
                more = self.stream.recv(65536)
                if not more:
                    raise ConnectionError("the TURN server closed the connection")
                self.waiting += more
            end = 20 + self._announced_attributes_length()
            data, self.waiting = self.waiting[:end], self.waiting[end:]
        return struct.unpack(">H", data[:2])[0], _parse_attributes(data[20:])

    def _announced_attributes_length(self) -> int:
        size: int = struct.unpack(">H", self.waiting[2:4])[0]
        return size


def udp_client(address: str, port: int, username: str, password: str) -> TurnClient:
    """Return a client over UDP."""
    kind = socket.AF_INET6 if ":" in address else socket.AF_INET
    stream = socket.socket(kind, socket.SOCK_DGRAM)
    stream.settimeout(5)
    stream.connect((address, port))
    return TurnClient(stream, username, password)


def tcp_client(address: str, port: int, username: str, password: str) -> TurnClient:
    """Return a client over plain TCP."""
    return TurnClient(socket.create_connection((address, port), timeout=10), username, password)


def tls_client(
    address: str, port: int, name: str, ca_file: str, username: str, password: str,
    protocols: tuple[str, ...] = (),
) -> TurnClient:  # fmt: skip
    """Return a client over TLS that offers `protocols` and verifies the name."""
    plain = socket.create_connection((address, port), timeout=10)
    context = ssl.create_default_context(cafile=ca_file)
    if protocols:
        context.set_alpn_protocols(list(protocols))
    return TurnClient(context.wrap_socket(plain, server_hostname=name), username, password)


def temporary_credentials(secret: str, expiry: int) -> tuple[str, str]:
    """Return the name and password that a server with `secret` accepts until `expiry`."""
    name = str(expiry)
    digest = hmac.new(secret.encode(), name.encode(), hashlib.sha1).digest()
    return name, base64.b64encode(digest).decode()


def _encode_attribute(kind: int, value: bytes) -> bytes:
    return struct.pack(">HH", kind, len(value)) + value + b"\0" * (-len(value) % 4)


def _parse_attributes(data: bytes) -> Attributes:
    found: Attributes = {}
    while len(data) >= 4:
        kind, size = struct.unpack(">HH", data[:4])
        found[kind] = data[4 : 4 + size]
        data = data[4 + size + (-size % 4) :]
    return found


def _encode_address(peer: Address, transaction: bytes) -> bytes:
    address = ipaddress.ip_address(peer[0])
    mask = struct.pack(">I", COOKIE) + transaction
    family = 1 if address.version == 4 else 2
    masked = bytes(a ^ b for a, b in zip(address.packed, mask, strict=False))
    return struct.pack(">BBH", 0, family, peer[1] ^ (COOKIE >> 16)) + masked


def _decode_address(value: bytes, transaction: bytes) -> Address:
    mask = struct.pack(">I", COOKIE) + transaction
    port = struct.unpack(">H", value[2:4])[0] ^ (COOKIE >> 16)
    packed = bytes(a ^ b for a, b in zip(value[4:], mask, strict=False))
    return str(ipaddress.ip_address(packed)), port

"""paramiko agrees on a hybrid key exchange with a server that offers nothing else."""

from __future__ import annotations

import hashlib
import socket
import threading
from types import MappingProxyType
from typing import Any

import paramiko
import pytest
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from paramiko.message import Message

from chautari.prepare import paramiko_post_quantum_kex
from chautari.prepare.paramiko_post_quantum_kex import NAME, HybridKeyExchange, HybridTransport


def encapsulate(init: bytes) -> tuple[bytes, bytes]:
    """Return a server's answer and the shared secret (draft-ietf-sshm-mlkem-hybrid-kex, 2.4)."""
    lattice, ciphertext = MLKEM768PublicKey.from_public_bytes(init[:1184]).encapsulate()
    key = X25519PrivateKey.generate()
    curve = key.exchange(X25519PublicKey.from_public_bytes(init[1184:]))
    answer = ciphertext + key.public_key().public_bytes_raw()
    return answer, hashlib.sha256(lattice + curve).digest()


class ServerExchange:
    """The server's part, which no library here has."""

    name = NAME
    hash_algo = staticmethod(hashlib.sha256)
    forged = False

    def __init__(self, transport: Any) -> None:
        self.transport = transport

    def start_kex(self) -> None:
        self.transport._expect_packet(30)

    def parse_next(self, kind: int, message: Message) -> None:
        init = message.get_string()
        answer, secret = encapsulate(init)
        host_key, hashed = self.transport.get_server_key(), Message()
        for text in (self.transport.remote_version, self.transport.local_version):
            hashed.add_string(text)
        for part in (
            self.transport.remote_kex_init, self.transport.local_kex_init, host_key.asbytes(),
            init, answer, secret,
        ):  # fmt: skip
            hashed.add_string(part)
        digest = hashlib.sha256(hashed.asbytes()).digest()
        self.transport._set_K_H(secret, digest)
        signed = bytes(32) if self.forged else digest
        reply = Message()
        reply.add_byte(b"\x1f")
        reply.add_string(host_key.asbytes())
        reply.add_string(answer)
        reply.add_string(host_key.sign_ssh_data(signed, self.transport.host_key_type).asbytes())
        self.transport._send_message(reply)
        self.transport._activate_outbound()


class ServerTransport(HybridTransport):
    """A server that offers this key exchange only."""

    _preferred_kex = (NAME,)
    _kex_info = MappingProxyType({NAME: ServerExchange})


class Server(paramiko.ServerInterface):
    """Accepts everybody."""

    def check_auth_none(self, username: str) -> int:
        return paramiko.AUTH_SUCCESSFUL  # type: ignore[return-value]

    def get_allowed_auths(self, username: str) -> str:
        return "none"


def connect() -> tuple[Any, Any]:
    one, other = socket.socketpair()
    server, client = ServerTransport(one), HybridTransport(other)
    server.add_server_key(paramiko.RSAKey.generate(2048))
    server.start_server(threading.Event(), Server())
    return client, server


def test_client_and_server_agree_and_exchange_keys_again() -> None:
    client, server = connect()
    try:
        client.start_client(timeout=30)
        assert isinstance(client.kex_engine, HybridKeyExchange | None)
        first = client.H
        client.auth_none("ana")
        assert client.is_authenticated()
        client.renegotiate_keys()
        assert first != client.H
        assert client.session_id == first
    finally:
        client.close()
        server.close()


def test_exchange_that_the_host_key_did_not_sign_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ServerExchange, "forged", True)
    client, server = connect()
    try:
        with pytest.raises(paramiko.SSHException, match="Signature verification"):
            client.start_client(timeout=30)
    finally:
        client.close()
        server.close()


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text[:-1],
        lambda text: text + b"x",
        lambda text: text[:100],
        lambda text: text[:-32] + bytes(32),
        lambda text: text[:-32] + b"\1" + bytes(31),  # points of small order
    ],
)
def test_answer_that_is_not_valid_is_refused(change: Any) -> None:
    exchange = HybridKeyExchange(paramiko.Transport(socket.socketpair()[0]))
    answer, secret = encapsulate(exchange.init)
    assert exchange.shared_secret(answer) == secret
    with pytest.raises(paramiko.SSHException):
        exchange.shared_secret(change(answer))


def test_other_servers_are_reached_as_before() -> None:
    assert paramiko_post_quantum_kex.is_available()
    assert HybridTransport._preferred_kex[1:] == paramiko.Transport._preferred_kex
    assert "curve25519-sha256@libssh.org" in HybridTransport._preferred_kex

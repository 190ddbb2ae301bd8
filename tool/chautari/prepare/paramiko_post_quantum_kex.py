"""Connect paramiko to servers that only offer post-quantum key exchanges, as hardened ones do.

OpenSSH 9.9 and newer offer `mlkem768x25519-sha256` (draft-ietf-sshm-mlkem-hybrid-kex). paramiko has
it from release 5 on; pyinfra still requires an older one. `cryptography` does the mathematics.
"""

from __future__ import annotations

import hashlib
from types import MappingProxyType
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from paramiko import SSHException, Transport
from paramiko.common import byte_chr
from paramiko.message import Message

NAME = "mlkem768x25519-sha256"
_INIT, _REPLY = 30, 31  # SSH_MSG_KEX_HYBRID_INIT and _REPLY
_CIPHERTEXT_BYTES = 1088


class HybridKeyExchange:
    """The client's part of the exchange; paramiko calls `start_kex`, then `parse_next`."""

    name = NAME
    hash_algo = staticmethod(hashlib.sha256)

    def __init__(self, transport: Transport) -> None:
        """Create both keys of the client."""
        self.transport: Any = transport
        self.lattice = MLKEM768PrivateKey.generate()
        self.curve = X25519PrivateKey.generate()
        self.init = self.lattice.public_key().public_bytes_raw()
        self.init += self.curve.public_key().public_bytes_raw()

    def start_kex(self) -> None:
        """Send both public keys."""
        message = Message()
        message.add_byte(byte_chr(_INIT))
        message.add_string(self.init)
        self.transport._send_message(message)
        self.transport._expect_packet(_REPLY)

    def parse_next(self, _: int, message: Message) -> None:
        """Take the server's answer; the host key has to have signed the exchange."""
        host_key, answer = message.get_string(), message.get_string()
        signature = message.get_binary()
        secret = self.shared_secret(answer)
        transport, hashed = self.transport, Message()
        hashed.add(
            transport.local_version,
            transport.remote_version,
            transport.local_kex_init,
            transport.remote_kex_init,
        )
        for part in (host_key, self.init, answer, secret):
            hashed.add_string(part)
        transport._set_K_H(secret, self.hash_algo(hashed.asbytes()).digest())
        transport._verify_key(host_key, signature)
        transport._activate_outbound()

    def shared_secret(self, answer: bytes) -> bytes:
        """Return the hash of both shared secrets; `cryptography` checks lengths and the curve."""
        ciphertext, public = answer[:_CIPHERTEXT_BYTES], answer[_CIPHERTEXT_BYTES:]
        try:
            lattice = self.lattice.decapsulate(ciphertext)
            curve = self.curve.exchange(X25519PublicKey.from_public_bytes(public))
        except ValueError as error:
            raise SSHException(f"the server's {NAME} response is not valid: {error}") from None
        return hashlib.sha256(lattice + curve).digest()


def is_available() -> bool:
    """Return whether this machine's OpenSSL has ML-KEM."""
    try:
        MLKEM768PrivateKey.generate()
    except UnsupportedAlgorithm:
        return False
    return True


_Base: Any = Transport  # its hooks are not part of its typed interface


class HybridTransport(_Base):
    """A transport that prefers the hybrid key exchange."""

    _preferred_kex = ((NAME,) if is_available() else ()) + _Base._preferred_kex
    _kex_info = MappingProxyType({**_Base._kex_info, NAME: HybridKeyExchange})

    def _compute_key(self, id: str, nbytes: int) -> bytes:
        """Derive a key (RFC 4253, 7.2); the shared secret of this exchange is a string."""
        if not isinstance(self.K, bytes):
            derived: bytes = super()._compute_key(id, nbytes)
            return derived
        secret = Message()
        secret.add_string(self.K)
        start = secret.asbytes() + self.H
        found = hashlib.sha256(start + id.encode() + self.session_id).digest()
        while len(found) < nbytes:
            found += hashlib.sha256(start + found).digest()
        return found[:nbytes]

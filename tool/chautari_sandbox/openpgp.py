"""Just enough of OpenPGP (RFC 4880) for apt: one RSA key, its certificate, and signed text.

A sandbox signs its own package repositories with it. Nothing is read and nothing is encrypted here.
"""

from __future__ import annotations

import base64
import hashlib
import struct
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from chautari.files import write_atomically
from chautari.language import _

_RSA, _SHA512 = 1, 10
_PUBLIC_KEY, _USER, _SIGNATURE = 6, 13, 2
_TEXT, _CERTIFICATION = 0x01, 0x13
_CREATED, _ISSUER, _FLAGS, _FINGERPRINT = 2, 16, 27, 33
_MAY_CERTIFY_AND_SIGN = b"\x03"


@dataclass(frozen=True)
class SigningKey:
    """A key that signs repositories; `created` is part of what its fingerprint is made from."""

    private: rsa.RSAPrivateKey
    user: str
    created: int

    @property
    def fingerprint(self) -> str:
        """Return the fingerprint as upstream projects print theirs: 40 capital digits."""
        return (
            hashlib.sha1(_hashed_key_material(self._public_key_body), usedforsecurity=False)
            .hexdigest()
            .upper()
        )

    @property
    def _public_key_body(self) -> bytes:
        numbers = self.private.public_key().public_numbers()
        return (
            struct.pack(">BIB", 4, self.created, _RSA)
            + _encode_integer(numbers.n)
            + _encode_integer(numbers.e)
        )

    def certificate(self) -> str:
        """Return the public key with its owner's name, as an armored file."""
        user = self.user.encode()
        hashed = (
            _hashed_key_material(self._public_key_body) + struct.pack(">BI", 0xB4, len(user)) + user
        )
        flags = _encode_subpacket(_FLAGS, _MAY_CERTIFY_AND_SIGN)
        signature = self._make_signature(_CERTIFICATION, hashed, self.created, flags)
        packets = (
            _encode_packet(_PUBLIC_KEY, self._public_key_body)
            + _encode_packet(_USER, user)
            + signature
        )
        return _ascii_armor("PUBLIC KEY BLOCK", packets)

    def clear_sign(self, text: str, when: int) -> str:
        """Return `text` with a signature around it, as apt reads `InRelease`."""
        lines = [line.rstrip() for line in text.rstrip("\n").split("\n")]
        signature = self._make_signature(_TEXT, "\r\n".join(lines).encode(), when)
        body = "\n".join(f"- {line}" if line.startswith("-") else line for line in lines)
        head = "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n"
        return f"{head}{body}\n{_ascii_armor('SIGNATURE', signature)}"

    def _make_signature(self, kind: int, content: bytes, when: int, extra: bytes = b"") -> bytes:
        issuer = bytes.fromhex(self.fingerprint)
        hashed = _encode_subpacket(_CREATED, struct.pack(">I", when)) + extra
        hashed += _encode_subpacket(_FINGERPRINT, b"\x04" + issuer)
        head = struct.pack(">BBBBH", 4, kind, _RSA, _SHA512, len(hashed)) + hashed
        digest = hashlib.sha512(content + head + struct.pack(">BBI", 4, 0xFF, len(head))).digest()
        unhashed = _encode_subpacket(_ISSUER, issuer[-8:])
        signed = self.private.sign(digest, padding.PKCS1v15(), Prehashed(hashes.SHA512()))
        tail = struct.pack(">H", len(unhashed)) + unhashed + digest[:2]
        return _encode_packet(
            _SIGNATURE, head + tail + _encode_integer(int.from_bytes(signed, "big"))
        )


def ensure_signing_key(file: Path, user: str, created: int) -> SigningKey:
    """Return the key kept in `file`, made at the first call."""
    if not file.is_file():
        made = rsa.generate_private_key(public_exponent=65537, key_size=3072)
        pem = made.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        write_atomically(file, pem, 0o600)
    private = serialization.load_pem_private_key(file.read_bytes(), password=None)
    if not isinstance(private, rsa.RSAPrivateKey):
        raise TypeError(_("{file} is not a key that Chautari created", file=file))
    return SigningKey(private, user, created)


def _hashed_key_material(body: bytes) -> bytes:
    return struct.pack(">BH", 0x99, len(body)) + body


def _encode_integer(number: int) -> bytes:
    bits = number.bit_length()
    return struct.pack(">H", bits) + number.to_bytes((bits + 7) // 8, "big")


def _encode_subpacket(kind: int, content: bytes) -> bytes:
    return struct.pack(">BB", len(content) + 1, kind) + content


def _encode_packet(tag: int, body: bytes) -> bytes:
    return struct.pack(">BBI", 0xC0 | tag, 0xFF, len(body)) + body


def _ascii_armor(label: str, data: bytes) -> str:
    text = base64.b64encode(data).decode()
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    check = base64.b64encode(_crc24(data).to_bytes(3, "big")).decode()
    return "\n".join(
        [f"-----BEGIN PGP {label}-----", "", *lines, f"={check}", f"-----END PGP {label}-----", ""]
    )


def _crc24(data: bytes) -> int:
    crc = 0xB704CE
    for byte in data:
        crc ^= byte << 16
        for __ in range(8):
            crc <<= 1
            if crc & 0x1000000:
                crc ^= 0x1864CFB
    return crc & 0xFFFFFF

"""Check an OpenSSH signature (SSHSIG) as `ssh-keygen -Y verify` does.

`cryptography` is a dependency already and does the arithmetic; around it are the few fields of
OpenSSH's PROTOCOL.sshsig. `ssh-keygen` would need a process and two files for each check, and says
why it refuses only in words that change between releases; here each cause has its own code. Tests
compare the two: what `ssh-keygen` signs is accepted, and what it refuses is refused.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from chautari.federation.refusal import PeerRefused
from chautari.federation.transfer import MAX_SIGNATURE_BYTES, NAMESPACE

KIND = b"ssh-ed25519"
_MAGIC = b"SSHSIG"
_VERSION = (1).to_bytes(4, "big")
_HASHES = {b"sha512": hashlib.sha512, b"sha256": hashlib.sha256}
_ARMOR = re.compile(
    rb"-----BEGIN SSH SIGNATURE-----\r?\n((?:[A-Za-z0-9+/=]{1,76}\r?\n){1,20})"
    rb"-----END SSH SIGNATURE-----(?:\r?\n)?"
)


class Signature(NamedTuple):
    """The fields of a signature."""

    key: bytes
    namespace: bytes
    reserved: bytes
    hash_name: bytes
    value: bytes

    def signed_message(self, content: bytes) -> bytes:
        """Return the bytes that were signed instead of `content` (PROTOCOL.sshsig)."""
        digest = _HASHES[self.hash_name](content).digest()
        fields = (self.namespace, self.reserved, self.hash_name, digest)
        return _MAGIC + b"".join(map(_with_length_prefix, fields))


def verify_and_return_signing_key(content: bytes, armored: bytes, pinned: str | None = None) -> str:
    """Return the public key that signed `content`, as a line `ssh-ed25519 AAAA…`.

    Raises:
        PeerRefused: when the signature does not match `content`, is for another purpose, or was
            made with another key than `pinned`.
    """
    signature = _read_signature(armored)
    if signature.namespace != NAMESPACE.encode():
        raise PeerRefused("signature_for_other_purpose", namespace=NAMESPACE)
    line = f"{KIND.decode()} {base64.b64encode(signature.key).decode()}"
    if pinned is not None and line != pinned:
        raise PeerRefused("signed_by_other_key")
    if not _is_valid_signature(signature, content):
        raise PeerRefused("signature_wrong")
    return line


def _read_signature(armored: bytes) -> Signature:
    found = _ARMOR.fullmatch(armored) if len(armored) <= MAX_SIGNATURE_BYTES else None
    text = b"".join(found[1].split()) if found else b""
    try:
        blob = base64.b64decode(text, validate=True)
    except binascii.Error:
        blob = b""
    if base64.b64encode(blob) != text:  # its last letter has bits that decoding ignores
        raise PeerRefused("signature_unreadable")
    fields = _split_length_prefixed_fields(blob.removeprefix(_MAGIC + _VERSION))
    if not blob.startswith(_MAGIC + _VERSION) or len(fields) != 5:
        raise PeerRefused("signature_unreadable")
    signature = Signature(*fields)
    if signature.reserved or signature.hash_name not in _HASHES:
        raise PeerRefused("signature_unreadable")
    return signature


def _is_valid_signature(signature: Signature, content: bytes) -> bool:
    key, value = (
        _split_length_prefixed_fields(signature.key),
        _split_length_prefixed_fields(signature.value),
    )
    if [part[:1] for part in (key, value)] != [[KIND], [KIND]] or len(key) != 2 or len(value) != 2:
        raise PeerRefused("signature_unreadable")
    try:
        public = Ed25519PublicKey.from_public_bytes(key[1])
        public.verify(value[1], signature.signed_message(content))
    except (InvalidSignature, ValueError):
        return False
    return True


def _with_length_prefix(content: bytes) -> bytes:
    return len(content).to_bytes(4, "big") + content


def _split_length_prefixed_fields(blob: bytes) -> list[bytes]:
    """Return the length-prefixed parts of `blob`, or none when they do not fill it exactly."""
    found: list[bytes] = []
    while blob:
        size = int.from_bytes(blob[:4], "big")
        part, blob = blob[4 : 4 + size], blob[4 + size :]
        if len(part) != size:
            return []
        found.append(part)
    return found

"""Private keys of RSA and ed25519: generate, load and use them.

`cryptography` takes up to 40 ms to load, and most commands use no private key. So the modules that
every command loads import this one inside a function.
"""

from __future__ import annotations

from collections.abc import Callable

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

PrivateKey = rsa.RSAPrivateKey | Ed25519PrivateKey
_RSA_BITS = 3072
_OPENSSH = serialization.PrivateFormat.OpenSSH


def generate_rsa_key() -> str:
    """Return a new private RSA key as PEM text."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=_RSA_BITS)
    return _private_key_bytes(key, serialization.PrivateFormat.PKCS8).decode()


def generate_ed25519_key() -> str:
    """Return a new ed25519 private key in OpenSSH's format."""
    return _private_key_bytes(Ed25519PrivateKey.generate(), _OPENSSH).decode()


def load_pem_key(content: bytes) -> PrivateKey | None:
    """Return a key in PEM format without a passphrase; None for anything else."""
    return _key_or_none(serialization.load_pem_private_key, content)


def load_openssh_key(content: bytes) -> PrivateKey | None:
    """Return a key in OpenSSH's format without a passphrase; None for anything else."""
    return _key_or_none(serialization.load_ssh_private_key, content)


def load_rsa_key(text: str) -> rsa.RSAPrivateKey | None:
    """Return a private RSA key in PEM format without a passphrase; None for anything else."""
    key = load_pem_key(text.encode())
    return key if isinstance(key, rsa.RSAPrivateKey) else None


def remove_passphrase(content: bytes, passphrase: str) -> bytes:
    """Return a key in OpenSSH's format without its passphrase.

    Raises:
        ValueError: when the passphrase is wrong, or this type of key is not supported.
    """
    try:
        key = serialization.load_ssh_private_key(content, passphrase.encode())
    except (TypeError, UnsupportedAlgorithm) as error:
        raise ValueError(str(error)) from None
    return key.private_bytes(serialization.Encoding.PEM, _OPENSSH, serialization.NoEncryption())


def public_key_line(key: PrivateKey) -> str:
    """Return the public half of a key as one line, such as `ssh-ed25519 AAAA…`."""
    form = serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    return key.public_key().public_bytes(*form).decode()


def ed25519_public_key_line(text: str) -> str | None:
    """Return the public half of an ed25519 key in OpenSSH's format; None for anything else."""
    key = load_openssh_key(text.encode())
    return public_key_line(key) if isinstance(key, Ed25519PrivateKey) else None


def sign_as_openssh(key: PrivateKey, content: bytes) -> tuple[bytes, bytes]:
    """Return OpenSSH's name of the algorithm, and the signature of `content` by a key."""
    if isinstance(key, rsa.RSAPrivateKey):
        return b"rsa-sha2-512", key.sign(content, padding.PKCS1v15(), hashes.SHA512())
    return b"ssh-ed25519", key.sign(content)


def _private_key_bytes(key: PrivateKey, form: serialization.PrivateFormat) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


def _key_or_none(load: Callable[[bytes, None], object], content: bytes) -> PrivateKey | None:
    try:
        key = load(content, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None
    return key if isinstance(key, PrivateKey) else None

"""SSH keys: the operator's, as a VPS provider takes it, and each node's identity."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from chautari.files import write_atomically

_Key = ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey


def ensure_operator_key_file(folder: Path, sandbox: str) -> Path:
    """Return the operator's private key; the public half is in the file beside it."""
    return _ensure_key(folder / "operator", f"operator@{sandbox}", "ed25519")


def ensure_host_key_files(folder: Path, node: str) -> tuple[Path, ...]:
    """Return the node's host keys, the same for every container of this node."""
    return tuple(
        _ensure_key(folder / node / f"ssh_host_{kind}_key", f"root@{node}", kind)
        for kind in ("ed25519", "rsa")
    )


def public_key_file(private: Path) -> Path:
    """Return the file of the public half of a private key."""
    return private.with_name(private.name + ".pub")


def _ensure_key(path: Path, comment: str, kind: str) -> Path:
    if not (path.is_file() and public_key_file(path).is_file()):
        key = _generate_private_key(kind)
        line = key.public_key().public_bytes(
            serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
        )
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.OpenSSH,
            serialization.NoEncryption(),
        )
        write_atomically(path, private, 0o600)
        write_atomically(public_key_file(path), line + f" {comment}\n".encode())
    return path


def _generate_private_key(kind: str) -> _Key:
    if kind == "rsa":
        return rsa.generate_private_key(public_exponent=65537, key_size=3072)
    return ed25519.Ed25519PrivateKey.generate()

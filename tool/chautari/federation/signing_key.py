"""The key of a region: it signs the descriptor, and other regions pin its public half."""

from __future__ import annotations

from chautari.errors import BadInput
from chautari.language import _
from chautari.services.secret_spec import Rotation, SecretSpec

NAME = "region_signing_key"
PATTERN = (
    r"-----BEGIN OPENSSH PRIVATE KEY-----\n(?:[A-Za-z0-9+/=]{1,76}\n){1,10}"
    r"-----END OPENSSH PRIVATE KEY-----\n?"
)


def signing_key_spec(service: str) -> SecretSpec:
    """Return the secret; `service` publishes the descriptor, so only its node gets the key."""
    return SecretSpec(
        NAME,
        service,
        "key that signs the region's descriptor for other regions",
        make=generate_signing_key,
        pattern=PATTERN,
        form="an ed25519 private key in OpenSSH format, without a passphrase",
        rotation=Rotation.NAMED,
        rotation_note="Peers trust this key. After a change of this key, each peer must run "
        "deploy federation leave, invite and join again.",
    )


def generate_signing_key() -> str:
    """Return a new ed25519 private key in OpenSSH's format."""
    # Imported here: only a first deploy needs it.
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return (
        Ed25519PrivateKey.generate()
        .private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.OpenSSH,
            serialization.NoEncryption(),
        )
        .decode()
    )


def public_key_of(private: str) -> str:
    """Return the public half as a line `ssh-ed25519 AAAA…`.

    Raises:
        BadInput: when `private` is not an ed25519 key that can be used.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    try:
        key = serialization.load_ssh_private_key(private.encode(), None)
    except (UnsupportedAlgorithm, ValueError, TypeError):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise BadInput(
            _("the secret {name} is not an ed25519 private key", name=NAME),
            fix=_("restore secrets.age from git"),
        )
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
        .decode()
    )

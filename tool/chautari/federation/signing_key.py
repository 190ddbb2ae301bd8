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
    from chautari import key_pairs  # takes long to load, and only a first deploy needs it

    return key_pairs.generate_ed25519_key()


def public_key_of(private: str) -> str:
    """Return the public half as a line `ssh-ed25519 AAAA…`.

    Raises:
        BadInput: when `private` is not an ed25519 key that can be used.
    """
    from chautari import key_pairs  # takes long to load, and few regions have peers or backups

    line = key_pairs.ed25519_public_key_line(private)
    if line is None:
        raise BadInput(
            _("the secret {name} is not an ed25519 private key", name=NAME),
            fix=_("restore secrets.age from git"),
        )
    return line

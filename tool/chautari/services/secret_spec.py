"""One secret of a region: its name, its owner, and how a new value is generated."""

from __future__ import annotations

import re
import secrets as random
from collections.abc import Callable
from typing import NamedTuple

from chautari.errors import BadInput

ONE_LINE = r"[^\x00-\x1f\x7f-\x9f\u2028\u2029]{1,1000}"
PRIVATE_KEY = (
    r"-----BEGIN (?P<kind>(RSA )?PRIVATE KEY)-----\n([A-Za-z0-9+/=]{1,76}\n){1,120}"
    r"-----END (?P=kind)-----\n?"
)


def generate_secret() -> str:
    """Return a new secret of 192 random bits; its letters need no quoting anywhere."""
    return random.token_urlsafe(24)


def generate_lowercase() -> str:
    """Return a new secret of 192 random bits, in digits and small letters only."""
    return random.token_hex(24)


def generate_rsa_key() -> str:
    """Return a new private RSA key as PEM text."""
    # Imported here: it takes a third of a second, and only a first deploy needs it.
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=3072)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def generate_rails_secret_key() -> str:
    """Return a new key of 512 random bits, as Rails expects it."""
    return random.token_hex(64)


def generate_strong() -> str:
    """Return a new password that contains every class of characters."""
    return f"Aa1-{random.token_urlsafe(24)}"


class SecretSpec(NamedTuple):
    """One secret that a region needs.

    Attributes:
        service: the service whose nodes get it; None for every node.
        user_supplied: whether an operator sets it; otherwise `make` generates it.
        also_for: further services whose nodes get it.
        pattern: regular expression that a value must match.
        form: what `pattern` describes, in words.
    """

    name: str
    service: str | None
    meaning: str
    make: Callable[[], str] = generate_secret
    also_for: tuple[str, ...] = ()
    pattern: str = ONE_LINE
    form: str = "one line of 1 to 1,000 characters without control characters"
    user_supplied: bool = False

    def check(self, value: str, region: str) -> None:
        """Refuse a `value` that the service does not accept; `region` is named in the fix.

        Raises:
            BadInput: with what to do instead; the value is not shown.
        """
        if not re.fullmatch(self.pattern, value):
            raise BadInput(
                f"the secret {self.name} ({self.meaning}) must be {self.form}; the current value "
                f"has {len(value)} characters",
                fix="restore secrets.age from git, or set a new value: openssl rand -hex 24 | "
                f"deploy secrets set {region} {self.name}",
            )

"""Secrets of Scalelite."""

from __future__ import annotations

from chautari.services.secret_spec import (
    SecretSpec,
    generate_lowercase_secret,
    generate_rails_secret_key,
)

POOL_SECRET = SecretSpec(
    "scalelite_secret",
    "scalelite",
    "API secret of the server pool",
    generate_lowercase_secret,
    also_for=("nextcloud", "greenlight"),
)
SECRETS = (
    POOL_SECRET,
    SecretSpec(
        "scalelite_database_password",
        "scalelite",
        "password of Scalelite's database account",
        generate_lowercase_secret,
    ),
    SecretSpec(
        "scalelite_key",
        "scalelite",
        "key that encrypts Scalelite's cookies",
        generate_rails_secret_key,
    ),
)

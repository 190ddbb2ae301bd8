"""Secrets of Scalelite."""

from __future__ import annotations

from chautari.services.secret_spec import (
    WORD,
    WORD_FORM,
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
    pattern="[A-Za-z0-9]{16,200}",
    form="16 to 200 letters and digits",
)
SECRETS = (
    POOL_SECRET,
    SecretSpec(
        "scalelite_database_password",
        "scalelite",
        "password of Scalelite's database account",
        generate_lowercase_secret,
        pattern=WORD,
        form=WORD_FORM,
    ),
    SecretSpec(
        "scalelite_key",
        "scalelite",
        "key that encrypts Scalelite's cookies",
        generate_rails_secret_key,
        pattern=WORD,
        form=WORD_FORM,
    ),
)

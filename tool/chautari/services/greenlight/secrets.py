"""Secrets of Greenlight."""

from __future__ import annotations

from chautari.services.secret_spec import (
    WORD,
    WORD_FORM,
    Rotation,
    SecretSpec,
    generate_lowercase_secret,
    generate_password_of_all_classes,
    generate_rails_secret_key,
)

SECRETS = (
    SecretSpec(
        "greenlight_admin_password",
        "greenlight",
        "initial password of Greenlight's first administrator",
        generate_password_of_all_classes,
        generator='echo "Aa1-$(openssl rand -hex 24)"',
        rotation=Rotation.PERSON,
        rotation_note="Greenlight uses this password only to create the account. Change the "
        "password in Greenlight itself. The same password must be in secrets.age.",
    ),
    SecretSpec(
        "greenlight_database_password",
        "greenlight",
        "password of Greenlight's database account",
        generate_lowercase_secret,
        pattern=WORD,
        form=WORD_FORM,
    ),
    SecretSpec(
        "greenlight_key",
        "greenlight",
        "key that encrypts Greenlight's cookies",
        generate_rails_secret_key,
        pattern=WORD,
        form=WORD_FORM,
        rotation_note="People must log in again.",
    ),
)

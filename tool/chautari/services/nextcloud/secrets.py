"""Secrets of Nextcloud."""

from __future__ import annotations

from chautari.services.secret_spec import SecretSpec

SECRETS = (
    SecretSpec(
        "nextcloud_admin_password",
        "nextcloud",
        "password of Nextcloud's account `admin`",
        rotation_note="Passwords of apps stay valid. Delete them in the settings of `admin`.",
    ),
    SecretSpec(
        "nextcloud_database_password", "nextcloud", "password of Nextcloud's database account"
    ),
    SecretSpec(
        "nextcloud_check_password", "nextcloud", "password of the account that the checks use"
    ),
)

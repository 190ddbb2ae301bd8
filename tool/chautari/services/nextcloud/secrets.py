"""Secrets of Nextcloud."""

from __future__ import annotations

from chautari.services.secret_spec import SecretSpec

SECRETS = (
    SecretSpec(
        "nextcloud_admin_password",
        "nextcloud",
        "password of Nextcloud's account `admin`",
        rotation_note="App passwords of `admin` stay valid. To revoke them, delete them in the "
        "settings of this account.",
    ),
    SecretSpec(
        "nextcloud_database_password", "nextcloud", "password of Nextcloud's database account"
    ),
    SecretSpec(
        "nextcloud_check_password", "nextcloud", "password of the account that the checks use"
    ),
)

"""Which secrets a region needs, who makes them, and which node gets which."""

from __future__ import annotations

import secrets as random
from dataclasses import dataclass

from chautari.region.model import Region


@dataclass(frozen=True)
class SecretSpec:
    """One secret: `given` ones come from a person, the others are generated."""

    name: str
    service: str | None
    given: bool
    meaning: str


_NEXTCLOUD = (
    SecretSpec("nextcloud_admin_password", "nextcloud", False, "login `admin` of Nextcloud"),
    SecretSpec("nextcloud_database_password", "nextcloud", False, "Nextcloud's database role"),
    SecretSpec("nextcloud_check_password", "nextcloud", False, "account the checks log in with"),
)
_RECEIPTS = SecretSpec("receipt_key", None, False, "keys the digests in receipts; stays here")
_MAIL = SecretSpec("mail_relay_password", None, True, "password at the mail relay")


def wanted(region: Region) -> tuple[SecretSpec, ...]:
    """Return every secret `region` needs."""
    found = (_MAIL,) if region.mail else ()
    return found + (_NEXTCLOUD if "nextcloud" in region.carried() else ()) + (_RECEIPTS,)


def of_node(region: Region, node: str) -> tuple[str, ...]:
    """Return the names of the secrets that `node` needs: its own services' and the mail relay's."""
    services = region.nodes[node].services
    return tuple(
        spec.name
        for spec in wanted(region)
        if spec is not _RECEIPTS and (spec.service is None or spec.service in services)
    )


def generate() -> str:
    """Return a new secret of 192 random bits; its letters need no quoting anywhere."""
    return random.token_urlsafe(24)

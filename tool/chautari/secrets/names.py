"""Which secrets a region needs, who makes them, and which node gets which."""

from __future__ import annotations

import secrets as random
from dataclasses import dataclass

from chautari.region.model import Region
from chautari.region.polls import APPS, PollApp


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


def of_app(app: PollApp) -> tuple[SecretSpec, ...]:
    """Return the secrets of an app of the poll service."""
    return tuple(SecretSpec(name, "polls", False, text) for name, text in app.secrets.items())


_BY_APP = {"nextcloud": _NEXTCLOUD} | {name: of_app(app) for name, app in APPS.items()}
_MAIL = SecretSpec("mail_relay_password", None, True, "password at the mail relay")


def wanted(region: Region) -> tuple[SecretSpec, ...]:
    """Return every secret `region` needs."""
    found: tuple[SecretSpec, ...] = (_MAIL,) if region.mail else ()
    for service in region.carried():
        found += _BY_APP[region.services.app_of(service)]
    return (*found, _RECEIPTS)


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

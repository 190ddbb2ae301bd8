"""Which secrets a region needs, who makes them, and which node gets which."""

from __future__ import annotations

import re
import secrets as random
from collections.abc import Callable
from dataclasses import dataclass

from chautari.errors import BadInput
from chautari.region.model import Region
from chautari.region.polls import APPS, PollApp


def generate() -> str:
    """Return a new secret of 192 random bits; its letters need no quoting anywhere."""
    return random.token_urlsafe(24)


def generate_plain() -> str:
    """Return a new secret of 192 random bits in digits and small letters alone."""
    return random.token_hex(24)


def generate_key() -> str:
    """Return a new private RSA key as PEM text."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=3072)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def generate_hex() -> str:
    """Return a new key of 512 random bits, as Rails wants it."""
    return random.token_hex(64)


def generate_strong() -> str:
    """Return a new password that has one of each kind of letters, whatever chance says."""
    return f"Aa1-{random.token_urlsafe(24)}"


@dataclass(frozen=True)
class SecretSpec:
    """One secret: `given` ones come from a person, the others are made by `make`.

    A node gets those of its services, and those that name one of its services in `helpers`.
    What a person sets must match `form`, a regular expression; anything may be set without one.
    """

    name: str
    service: str | None
    given: bool
    meaning: str
    make: Callable[[], str] = generate
    helpers: tuple[str, ...] = ()
    form: str = ""

    def check(self, value: str, region: str) -> None:
        """Refuse a `value` that the service could not be given; `region` is named in the fix.

        Raises:
            BadInput: with what to do instead; the value is not shown.
        """
        if self.form and not re.fullmatch(self.form, value):
            raise BadInput(
                f"the secret {self.name} ({self.meaning}) must fit {self.form}; what is set has "
                f"{len(value)} characters",
                fix=f"openssl rand -hex 24 | deploy secrets set {region} {self.name}",
            )


_NEXTCLOUD = (
    SecretSpec("nextcloud_admin_password", "nextcloud", False, "login `admin` of Nextcloud"),
    SecretSpec("nextcloud_database_password", "nextcloud", False, "Nextcloud's database role"),
    SecretSpec("nextcloud_check_password", "nextcloud", False, "account the checks log in with"),
)
JITSI_MEMBER = "jitsi_member_"
_BRIDGES = ("jitsi-bridge",)
_JITSI = (
    SecretSpec("jitsi_focus_password", "jitsi", False, "account of Jitsi's conference focus"),
    SecretSpec(
        "jitsi_bridge_password", "jitsi", False, "account of the video bridges", helpers=_BRIDGES
    ),
    SecretSpec("jitsi_key", "jitsi", False, "key of Jitsi's XMPP server", generate_key, _BRIDGES),
    SecretSpec("jitsi_turn_secret", "jitsi", False, "what TURN credentials are made from"),
    SecretSpec("jitsi_check_password", "jitsi", False, "account the checks log in with"),
)
_BIGBLUEBUTTON = (
    SecretSpec(
        "bigbluebutton_secret", "bigbluebutton", False, "opens BigBlueButton's API", generate_plain,
        ("nextcloud", "greenlight", "scalelite"), "[A-Za-z0-9]{40,128}",
    ),
    SecretSpec(
        "bigbluebutton_turn_secret", "bigbluebutton", False, "what TURN credentials are made from"
    ),
)  # fmt: skip
_REDIS = SecretSpec(
    "containers_redis_password", "greenlight", False, "Redis of Greenlight and Scalelite",
    generate_plain, ("scalelite",),
)  # fmt: skip
_GREENLIGHT = (
    SecretSpec(
        "greenlight_admin_password", "greenlight", False, "first administrator of Greenlight",
        generate_strong,
    ),
    SecretSpec(
        "greenlight_database_password", "greenlight", False, "Greenlight's database role",
        generate_plain,
    ),
    SecretSpec("greenlight_key", "greenlight", False, "seals Greenlight's cookies", generate_hex),
)  # fmt: skip
_SCALELITE = (
    SecretSpec(
        "scalelite_secret", "scalelite", False, "opens the API of the pool of servers",
        generate_plain, ("nextcloud", "greenlight"),
    ),
    SecretSpec(
        "scalelite_database_password", "scalelite", False, "Scalelite's database role",
        generate_plain,
    ),
    SecretSpec("scalelite_key", "scalelite", False, "seals Scalelite's cookies", generate_hex),
)  # fmt: skip
_RECEIPTS = SecretSpec("receipt_key", None, False, "keys the digests in receipts; stays here")


def of_app(app: PollApp) -> tuple[SecretSpec, ...]:
    """Return the secrets of an app of the poll service."""
    return tuple(SecretSpec(name, "polls", False, text) for name, text in app.secrets.items())


_BY_APP = {
    "nextcloud": _NEXTCLOUD,
    "jitsi": _JITSI,
    "bigbluebutton": _BIGBLUEBUTTON,
    "greenlight": _GREENLIGHT,
    "scalelite": _SCALELITE,
    **{name: of_app(app) for name, app in APPS.items()},
}
_MAIL = SecretSpec("mail_relay_password", None, True, "password at the mail relay")


def wanted(region: Region) -> tuple[SecretSpec, ...]:
    """Return every secret `region` needs."""
    found: tuple[SecretSpec, ...] = (_MAIL,) if region.mail else ()
    for service in region.deployed_services():
        found += _BY_APP[region.services.app_of(service)]
    if {"greenlight", "scalelite"} & set(region.deployed_services()):
        found += (_REDIS,)
    if "jitsi" in region.deployed_services():
        found += tuple(_of_member(name) for name in region.services.of_jitsi().members)
    return (*found, _RECEIPTS)


def _of_member(name: str) -> SecretSpec:
    return SecretSpec(f"{JITSI_MEMBER}{name}", "jitsi", False, f"login `{name}` of Jitsi Meet")


def of_node(region: Region, node: str) -> tuple[str, ...]:
    """Return the names of the secrets that `node` needs: its own services' and the mail relay's."""
    services = {None, *region.nodes[node].services}
    return tuple(
        spec.name
        for spec in wanted(region)
        if spec is not _RECEIPTS and services & {spec.service, *spec.helpers}
    )

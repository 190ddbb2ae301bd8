"""Secrets of Jitsi Meet and its bridges, and the certificate made from one of them."""

from __future__ import annotations

import functools

from chautari.errors import BadInput
from chautari.language import _
from chautari.services.secret_spec import (
    PRIVATE_KEY,
    WORD,
    WORD_FORM,
    SecretSpec,
    generate_rsa_key,
    is_strong_rsa_private_key,
)

MEMBER_PREFIX = "jitsi_member_"
_BRIDGES = ("jitsi-bridge",)
BRIDGE_PASSWORD = SecretSpec(
    "jitsi_bridge_password",
    "jitsi",
    "password of the video bridges' account",
    also_for=_BRIDGES,
    pattern=WORD,
    form=WORD_FORM,
)
KEY = SecretSpec(
    "jitsi_key", "jitsi", "private key of Jitsi's XMPP server", generate_rsa_key, _BRIDGES,
    pattern=PRIVATE_KEY,
    form="a private RSA key of at least 2048 bits in PEM format, without a passphrase",
    generator="openssl genrsa 3072", is_usable=is_strong_rsa_private_key,
)  # fmt: skip
SECRETS = (
    SecretSpec(
        "jitsi_focus_password",
        "jitsi",
        "password of Jicofo's account on the XMPP server",
        pattern=WORD,
        form=WORD_FORM,
    ),
    BRIDGE_PASSWORD,
    KEY,
    SecretSpec(
        "jitsi_turn_secret",
        "jitsi",
        "key from which TURN credentials are generated",
        pattern=WORD,
        form=WORD_FORM,
    ),
    SecretSpec(
        "jitsi_check_password",
        "jitsi",
        "password of the account that the checks use",
        pattern=WORD,
        form=WORD_FORM,
    ),
)
# The names in the certificate of the XMPP server behind a meeting service.
_SERVER_NAMES = ("auth.{domain}", "{domain}", "guest.{domain}")


def meeting_starter_password_spec(name: str) -> SecretSpec:
    """Return the secret that the member called `name` logs in with."""
    return SecretSpec(
        f"{MEMBER_PREFIX}{name}",
        "jitsi",
        _("password of the Jitsi Meet member `{name}`", name=name),
        pattern=WORD,
        form=WORD_FORM,
        rotation_note=_("Give the member the new password."),
    )


def peer_password_spec(peer: str) -> SecretSpec:
    """Return the secret with which the bridges that a peer lends log in."""
    return SecretSpec(
        f"jitsi_peer_{peer}",
        "jitsi",
        _("password of the video bridges that `{peer}` lends", peer=peer),
        pattern=WORD,
        form=WORD_FORM,
        rotation_note=_("The peer gets the new value with its next deploy."),
    )


def xmpp_certificate_names(domain: str) -> tuple[str, ...]:
    """Return the names in the certificate of the XMPP server behind a meeting service."""
    return tuple(name.format(domain=domain) for name in _SERVER_NAMES)


@functools.cache  # OpenSSL checks the key for 100 ms, for the meeting node and for each bridge
def xmpp_certificate(key: str, name: str) -> str:
    """Return the certificate of the XMPP server, which only Jitsi's own parts connect to.

    The result depends on the arguments only.

    Raises:
        BadInput: when `key` is no private RSA key.
    """
    from chautari.services.jitsi import certificates  # takes long to load; few regions need it

    names = xmpp_certificate_names(name)
    certificate = certificates.xmpp_server_certificate(key, name, names)
    if certificate is None:
        raise BadInput(
            _(
                "the secret {name} ({meaning}) is not {form}",
                name=KEY.name,
                meaning=_(KEY.meaning),
                form=_(KEY.form),
            ),
            fix=_("restore secrets.age from git, or set a new value: ") + KEY.set_command("NAME"),
        )
    return certificate

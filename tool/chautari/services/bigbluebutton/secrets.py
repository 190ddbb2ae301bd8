"""Secrets of BigBlueButton."""

from __future__ import annotations

from chautari.language import Text, _
from chautari.services.secret_spec import (
    WORD,
    WORD_FORM,
    SecretSpec,
    generate_lowercase_secret,
)

SECRET_PATTERN = "[A-Za-z0-9]{40,128}"
_FORM: Text = "40 to 128 letters and digits"
SERVER_SECRET = SecretSpec(
    "bigbluebutton_secret",
    "bigbluebutton",
    "API secret of BigBlueButton",
    generate_lowercase_secret,
    also_for=("nextcloud", "greenlight", "scalelite"),
    pattern=SECRET_PATTERN,
    form=_FORM,
)
TURN_SECRET = SecretSpec(
    "bigbluebutton_turn_secret",
    "bigbluebutton",
    "key from which TURN credentials are generated",
    pattern=WORD,
    form=WORD_FORM,
)
SECRETS = (SERVER_SECRET, TURN_SECRET)


def peer_secret_spec(peer: str) -> SecretSpec:
    """Return the API secret of the servers that are lent to a peer."""
    return SecretSpec(
        f"bigbluebutton_peer_{peer}",
        "bigbluebutton",
        _("API secret of the BigBlueButton servers that are lent to `{peer}`", peer=peer),
        generate_lowercase_secret,
        pattern=SECRET_PATTERN,
        form=_FORM,
        rotation_note="The peer gets the new value with its next deploy.",
    )

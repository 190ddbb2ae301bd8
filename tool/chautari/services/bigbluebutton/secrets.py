"""Secrets of BigBlueButton."""

from __future__ import annotations

from chautari.services.secret_spec import SecretSpec, generate_lowercase

SERVER_SECRET = SecretSpec(
    "bigbluebutton_secret",
    "bigbluebutton",
    "API secret of BigBlueButton",
    generate_lowercase,
    also_for=("nextcloud", "greenlight", "scalelite"),
    pattern="[A-Za-z0-9]{40,128}",
    form="40 to 128 letters and digits",
)
TURN_SECRET = SecretSpec(
    "bigbluebutton_turn_secret", "bigbluebutton", "key from which TURN credentials are generated"
)
SECRETS = (SERVER_SECRET, TURN_SECRET)

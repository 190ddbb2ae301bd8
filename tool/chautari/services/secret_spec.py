"""One secret of a region: its name, its owner, and how a new value is generated."""

from __future__ import annotations

import re
import secrets as random
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from chautari.errors import BadInput
from chautari.language import Text, _, ngettext

MAX_LINE = 1000
MAX_WORD = 200
MIN_RSA_BITS = 2048
# Postfix and other programs drop the spaces at the ends.
ONE_LINE = rf"(?! )[^\n]{{1,{MAX_LINE}}}(?<! )"
# Settings files, addresses of databases and Lua take these characters without quotes.
WORD = rf"[A-Za-z0-9_-]{{16,{MAX_WORD}}}"
WORD_FORM: Text = "16 to 200 letters, digits, dashes or underscores"
PRIVATE_KEY = (
    r"-----BEGIN (?P<kind>(RSA )?PRIVATE KEY)-----\n([A-Za-z0-9+/=]{1,76}\n){1,120}"
    r"-----END (?P=kind)-----\n?"
)


def generate_192_bit_secret() -> str:
    """Return a new secret of 192 random bits; its letters need no quoting anywhere."""
    return random.token_urlsafe(24)


def generate_lowercase_secret() -> str:
    """Return a new secret of 192 random bits, in digits and small letters only."""
    return random.token_hex(24)


def generate_rsa_key() -> str:
    """Return a new private RSA key as PEM text."""
    from chautari import key_pairs  # takes long to load, and only a first deploy needs it

    return key_pairs.generate_rsa_key()


def generate_rails_secret_key() -> str:
    """Return a new key of 512 random bits, as Rails expects it."""
    return random.token_hex(64)


def generate_password_of_all_classes() -> str:
    """Return a new password that contains every class of characters."""
    return f"Aa1-{random.token_urlsafe(24)}"


def is_strong_rsa_private_key(text: str) -> bool:
    """Return whether `text` is a private RSA key of 2048 bits or more, without a passphrase."""
    from chautari import key_pairs  # takes long to load, and only a new value is tried

    key = key_pairs.load_rsa_key(text)
    return key is not None and key.key_size >= MIN_RSA_BITS


def first_invisible_character(value: str) -> str | None:
    """Return the first character of `value` that no screen shows; line ends may be part of it."""
    return next((char for char in value if not char.isprintable() and char != "\n"), None)


class Rotation(Enum):
    """How a secret gets a new value."""

    DEPLOY = "deploy"  # generated, and the next deploy applies it
    NAMED = "named"  # as `DEPLOY`, but only for who names it: it has consequences elsewhere
    PERSON = "person"  # a person changes it where it is used, and then sets it
    NEVER = "never"  # another value would make data unreadable


class SecretSpec(NamedTuple):
    """One secret that a region needs.

    Attributes:
        service: the service whose nodes get it; None for every node.
        user_supplied: whether an operator sets it; otherwise `make` generates it.
        also_for: further services whose nodes get it.
        pattern: regular expression that a value must match.
        form: what `pattern` describes, in words.
        generator: the command that prints a new value in this form.
        node: the only node that gets it, in place of the nodes of `service`.
        is_usable: whether a value in this form works; only new values are tried, since it is slow.
        rotation: how it gets a new value.
        rotation_note: what a new value means for people, or what to do instead.
    """

    name: str
    service: str | None
    meaning: str
    make: Callable[[], str] = generate_192_bit_secret
    also_for: tuple[str, ...] = ()
    pattern: str = ONE_LINE
    form: Text = "one line of 1 to 1,000 characters that does not begin or end with a space"
    user_supplied: bool = False
    generator: str = "openssl rand -hex 24"
    is_usable: Callable[[str], bool] | None = None
    node: str = ""
    rotation: Rotation = Rotation.DEPLOY
    rotation_note: str = ""

    def set_command(self, region: str) -> str:
        """Return the command that sets the secret of `region` to a new value."""
        command = f"deploy secrets set {region} {self.name}"
        return command if self.user_supplied else f"{self.generator} | {command}"

    def check(self, value: str, region: str, file: Path) -> None:
        """Refuse a `value` in `file` that the service does not accept; the fix names `region`.

        Raises:
            BadInput: with what to do instead; the value is not shown.
        """
        if reason := self._reason_value_is_invalid(value):
            raise BadInput(
                _(
                    "{file}: the secret {name} ({meaning}) must be {form}; the stored value "
                    "{reason}",
                    file=file,
                    name=self.name,
                    meaning=_(self.meaning),
                    form=_(self.form),
                    reason=reason,
                ),
                fix=_(
                    "restore secrets.age from git, or set a new value: {set_command}",
                    set_command=self.set_command(region),
                ),
            )

    def check_new(self, value: str, region: str) -> None:
        """Refuse a new `value` that the service does not accept.

        Raises:
            BadInput: with what to do instead; the value is not shown.
        """
        reason = self._reason_value_is_invalid(value)
        if reason is None and self.is_usable and not self.is_usable(value):
            reason = _("is not")
        if reason:
            advice = (
                _("enter the value that you were given")
                if self.user_supplied
                else _("generate one")
            )
            raise BadInput(
                _(
                    "the secret {name} ({meaning}) must be {form}; the new value {reason}",
                    name=self.name,
                    meaning=_(self.meaning),
                    form=_(self.form),
                    reason=reason,
                ),
                fix=f"{advice}: {self.set_command(region)}",
            )

    def _reason_value_is_invalid(self, value: str) -> str | None:
        """Return what is wrong with `value`, without showing it."""
        if not value:
            return _("is empty")
        if hidden := first_invisible_character(value):
            return _("contains the hidden character U+{code:04X}", code=ord(hidden))
        if re.fullmatch(self.pattern, value):
            return None
        if len(value.splitlines()) > 1 and "\n" not in self.pattern:
            return _("has several lines")
        if value.strip() != value:
            return _("begins or ends with a space")
        count = ngettext("has {count:,} character", "has {count:,} characters", len(value))
        return (
            count
            if self.pattern == ONE_LINE
            else _("{count}, or contains other characters", count=count)
        )

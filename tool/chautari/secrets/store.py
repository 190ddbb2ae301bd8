"""`secrets.age`: JSON encrypted with age to the operators' SSH public keys (ed25519, RSA)."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import pyrage
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from chautari.account import account_name
from chautari.errors import BadInput, NotARecipient
from chautari.files import read_regular_file, write_atomically
from chautari.git_versions import has_conflict, restore_step
from chautari.language import _
from chautari.region.locate import REGION_FILE, argument_for_region
from chautari.region.ssh_key_types import key_without_comment
from chautari.secrets.private_keys import (
    NO_PASSPHRASE,
    WRONG_PASSPHRASE,
    PrivateKey,
    call_pyrage,
    can_ask_for_passphrase,
    read_private_keys_and_problems,
)

MAX_BYTES = 1_000_000
# The time to read a header grows with its square. This is enough for 300 keys of ed25519.
MAX_HEADER_BYTES = 32_768
END_OF_HEADER = b"\n--- "
NO_MATCHING_KEY = "No matching keys"  # age's words; pyrage has one class for all errors
MAX_VALUE_LENGTH = 20_000
MAX_SIGNATURE_LENGTH = 10_000
MAX_TIME = 1 << 40
_LEAKED_KEY = re.compile(
    rb"\A\s*(-----BEGIN [A-Z ]*PRIVATE KEY|PuTTY-User-Key-File|AGE-SECRET-KEY-)"
)
_CONFLICT = re.compile(rb"^(<{7}|>{7}) ", re.MULTILINE)  # marks of git
# For bash, which does not show what is typed.
READ_PASSPHRASE = (
    "read -rsp 'Passphrase: ' CHAUTARI_KEY_PASSPHRASE && export CHAUTARI_KEY_PASSPHRASE"
)
Recipient = Any  # pyrage.ssh.Recipient; pyrage is not typed


_SecretName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,80}$")]
_Text = Annotated[str, Field(max_length=MAX_VALUE_LENGTH)]


class _SecretsFileContent(BaseModel):
    """What is encrypted in `secrets.age`."""

    model_config = ConfigDict(extra="forbid", strict=True, defer_build=True)
    recipients: Annotated[list[_Text], Field(max_length=1000)]
    secrets: dict[_SecretName, _Text]
    due: dict[_SecretName, _Text] = Field(default_factory=dict)
    undeployed: dict[_SecretName, _Text] = Field(default_factory=dict)
    written: Annotated[int, Field(ge=0, le=MAX_TIME)] = 0
    signature: Annotated[str, Field(max_length=MAX_SIGNATURE_LENGTH)] = ""


class SecretStore:
    """The secrets of one region, opened.

    Values are only returned one by one, so that no log or report prints the whole store by
    accident.

    Attributes:
        recipients: the public keys to which the file is encrypted.
        due: the secrets that people must still change, each with the reason.
        undeployed: the nodes that still have old values, each with the reason for the change.
        written: the time of the last change, in seconds since 1970.
        signature: the signature of the operator who made the last change; empty if there is none.
        digest: SHA-256 of the file from which the secrets were read, encrypted as it is.
        notices: what the person should know about the file.
    """

    def __init__(
        self,
        values: Mapping[str, str],
        recipients: Sequence[str],
        *,
        due: Mapping[str, str] | None = None,
        undeployed: Mapping[str, str] | None = None,
        written: int = 0,
        signature: str = "",
    ) -> None:
        """Hold `values` by name, encrypted so far to the public keys in `recipients`."""
        self._values = dict(values)
        self.recipients = tuple(recipients)
        self.due = dict(due or {})
        self.undeployed = dict(undeployed or {})
        self.written = written
        self.signature = signature
        self.digest = ""
        self.notices: list[str] = []

    def __repr__(self) -> str:
        """Name the secrets, never their values."""
        return f"SecretStore({', '.join(sorted(self._values))})"

    def __contains__(self, name: str) -> bool:
        """Return whether a secret called `name` is there."""
        return name in self._values

    def __getitem__(self, name: str) -> str:
        """Return the secret called `name`."""
        return self._values[name]

    @property
    def names(self) -> list[str]:
        """Return the names of the secrets, sorted."""
        return sorted(self._values)

    def with_values(self, new: Mapping[str, str]) -> SecretStore:
        """Return a store with `new` added or replaced."""
        changed = {name for name, value in new.items() if self._values.get(name) != value}
        due = {name: reason for name, reason in self.due.items() if name not in changed}
        return self._changed(values=self._values | dict(new), due=due)

    def with_secrets_due_for_change(self, due: Mapping[str, str]) -> SecretStore:
        """Return a store in which people must change the secrets called `due`."""
        return self._changed(due=dict(due))

    def with_undeployed(self, undeployed: Mapping[str, str]) -> SecretStore:
        """Return a store whose values have still to reach the nodes called `undeployed`."""
        return self._changed(undeployed=dict(undeployed))

    def without(self, names: Iterable[str]) -> SecretStore:
        """Return a store without the secrets called `names`."""
        left = {name: value for name, value in self._values.items() if name not in set(names)}
        return self._changed(values=left)

    def with_recipients(self, recipients: Sequence[str], written: int) -> SecretStore:
        """Return a store that was written at a time, for other recipients."""
        return self._changed(recipients=tuple(recipients), written=written)

    def signed(self, signature: str) -> SecretStore:
        """Return the store with the signature of its `signed_message`."""
        return self._changed(signature=signature)

    def _changed(self, **changes: Any) -> SecretStore:
        now: dict[str, Any] = {
            "values": self._values, "recipients": self.recipients, "due": self.due,
            "undeployed": self.undeployed, "written": self.written,
        }  # fmt: skip
        return SecretStore(**(now | changes))

    def has_same_content(self, other: SecretStore) -> bool:
        """Return whether the values, and what is due, are those of `other`."""
        own = self._values, self.due, self.undeployed
        return own == (other._values, other.due, other.undeployed)

    def signed_message(self, region: str) -> bytes:
        """Return what an operator signs: everything in the file, and whose file it is."""
        return json.dumps(self._content() | {"region": region}, sort_keys=True).encode()

    def _content(self) -> dict[str, Any]:
        content = {"recipients": list(self.recipients), "secrets": self._values}
        # Older versions of the toolkit refuse keys that they do not know.
        content |= {"due": self.due} if self.due else {}
        content |= {"undeployed": self.undeployed} if self.undeployed else {}
        return content | ({"written": self.written} if self.written else {})

    def values_of_names(self, names: Iterable[str]) -> dict[str, str]:
        """Return the secrets called `names`."""
        return {name: self._values[name] for name in names}

    def save(self, file: Path, recipients: Sequence[str]) -> None:
        """Encrypt to `recipients` (SSH public key lines) and replace `file` in one step."""
        replace_secrets_file(file, self.encrypt(file, recipients))

    def encrypt(self, file: Path, recipients: Sequence[str]) -> bytes:
        """Return the content of `file`, encrypted to `recipients`."""
        if not recipients:
            raise BadInput(
                _(
                    "{file} cannot be encrypted, because no SSH public key is listed under "
                    "operators",
                    file=file,
                ),
                fix=_(
                    "add an operator with an SSH public key under operators; for a sandbox, "
                    "run: deploy sandbox up NAME"
                ),
            )
        keys = [_parse_recipient(file, line) for line in recipients]
        body = self._content() | {"recipients": list(recipients)}
        body |= {"signature": self.signature} if self.signature else {}
        sealed: bytes = pyrage.encrypt(json.dumps(body, sort_keys=True).encode(), keys)
        if END_OF_HEADER not in sealed[:MAX_HEADER_BYTES]:
            raise BadInput(
                _(
                    "{file} cannot be encrypted: there are too many SSH keys ({count})",
                    file=file,
                    count=len(keys),
                ),
                fix=_("remove some keys under operators, or replace RSA keys with ed25519 keys"),
            )
        return sealed


def _parse_recipient(file: Path, line: str) -> Recipient:
    key = key_without_comment(line)
    try:
        if key.startswith("age1"):
            return pyrage.x25519.Recipient.from_str(key)
        return call_pyrage(pyrage.ssh.Recipient.from_str, key)
    except (pyrage.RecipientError, ValueError) as error:
        raise BadInput(
            _(
                "{file} cannot be encrypted to the key {key}…{key2} ({error})",
                file=file,
                key=key[:20],
                key2=key[-20:],
                error=error,
            ),
            fix=_("replace this key under operators; create one with: ssh-keygen -t ed25519"),
        ) from None


def replace_secrets_file(file: Path, sealed: bytes) -> None:
    """Replace `file` in one step. A link stays one: several copies of a region may share it."""
    write_atomically(file.resolve(), sealed, mode=0o600)


def open_secrets_file(file: Path, identities: Sequence[Path]) -> SecretStore:
    """Open `file` with the first of the private keys in `identities` that decrypts it.

    Who wrote the file is not checked, nor the form of a value: see `completion.open_secrets`.

    Raises:
        BadInput: when the file is damaged, or none of the keys opens it.
    """
    return decrypt_with_identities(file, read_encrypted_secrets(file), identities)


def decrypt_with_identities(file: Path, sealed: bytes, identities: Sequence[Path]) -> SecretStore:
    """Return the secrets in `sealed`; a passphrase is asked for if no other key opens them.

    Raises:
        BadInput: when the content is damaged, or none of the keys opens it.
    """
    try:
        return decrypt_secrets(file, sealed, *read_private_keys_and_problems(identities))
    except NoKeyOpensFile:
        if not can_ask_for_passphrase(identities):
            raise
    return decrypt_secrets(file, sealed, *read_private_keys_and_problems(identities, ask=True))


class NoKeyOpensFile(NotARecipient):
    """None of the keys that could be read opens the secrets."""


def decrypt_secrets(
    file: Path, sealed: bytes, keys: Mapping[Path, PrivateKey], unusable: Sequence[str]
) -> SecretStore:
    """Return the secrets in `sealed`, the content of `file`.

    Raises:
        NotARecipient: when none of `keys` opens it. The message also says why each of the other
            files is `unusable` as a key.
        BadInput: when there are no keys, or the content is damaged.
    """
    if not keys:
        raise NoKeyOpensFile(
            _("{file} cannot be decrypted, because no SSH private key could be read: ", file=file)
            + ("; ".join(unusable) or _("there is none in ~/.ssh")),
            fix=_step_without_readable_key(file, unusable),
        )
    try:
        body = call_pyrage(pyrage.decrypt, sealed, [key.identity for key in keys.values()])
    except (pyrage.DecryptError, ValueError) as error:
        if NO_MATCHING_KEY in str(error):
            raise NoKeyOpensFile(
                "; ".join(
                    [
                        _(
                            "{file} cannot be decrypted with {keys}: it is encrypted to other keys",
                            file=file,
                            keys=", ".join(map(str, keys)),
                        ),
                        *unusable,
                    ]
                ),
                fix=_(
                    "specify another of your keys with --identity FILE, or send the file "
                    "{public_key} to another operator, who runs: {command}",
                    public_key=f"{next(iter(keys))}.pub",
                    command=_command_that_adds_me(file),
                ),
            ) from None
        raise BadInput(
            _("{file} cannot be decrypted: it is damaged ({error})", file=file, error=error),
            fix=restore_step(file),
        ) from None
    opened = _parse_decrypted_secrets(file, body)
    opened.digest = hashlib.sha256(sealed).hexdigest()
    return opened


def _step_without_readable_key(file: Path, unusable: Sequence[str]) -> str:
    if not unusable:
        return _(
            "add --identity FILE if your key is in another file. If you have no key, create one "
            "(ssh-keygen -t ed25519 -f ~/.ssh/id_ed25519), and send ~/.ssh/id_ed25519.pub to "
            "another operator, who runs: {command}",
            command=_command_that_adds_me(file),
        )
    if any(reason.endswith((_(NO_PASSPHRASE), _(WRONG_PASSPHRASE))) for reason in unusable):
        return _(
            "type the passphrase, then run the command again: {command}", command=READ_PASSPHRASE
        )
    return _(
        "specify the private key that belongs to your public key under operators: --identity FILE"
    )


def _command_that_adds_me(file: Path) -> str:
    """Return the command with which another operator gives this person access."""
    region = argument_for_region(file.with_name(REGION_FILE))
    return f"deploy operators add {region} {shlex.quote(account_name())} --key id_ed25519.pub"


def read_encrypted_secrets(file: Path) -> bytes:
    """Return the content of `file`, if it can be what it must be.

    Raises:
        BadInput: when it is no file that age encrypted to keys.
    """
    return check_encrypted(file, read_regular_file(file, MAX_BYTES))


def check_encrypted(file: Path, sealed: bytes) -> bytes:
    """Return `sealed`, a version of `file`, if it can be what it must be.

    Raises:
        BadInput: when it is not what age encrypted to keys.
    """
    if _CONFLICT.search(sealed):
        raise BadInput(
            _("git could not merge two versions of {file}", file=file),
            fix=f"deploy secrets merge {argument_for_region(file.with_name(REGION_FILE))}"
            if has_conflict(file)
            else restore_step(file),
        )
    restore = restore_step(file)
    if len(sealed) > MAX_BYTES:
        raise BadInput(
            _(
                "{file} is larger than {max_bytes} MB, so it is not a valid secrets.age",
                file=file,
                max_bytes=MAX_BYTES // 1_000_000,
            ),
            fix=restore,
        )
    if _LEAKED_KEY.match(sealed):
        raise BadInput(
            _("{file} contains a private key instead of encrypted secrets", file=file),
            fix=_(
                "delete the key from this file and {restore}; if other people could read the "
                "key, replace it",
                restore=restore,
            ),
        )
    header, end, __ = sealed[:MAX_HEADER_BYTES].partition(END_OF_HEADER)
    if not end:
        raise BadInput(
            _("{file} cannot be decrypted: its age header is missing or incomplete", file=file),
            fix=restore,
        )
    if b"\n-> scrypt " in header:
        raise BadInput(
            _(
                "{file} is encrypted with a passphrase, but must be encrypted to SSH keys",
                file=file,
            ),
            fix=restore,
        )
    return sealed


def _parse_decrypted_secrets(file: Path, body: bytes) -> SecretStore:
    try:
        content = _SecretsFileContent.model_validate_json(body)
    except ValidationError as error:
        # Pydantic's message holds the value: only the place is shown.
        places = {".".join(map(str, item["loc"])) or _("the whole file") for item in error.errors()}
        raise BadInput(
            _("{file} can be decrypted, but these parts of its content are invalid: ", file=file)
            + ", ".join(sorted(places)[:5]),
            fix=restore_step(file),
        ) from None
    return SecretStore(
        content.secrets,
        content.recipients,
        due=content.due,
        undeployed=content.undeployed,
        written=content.written,
        signature=content.signature,
    )

"""`secrets.age`: JSON encrypted with age to the operators' SSH public keys (ed25519, RSA)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import pyrage
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from chautari.account import home_dir
from chautari.errors import BadInput
from chautari.files import unusable_file_error, write_atomically

MAX_BYTES = 1_000_000
# The time to read a header grows with its square. This is enough for 300 keys of ed25519.
MAX_HEADER_BYTES = 32_768
END_OF_HEADER = b"\n--- "
NO_MATCHING_KEY = "No matching keys"  # age's words; pyrage has one class for all errors
MAX_VALUE_LENGTH = 20_000
Identity = Any  # pyrage.ssh.Identity; pyrage is not typed


_SecretName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,80}$")]
_Text = Annotated[str, Field(max_length=MAX_VALUE_LENGTH)]


class _Content(BaseModel):
    """What is encrypted in `secrets.age`."""

    model_config = ConfigDict(extra="forbid", strict=True, defer_build=True)
    recipients: Annotated[list[_Text], Field(max_length=1000)]
    secrets: dict[_SecretName, _Text]


class SecretStore:
    """The secrets of one region, opened.

    Values are only returned one by one, so that no log or report prints the whole store by
    accident.
    """

    def __init__(self, values: Mapping[str, str], recipients: Sequence[str]) -> None:
        """Hold `values` by name, encrypted so far to the public keys in `recipients`."""
        self._values = dict(values)
        self.recipients = tuple(recipients)

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
        return SecretStore(self._values | dict(new), self.recipients)

    def values_of_names(self, names: Iterable[str]) -> dict[str, str]:
        """Return the secrets called `names`."""
        return {name: self._values[name] for name in names}

    def save(self, file: Path, recipients: Sequence[str]) -> None:
        """Encrypt to `recipients` (SSH public key lines) and replace `file` in one step."""
        if not recipients:
            raise BadInput(
                f"{file} cannot be encrypted, because no SSH public key is listed under operators",
                fix="add an operator with an SSH public key under operators; for a sandbox, run: "
                "deploy sandbox up NAME",
            )
        keys = [
            pyrage.ssh.Recipient.from_str(_public_key_without_comment(line)) for line in recipients
        ]
        body = {"recipients": list(recipients), "secrets": self._values}
        sealed = pyrage.encrypt(json.dumps(body, sort_keys=True).encode(), keys)
        if END_OF_HEADER not in sealed[:MAX_HEADER_BYTES]:
            raise BadInput(
                f"{file} cannot be encrypted to so many SSH keys ({len(keys)})",
                fix="remove keys under operators, or replace RSA keys with ed25519 keys",
            )
        write_atomically(file, sealed, mode=0o600)


def _public_key_without_comment(line: str) -> str:
    return " ".join(line.split()[:2])


def open_secrets_file(file: Path, identities: Sequence[Path]) -> SecretStore:
    """Open `file` with the first of the private keys in `identities` that decrypts it.

    Raises:
        BadInput: when the file is damaged, or none of the keys opens it.
    """
    opened = [key for path in identities if (key := read_private_key(path)) is not None]
    if not opened:
        raise BadInput(
            f"{file} cannot be decrypted, because no SSH private key could be read: "
            + _paths_text(identities),
            fix="specify the private key that belongs to your public key under operators: "
            "--identity FILE; if the key has a passphrase, set CHAUTARI_KEY_PASSPHRASE",
        )
    sealed = _read_encrypted_secrets(file)
    try:
        body = pyrage.decrypt(sealed, opened)
    except pyrage.DecryptError as error:
        if NO_MATCHING_KEY in str(error):
            raise BadInput(
                f"{file} cannot be decrypted with {_paths_text(identities)}: it is encrypted to "
                "other keys",
                fix="specify another of your keys with --identity FILE, or ask another operator to "
                "add your public key under operators and to deploy",
            ) from None
        raise BadInput(
            f"{file} cannot be decrypted: it is damaged ({error})", fix="restore the file from git"
        ) from None
    return _parse_decrypted_secrets(file, body)


def _read_encrypted_secrets(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            sealed = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise unusable_file_error(file, error) from None
    if len(sealed) > MAX_BYTES:
        raise BadInput(
            f"{file} is larger than {MAX_BYTES // 1_000_000} MB, so it is not a valid secrets.age",
            fix="restore the file from git",
        )
    if END_OF_HEADER not in sealed[:MAX_HEADER_BYTES]:
        raise BadInput(
            f"{file} cannot be decrypted: its age header is missing or incomplete",
            fix="restore the file from git",
        )
    return sealed


def _parse_decrypted_secrets(file: Path, body: bytes) -> SecretStore:
    try:
        content = _Content.model_validate_json(body)
    except ValidationError as error:
        # Pydantic's message holds the value: only the place is shown.
        places = {".".join(map(str, item["loc"])) or "the whole file" for item in error.errors()}
        raise BadInput(
            f"{file} can be decrypted, but these parts of its content are invalid: "
            + ", ".join(sorted(places)[:5]),
            fix="restore the file from git",
        ) from None
    return SecretStore(content.secrets, content.recipients)


def read_private_key(path: Path) -> Identity | None:
    """Return the private key in `path` for age, or None when it cannot be used.

    A key with a passphrase is opened through `cryptography`, since age cannot; the passphrase
    comes from `CHAUTARI_KEY_PASSPHRASE`.
    """
    try:
        raw = path.read_bytes()
    except OSError:
        return None
    try:
        return pyrage.ssh.Identity.from_buffer(raw)
    except (pyrage.IdentityError, ValueError):
        return _unlock_ssh_key_with_env_passphrase(raw)


def _unlock_ssh_key_with_env_passphrase(raw: bytes) -> Identity | None:
    passphrase = os.environ.get("CHAUTARI_KEY_PASSPHRASE")
    if not passphrase:
        return None
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        return pyrage.ssh.Identity.from_buffer(_decrypt_ssh_key(raw, passphrase))
    except (pyrage.IdentityError, UnsupportedAlgorithm, ValueError, TypeError):
        return None


def _decrypt_ssh_key(raw: bytes, passphrase: str) -> bytes:
    from cryptography.hazmat.primitives import serialization

    key = serialization.load_ssh_private_key(raw, passphrase.encode())
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.NoEncryption(),
    )


def default_private_keys() -> list[Path]:
    """Return the usual private keys of the person at this machine, those that exist."""
    folder = home_dir() / ".ssh"
    return [path for name in ("id_ed25519", "id_rsa") if (path := folder / name).is_file()]


def _paths_text(paths: Sequence[Path]) -> str:
    return ", ".join(map(str, paths)) or "(none found in ~/.ssh)"

"""`secrets.age`: JSON encrypted with age to the operators' SSH public keys (ed25519, RSA)."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import pyrage
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from chautari.account import home_dir
from chautari.errors import BadInput, NotARecipient
from chautari.files import read_regular_file, write_atomically

MAX_BYTES = 1_000_000
# The time to read a header grows with its square. This is enough for 300 keys of ed25519.
MAX_HEADER_BYTES = 32_768
END_OF_HEADER = b"\n--- "
NO_MATCHING_KEY = "No matching keys"  # age's words; pyrage has one class for all errors
MAX_VALUE_LENGTH = 20_000
MAX_KEY_BYTES = 100_000
NO_PASSPHRASE = "this key has a passphrase, but CHAUTARI_KEY_PASSPHRASE is not set"
WRONG_PASSPHRASE = "CHAUTARI_KEY_PASSPHRASE is not the passphrase of this key"
UNSUPPORTED_TYPE = "this type of key cannot decrypt secrets; only ed25519 and RSA keys can"
OTHER_FORMAT = "this key is not in OpenSSH's format; convert a copy of it: ssh-keygen -p -f COPY"
# What people store or specify in place of the file that is meant, by how it begins.
_OTHER_KEYS = {
    b"PuTTY-User-Key-File": "this is a PuTTY key; export it as an OpenSSH key in PuTTYgen",
    b"AGE-SECRET-KEY-": "this is an age key, not an SSH key",
    b"age-encryption.org/": "this is a file encrypted with age, not a key",
    b"ssh-": "this is a public key; use the private key, the file without .pub",
    b"ecdsa-": f"this is a public key, and {UNSUPPORTED_TYPE}",
    b"sk-": f"this is a public key, and {UNSUPPORTED_TYPE}",
    b"-----BEGIN EC ": UNSUPPORTED_TYPE,
    b"-----BEGIN PRIVATE KEY": OTHER_FORMAT,
    b"-----BEGIN ENCRYPTED PRIVATE KEY": OTHER_FORMAT,
    b"-----BEGIN RSA PRIVATE KEY": OTHER_FORMAT,
}
_LEAKED_KEY = re.compile(
    rb"\A\s*(-----BEGIN [A-Z ]*PRIVATE KEY|PuTTY-User-Key-File|AGE-SECRET-KEY-)"
)
Identity = Any  # pyrage.ssh.Identity; pyrage is not typed
Recipient = Any


_SecretName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,80}$")]
_Text = Annotated[str, Field(max_length=MAX_VALUE_LENGTH)]


class _SecretsFileContent(BaseModel):
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
        replace_secrets_file(file, self.encrypt(file, recipients))

    def encrypt(self, file: Path, recipients: Sequence[str]) -> bytes:
        """Return the content of `file`, encrypted to `recipients`."""
        if not recipients:
            raise BadInput(
                f"{file} cannot be encrypted, because no SSH public key is listed under operators",
                fix="add an operator with an SSH public key under operators; for a sandbox, run: "
                "deploy sandbox up NAME",
            )
        keys = [_parse_recipient(file, line) for line in recipients]
        body = {"recipients": list(recipients), "secrets": self._values}
        sealed: bytes = pyrage.encrypt(json.dumps(body, sort_keys=True).encode(), keys)
        if END_OF_HEADER not in sealed[:MAX_HEADER_BYTES]:
            raise BadInput(
                f"{file} cannot be encrypted to so many SSH keys ({len(keys)})",
                fix="remove keys under operators, or replace RSA keys with ed25519 keys",
            )
        return sealed


def call_pyrage(function: Callable[..., Any], *arguments: object) -> Any:
    """Call a function of pyrage. Its Rust code panics for some damaged RSA keys.

    Raises:
        ValueError: for a panic, which no `except Exception` would catch.
    """
    try:
        return function(*arguments)
    except BaseException as error:
        if type(error).__name__ == "PanicException":
            raise ValueError("the key is damaged") from None
        raise


def _parse_recipient(file: Path, line: str) -> Recipient:
    key = " ".join(line.split()[:2])  # without the comment
    try:
        return call_pyrage(pyrage.ssh.Recipient.from_str, key)
    except (pyrage.RecipientError, ValueError) as error:
        raise BadInput(
            f"{file} cannot be encrypted to the key {key[:20]}…{key[-20:]} ({error})",
            fix="replace this key under operators; create one with: ssh-keygen -t ed25519",
        ) from None


def replace_secrets_file(file: Path, sealed: bytes) -> None:
    """Replace `file` in one step. A link stays one: several copies of a region may share it."""
    write_atomically(file.resolve(), sealed, mode=0o600)


def open_secrets_file(file: Path, identities: Sequence[Path]) -> SecretStore:
    """Open `file` with the first of the private keys in `identities` that decrypts it.

    Raises:
        BadInput: when the file is damaged, or none of the keys opens it.
    """
    return decrypt_secrets(
        file, _read_encrypted_secrets(file), *read_private_keys_and_problems(identities)
    )


def decrypt_secrets(
    file: Path, sealed: bytes, keys: Mapping[Path, Identity], unusable: Sequence[str]
) -> SecretStore:
    """Return the secrets in `sealed`, the content of `file`.

    Raises:
        NotARecipient: when none of `keys` opens it. The message also says why each of the other
            files is `unusable` as a key.
        BadInput: when there are no keys, or the content is damaged.
    """
    if not keys:
        raise BadInput(
            f"{file} cannot be decrypted, because no SSH private key could be read: "
            + ("; ".join(unusable) or "there is none in ~/.ssh"),
            fix="specify the private key that belongs to your public key under operators: "
            "--identity FILE; if the key has a passphrase, set CHAUTARI_KEY_PASSPHRASE",
        )
    try:
        body = call_pyrage(pyrage.decrypt, sealed, list(keys.values()))
    except (pyrage.DecryptError, ValueError) as error:
        if NO_MATCHING_KEY in str(error):
            raise NotARecipient(
                "; ".join(
                    [
                        f"{file} cannot be decrypted with {', '.join(map(str, keys))}: it is "
                        "encrypted to other keys",
                        *unusable,
                    ]
                ),
                fix="specify another of your keys with --identity FILE, or ask another operator to "
                "add your public key under operators and to deploy",
            ) from None
        raise BadInput(
            f"{file} cannot be decrypted: it is damaged ({error})", fix="restore the file from git"
        ) from None
    return _parse_decrypted_secrets(file, body)


def _read_encrypted_secrets(file: Path) -> bytes:
    sealed = read_regular_file(file, MAX_BYTES)
    restore = "restore the file from git"
    if len(sealed) > MAX_BYTES:
        raise BadInput(
            f"{file} is larger than {MAX_BYTES // 1_000_000} MB, so it is not a valid secrets.age",
            fix=restore,
        )
    if _LEAKED_KEY.match(sealed):
        raise BadInput(
            f"{file} contains a private key instead of encrypted secrets",
            fix=f"delete the key from this file and {restore}; if other people could read the key, "
            "replace it",
        )
    header, end, _ = sealed[:MAX_HEADER_BYTES].partition(END_OF_HEADER)
    if not end:
        raise BadInput(
            f"{file} cannot be decrypted: its age header is missing or incomplete", fix=restore
        )
    if b"\n-> scrypt " in header:
        raise BadInput(
            f"{file} is encrypted with a passphrase, but must be encrypted to SSH keys", fix=restore
        )
    return sealed


def _parse_decrypted_secrets(file: Path, body: bytes) -> SecretStore:
    try:
        content = _SecretsFileContent.model_validate_json(body)
    except ValidationError as error:
        # Pydantic's message holds the value: only the place is shown.
        places = {".".join(map(str, item["loc"])) or "the whole file" for item in error.errors()}
        raise BadInput(
            f"{file} can be decrypted, but these parts of its content are invalid: "
            + ", ".join(sorted(places)[:5]),
            fix="restore the file from git",
        ) from None
    return SecretStore(content.secrets, content.recipients)


def read_private_keys_and_problems(paths: Iterable[Path]) -> tuple[dict[Path, Identity], list[str]]:
    """Return the private keys in `paths` for age, and why each of the other files is not one.

    A key with a passphrase is opened through `cryptography`, since age cannot; the passphrase
    comes from `CHAUTARI_KEY_PASSPHRASE`.
    """
    keys: dict[Path, Identity] = {}
    unusable = []
    for path in paths:
        try:
            keys[path] = _read_private_key(path)
        except BadInput as error:
            unusable.append(error.message)
    return keys, unusable


def _read_private_key(path: Path) -> Identity:
    raw = read_regular_file(path, MAX_KEY_BYTES)
    if len(raw) > MAX_KEY_BYTES:
        raise BadInput(
            f"{path}: this file is larger than {MAX_KEY_BYTES // 1000} kB, so it is not an SSH key"
        )
    try:
        return call_pyrage(pyrage.ssh.Identity.from_buffer, raw)
    except (pyrage.IdentityError, ValueError) as error:
        if "must be decrypted first" in str(error):
            return _unlock_ssh_key_with_env_passphrase(path, raw)
        raise BadInput(f"{path}: {_reason_key_is_unusable(raw, str(error))}") from None


def _reason_key_is_unusable(raw: bytes, error: str) -> str:
    for beginning, reason in _OTHER_KEYS.items():
        if raw.lstrip().startswith(beginning):
            return reason
    if "unsupported key" in error:
        return UNSUPPORTED_TYPE
    return "this is not an SSH private key, or the key is damaged"


def _unlock_ssh_key_with_env_passphrase(path: Path, raw: bytes) -> Identity:
    passphrase = os.environ.get("CHAUTARI_KEY_PASSPHRASE")
    if not passphrase:
        raise BadInput(f"{path}: {NO_PASSPHRASE}")
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        return call_pyrage(pyrage.ssh.Identity.from_buffer, _decrypt_ssh_key(raw, passphrase))
    except (pyrage.IdentityError, UnsupportedAlgorithm, ValueError, TypeError):
        raise BadInput(f"{path}: {WRONG_PASSPHRASE}") from None


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

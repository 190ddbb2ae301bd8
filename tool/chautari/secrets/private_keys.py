"""The private keys of the person at this machine, as age needs them."""

from __future__ import annotations

import base64
import binascii
import getpass
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pyrage

from chautari.account import home_dir
from chautari.errors import BadInput
from chautari.files import read_regular_file
from chautari.language import Text, _

MAX_KEY_BYTES = 100_000
PASSPHRASE_VARIABLE = "CHAUTARI_KEY_PASSPHRASE"
NO_PASSPHRASE: Text = "this key has a passphrase, but CHAUTARI_KEY_PASSPHRASE is not set"
WRONG_PASSPHRASE: Text = "CHAUTARI_KEY_PASSPHRASE is not the passphrase of this key"
WRONG_TYPED_PASSPHRASE: Text = "this is not the passphrase of this key"
UNSUPPORTED_TYPE: Text = "this type of key cannot decrypt secrets; only ed25519 and RSA keys can"
HARDWARE_KEY: Text = (
    "a hardware key (sk-) can only sign, so it cannot decrypt secrets; use an ed25519 key here, "
    "and the hardware key for other logins"
)
OTHER_FORMAT: Text = (
    "this key is not in OpenSSH's format; convert a copy of it: ssh-keygen -p -f COPY"
)
# What people store or specify in place of the file that is meant, by how it begins.
_OTHER_KEYS: Mapping[bytes, Text] = {
    b"PuTTY-User-Key-File": "this is a PuTTY key; export it as an OpenSSH key in PuTTYgen",
    b"AGE-SECRET-KEY-": "this is an age key, but it is damaged",
    b"age-encryption.org/": "this is a file encrypted with age, not a key",
    b"ssh-": "this is a public key; use the private key, the file without .pub",
    b"ecdsa-": "this is a public key, and this type of key cannot decrypt secrets",
    b"sk-": HARDWARE_KEY,
    b"-----BEGIN EC ": UNSUPPORTED_TYPE,
    b"-----BEGIN PRIVATE KEY": OTHER_FORMAT,
    b"-----BEGIN ENCRYPTED PRIVATE KEY": OTHER_FORMAT,
    b"-----BEGIN RSA PRIVATE KEY": OTHER_FORMAT,
}
# A file of age-keygen has comments, and a person who types one may use small letters.
_AGE_KEY = re.compile(rb"(?mi)^AGE-SECRET-KEY-1[A-Z0-9]{2,100}$")
_NEEDS_PASSPHRASE = "must be decrypted first"  # words of pyrage
_typed: dict[Path, str] = {}  # passphrases that the person typed, for the rest of this command


class PrivateKey:
    """A private key without its passphrase. No log or report prints it by accident.

    Attributes:
        identity: the key for age (pyrage is not typed).
        unlocked: the text of an SSH key; empty for a key of age.
    """

    __slots__ = ("identity", "unlocked")

    def __init__(self, identity: Any, unlocked: bytes) -> None:
        """Hold one key in both forms."""
        self.identity = identity
        self.unlocked = unlocked


class _KeyHasPassphrase(BadInput):
    """The key needs a passphrase that is not known."""


def call_pyrage(function: Callable[..., Any], *arguments: object) -> Any:
    """Call a function of pyrage. Its Rust code panics for some damaged RSA keys.

    Raises:
        ValueError: for a panic, which no `except Exception` would catch.
    """
    try:
        return function(*arguments)
    except BaseException as error:
        if type(error).__name__ == "PanicException":
            raise ValueError(_("the key is damaged")) from None
        raise


def read_private_keys_and_problems(
    paths: Iterable[Path], *, ask: bool = False
) -> tuple[dict[Path, PrivateKey], list[str]]:
    """Return the private keys in `paths`, and why each of the other files is not one.

    A key with a passphrase is opened through `cryptography`, since age cannot. The passphrase
    comes from `CHAUTARI_KEY_PASSPHRASE` or, with `ask`, from the terminal.
    """
    keys: dict[Path, PrivateKey] = {}
    unusable = []
    for path in paths:
        try:
            keys[path] = _read_private_key(path, ask)
        except BadInput as error:
            unusable.append(error.message)
    return keys, unusable


def can_ask_for_passphrase(paths: Iterable[Path]) -> bool:
    """Return whether one of the keys in `paths` needs a passphrase that a person can type now."""
    if not _has_terminal():
        return False
    for path in paths:
        try:
            _read_private_key(path, ask=False)
        except _KeyHasPassphrase:
            return True
        except BadInput:
            continue
    return False


def needs_passphrase(path: Path) -> bool:
    """Return whether a key has a passphrase that is not known to this command."""
    try:
        _read_private_key(path, ask=False)
    except _KeyHasPassphrase:
        return True
    except BadInput:
        return False
    return False


def _has_terminal() -> bool:
    try:
        handle = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    except OSError:
        return False
    os.close(handle)
    return sys.stderr is not None and sys.stderr.isatty()


def _read_private_key(path: Path, ask: bool) -> PrivateKey:
    raw = read_regular_file(path, MAX_KEY_BYTES)
    if len(raw) > MAX_KEY_BYTES:
        raise BadInput(
            _(
                "{path}: this file is larger than {max_key_bytes} kB, so it is not an SSH key",
                path=path,
                max_key_bytes=MAX_KEY_BYTES // 1000,
            )
        )
    if line := _AGE_KEY.search(raw):
        return _age_key(path, line[0])
    try:
        return PrivateKey(call_pyrage(pyrage.ssh.Identity.from_buffer, raw), raw)
    except (pyrage.IdentityError, ValueError) as error:
        if _NEEDS_PASSPHRASE in str(error):
            return _unlock(path, raw, ask)
        raise BadInput(f"{path}: {_reason_key_is_unusable(raw, str(error))}") from None


def _age_key(path: Path, line: bytes) -> PrivateKey:
    """Return a recovery key; it opens secrets, but signs nothing."""
    try:
        return PrivateKey(pyrage.x25519.Identity.from_str(line.decode().upper()), b"")
    except pyrage.IdentityError:
        raise BadInput(f"{path}: {_(_OTHER_KEYS[b'AGE-SECRET-KEY-'])}") from None


def _reason_key_is_unusable(raw: bytes, error: str) -> str:
    for beginning, reason in _OTHER_KEYS.items():
        if raw.lstrip().startswith(beginning):
            return _(reason)
    if "unsupported key" in error:
        return _(HARDWARE_KEY if _is_hardware_key(raw) else UNSUPPORTED_TYPE)
    return _("this is not an SSH private key, or the key is damaged")


def _is_hardware_key(raw: bytes) -> bool:
    """Return whether a private key in OpenSSH's format stands for one in a hardware token."""
    body = b"".join(line for line in raw.split(b"\n") if not line.startswith(b"-----"))
    try:
        return b"sk-" in base64.b64decode(body)[:200]
    except binascii.Error:
        return False


def _unlock(path: Path, raw: bytes, ask: bool) -> PrivateKey:
    passphrase = os.environ.get(PASSPHRASE_VARIABLE) or _typed.get(path)
    if passphrase:
        return _unlock_with_passphrase(path, raw, passphrase, _(WRONG_PASSPHRASE))
    if not ask:
        raise _KeyHasPassphrase(f"{path}: {_(NO_PASSPHRASE)}")
    passphrase = getpass.getpass(_("Passphrase of {path}: ", path=path))
    key = _unlock_with_passphrase(path, raw, passphrase, _(WRONG_TYPED_PASSPHRASE))
    _typed[path] = passphrase
    return key


def _unlock_with_passphrase(path: Path, raw: bytes, passphrase: str, wrong: str) -> PrivateKey:
    from chautari import key_pairs  # takes long to load, and few keys have a passphrase

    try:
        unlocked = key_pairs.remove_passphrase(raw, passphrase)
        return PrivateKey(call_pyrage(pyrage.ssh.Identity.from_buffer, unlocked), unlocked)
    except (pyrage.IdentityError, ValueError, TypeError):
        raise BadInput(f"{path}: {wrong}") from None


def private_keys_to_try(identities: Iterable[Path], sandbox_key: Path | None) -> list[Path]:
    """Return the private keys that may open secrets.

    They are those that the command names and that of the sandbox, else the usual ones.
    """
    named = [*identities, *([sandbox_key] if sandbox_key else [])]
    return named or default_private_keys()


def default_private_keys() -> list[Path]:
    """Return the usual private keys of the person at this machine, those that exist."""
    folder = home_dir() / ".ssh"
    return [path for name in ("id_ed25519", "id_rsa") if (path := folder / name).is_file()]

"""Choose the account that logs in to a node: the operator's own, or the `user` of `region.yml`.

The first deploy of a machine can only use the provider's account, `user`. It creates an account for
each operator. From then on, operators log in with their own accounts. This computer remembers
which account a node accepted last, so that a command needs no second connection.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from chautari.account import home_dir
from chautari.errors import ChautariError
from chautari.files import read_bytes_if_present, write_atomically
from chautari.paths import state_dir
from chautari.process import run

MAX_MEMORY_BYTES = 1_000_000
MAX_KEY_BYTES = 100_000
MAX_PUBLIC_KEY_FILES = 50
AGENT_SECONDS = 3.0
_MAGIC = b"openssh-key-v1\0"
_writing = threading.Lock()  # nodes are asked in parallel


def accounts_to_try(
    configured: str, own: Sequence[str], remembered: str, *, pinned: bool
) -> tuple[str, ...]:
    """Return the accounts to log in with, the most likely one first.

    Before the first contact, a machine has only the `configured` account. Later, the operator's
    `own` account comes first, unless another one was the last that the node accepted.
    """
    if not pinned:
        return tuple(dict.fromkeys((configured, *own)))
    known = (*own, configured)
    first = (remembered,) if remembered in known else ()
    return tuple(dict.fromkeys((*first, *known)))


def own_accounts(operators: Mapping[str, Sequence[str]], key: Path | None) -> tuple[str, ...]:
    """Return the operators whose key the person at this computer uses.

    It is the key in the file `key`, else those of the SSH agent and of `~/.ssh`.
    """
    used = set(_blobs_of_file(key) if key else _blobs_of_person())
    return tuple(
        name
        for name, lines in operators.items()
        if any(line.split()[1] in used for line in lines if len(line.split()) > 1)
    )


def _blobs_of_person() -> Iterator[str]:
    """Yield the keys of the SSH agent and of the files in `~/.ssh`, in base64."""
    yield from agent_keys()
    with suppress(ChautariError, OSError):
        folder = home_dir() / ".ssh"
        for file in sorted(folder.glob("*.pub"))[:MAX_PUBLIC_KEY_FILES]:
            yield from _blobs_of_lines(_read_text(file))
        for name in ("id_ed25519", "id_rsa"):
            yield from _blobs_of_file(folder / name)


def agent_keys() -> list[str]:
    """Return the keys of the SSH agent in base64; none without an agent."""
    if os.environ.get("SSH_AUTH_SOCK"):
        with suppress(ChautariError):
            listed = run(("ssh-add", "-L"), timeout=AGENT_SECONDS, check=False).text
            return list(_blobs_of_lines(listed))
    return []


def _blobs_of_file(key: Path) -> Iterator[str]:
    """Yield the public key of a private key; it is in the file, or in another one beside it."""
    if blob := _public_blob(_read_text(key)):
        yield blob
    else:
        yield from _blobs_of_lines(_read_text(key.with_name(f"{key.name}.pub")))


def _read_text(file: Path) -> str:
    with suppress(ChautariError, OSError):
        return read_bytes_if_present(file, MAX_KEY_BYTES)[:MAX_KEY_BYTES].decode(errors="replace")
    return ""


def _blobs_of_lines(text: str) -> Iterator[str]:
    for line in text.splitlines():
        if match := re.match(r"(?:ssh|ecdsa|sk)-\S+ (AAAA[A-Za-z0-9+/=]+)", line):
            yield match[1]


def _public_blob(private: str) -> str:
    """Return the public part of a private key in OpenSSH's format, which has no passphrase."""
    lines = [line for line in private.splitlines() if line and not line.startswith("-----")]
    try:
        raw = base64.b64decode("".join(lines))
    except (binascii.Error, ValueError):
        return ""
    if not raw.startswith(_MAGIC):
        return ""
    rest = raw[len(_MAGIC) :]
    for _ in range(3):  # the cipher, the way to make its key, and the options of that
        rest = rest[4 + int.from_bytes(rest[:4], "big") :]
    rest = rest[4:]  # the number of keys
    blob = rest[4 : 4 + int.from_bytes(rest[:4], "big")]
    return base64.b64encode(blob).decode()


def memory_file(region_folder: Path) -> Path | None:
    """Return the file in which this computer remembers the accounts of a region's nodes."""
    name = hashlib.sha256(os.fsencode(os.path.realpath(region_folder))).hexdigest()
    with suppress(ChautariError):  # an account without a home folder remembers nothing
        return state_dir() / "login-accounts" / f"{name}.json"
    return None


def load_memory(file: Path | None) -> dict[str, str]:
    """Return the remembered accounts; nothing if the file is missing or damaged."""
    with suppress(ChautariError, OSError, ValueError):
        if file is None:
            return {}
        found = json.loads(read_bytes_if_present(file, MAX_MEMORY_BYTES) or b"{}")
        if isinstance(found, dict):
            return {key: value for key, value in found.items() if isinstance(value, str)}
    return {}


def memory_key(address: str, port: int, key: Path | None) -> str:
    """Return under which name a node's account is remembered; another key may need another one."""
    return f"{address} {port} {key or ''}".rstrip()


def store_account(file: Path, name: str, account: str) -> None:
    """Remember an account; without a place for it, the next command tries the accounts again."""
    with _writing, suppress(ChautariError, OSError):
        known = load_memory(file)
        if known.get(name) == account:
            return
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        text = json.dumps(known | {name: account}, sort_keys=True)
        write_atomically(file, text, 0o600, durable=False)

"""Sign the content of `secrets.age` as `ssh-keygen -Y sign` does, and check such signatures.

The key that opened the file is in memory already, and its passphrase was typed once. So the
signature is made here, in OpenSSH's form (PROTOCOL.sshsig), and neither a temporary file nor a
second prompt is needed. `ssh-keygen` checks signatures: it knows every type of key.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from chautari.files import temp_files_root
from chautari.process import run
from chautari.region.ssh_key_types import key_without_comment
from chautari.secrets.private_keys import PrivateKey

NAMESPACE = "chautari-secrets"
_MAGIC = b"SSHSIG"
_VERSION = (1).to_bytes(4, "big")
_HASH = b"sha512"
_BEGIN = "-----BEGIN SSH SIGNATURE-----\n"
_END = "-----END SSH SIGNATURE-----\n"
_ARMOR = re.compile(rf"{_BEGIN}([A-Za-z0-9+/=\n]{{1,9000}}){_END}")
_SECONDS = 20


def sign(message: bytes, keys: Iterable[PrivateKey], allowed: Iterable[str]) -> str:
    """Return a signature by the first of `keys` whose public half is in `allowed`.

    It is empty if there is none.
    """
    from chautari import key_pairs  # takes long to load, and most commands sign nothing

    blobs = {public_key_bytes(line) for line in allowed}
    for key in keys:
        is_openssh = b"BEGIN OPENSSH" in key.unlocked
        load = key_pairs.load_openssh_key if is_openssh else key_pairs.load_pem_key
        loaded = load(key.unlocked)
        if loaded is None:
            continue
        blob = public_key_bytes(key_pairs.public_key_line(loaded))
        if blob in blobs:
            signed = key_pairs.sign_as_openssh(loaded, _signed_part(message))
            return _armored_signature(blob, b"".join(map(_with_length, signed)))
    return ""


def unverified_public_key_in_signature(signature: str) -> bytes:
    """Return the public key that a signature names, unchecked; empty if it cannot be read."""
    found = _ARMOR.fullmatch(signature)
    try:
        blob = base64.b64decode(found[1]) if found else b""
    except binascii.Error:
        blob = b""
    start = len(_MAGIC + _VERSION)
    size = int.from_bytes(blob[start : start + 4], "big")
    return blob[start + 4 : start + 4 + size] if blob.startswith(_MAGIC + _VERSION) else b""


def is_signed_by(message: bytes, signature: str, keys: Sequence[str]) -> bool:
    """Return whether `ssh-keygen` accepts `signature` as one by a key of `keys`."""
    with tempfile.TemporaryDirectory(prefix="chautari-", dir=temp_files_root()) as folder:
        signers, file = Path(folder) / "allowed_signers", Path(folder) / "signature"
        lines = map(key_without_comment, keys)
        signers.write_text("".join(f'operator namespaces="{NAMESPACE}" {key}\n' for key in lines))
        file.write_text(signature)
        done = run(
            ("ssh-keygen", "-Y", "verify", "-f", str(signers), "-I", "operator", "-n", NAMESPACE,
             "-s", str(file)),
            stdin=message, timeout=_SECONDS, check=False,
        )  # fmt: skip
    return done.code == 0


def public_key_bytes(line: str) -> bytes:
    """Return the bytes of a public key, given as a line; empty if it is no SSH key."""
    try:
        return base64.b64decode(line.split()[1])
    except (IndexError, binascii.Error):
        return b""


def _signed_part(message: bytes) -> bytes:
    digest = hashlib.sha512(message).digest()
    return _MAGIC + b"".join(map(_with_length, (NAMESPACE.encode(), b"", _HASH, digest)))


def _armored_signature(blob: bytes, value: bytes) -> str:
    fields = b"".join(map(_with_length, (blob, NAMESPACE.encode(), b"", _HASH, value)))
    text = base64.b64encode(_MAGIC + _VERSION + fields).decode()
    lines = (text[start : start + 70] for start in range(0, len(text), 70))
    return _BEGIN + "".join(f"{line}\n" for line in lines) + _END


def _with_length(content: bytes) -> bytes:
    return len(content).to_bytes(4, "big") + content

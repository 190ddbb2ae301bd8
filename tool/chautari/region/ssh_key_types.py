"""SSH keys in a region: public keys of operators, and host keys of nodes and servers."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable

from chautari import language
from chautari.language import _
from chautari.region.printable_text import is_printable_line

CURLY_QUOTES = frozenset("\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f")
KEY_TYPES = ("ssh-ed25519", "ssh-rsa")
RSA_BITS = 2048
# Limits of the library that encrypts secrets to these keys.
MAX_RSA_BITS = 4096
MAX_RSA_EXPONENT = 2**33
HOST_KEY_TYPES = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa")
_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")


def key_without_comment(line: str) -> str:
    """Return the type and the content of a public key; its comment may differ between files."""
    return " ".join(line.split()[:2])


def _has_authorized_keys_options(value: str) -> bool:
    """Return whether options of `authorized_keys` stand before the type, as in from="…" ssh-rsa."""
    first, _, rest = value.partition(" ")
    return first not in KEY_TYPES and bool(re.search(rf"({'|'.join(KEY_TYPES)}) AAAA", rest))


# A folded block is one line: without this, a second key in it would count as the comment.
_KEY_START = re.compile(r"(?:ssh|ecdsa|sk)-\S+\s+AAAA")

_KEY_MISTAKES: tuple[tuple[Callable[[str], bool], language.Text], ...] = (
    (
        lambda text: "PRIVATE" in text or text.startswith("PuTTY-User-Key-File"),
        "this is a private key, which you must never share; paste the line from the .pub file",
    ),
    (
        lambda text: "SSH2 PUBLIC KEY" in text,
        "this public key is in PuTTY's format; in PuTTYgen, copy the text under `Public key for "
        "pasting into OpenSSH authorized_keys file`, or run: ssh-keygen -i -f FILE",
    ),
    (
        lambda text: len(_KEY_START.findall(text)) > 1,
        "this text contains several keys; write a list, with one key per line and a dash (-) "
        "before each key",
    ),
    (
        lambda text: bool(set(text) & CURLY_QUOTES),
        "the key contains curly quotes; delete them, because a key needs no quotes",
    ),
    (
        _has_authorized_keys_options,
        "the key has options before its type; paste only the part that begins with the type, such "
        "as ssh-ed25519",
    ),
)


_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_BECH32_GENERATORS = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_AGE_KEY = re.compile(rf"age1[{_BECH32}]{{58}}")


def validate_public_key(value: str) -> str:
    """Return an OpenSSH public key line that can log in and that secrets can be encrypted to.

    age (and so `secrets.age`) knows ed25519 and RSA keys; ECDSA and hardware (`sk-`) keys it
    cannot encrypt to. RFC 4253 section 6.6 gives the blob's form: the type's name comes first.
    """
    for is_made, message in _KEY_MISTAKES:
        if is_made(value.strip()):
            raise ValueError(_(message))
    parts = value.split(maxsplit=2)
    if len(parts) < 2:
        raise ValueError(
            _("this is not an SSH public key; paste the line from ~/.ssh/id_ed25519.pub")
        )
    kind, blob = parts[:2]
    if kind not in KEY_TYPES:
        raise ValueError(
            _(
                "keys of type {kind} cannot decrypt the region's secrets; use an ssh-ed25519 "
                "key (create one with: ssh-keygen -t ed25519)",
                kind=kind,
            )
        )
    _check_key_blob(kind, blob)
    if not is_printable_line(value.strip()) or '"' in value:
        raise ValueError(_("a public key is one line without quotes; paste it again"))
    return value.strip()


def validate_age_key(value: str) -> str:
    """Return a public age key, `age1…`, whose checksum is right (BIP 173)."""
    if value.strip().upper().startswith("AGE-SECRET-KEY-"):
        raise ValueError(
            _(
                "this is the secret part of the key, which must not be in this file; create a "
                "new key, and write the public part of the new key here: age1…"
            )
        )
    if not _AGE_KEY.fullmatch(value) or not _is_bech32(value):
        raise ValueError(
            _(
                "this is not a public key for the program age, or it is damaged; create one "
                "with: deploy secrets recovery-key"
            )
        )
    return value


def _is_bech32(value: str) -> bool:
    """Return whether the checksum at the end of a lower-case Bech32 text is right."""
    prefix, _, data = value.rpartition("1")
    codes = [ord(letter) for letter in prefix]
    expanded = [code >> 5 for code in codes] + [0] + [code & 31 for code in codes]
    check = 1
    for number in (*expanded, *(_BECH32.index(letter) for letter in data)):
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ number
        for bit, generator in enumerate(_BECH32_GENERATORS):
            check ^= generator if top >> bit & 1 else 0
    return check == 1


def _check_key_blob(kind: str, blob: str) -> None:
    fields = _split_key_blob(blob)
    expected = 2 if kind == "ssh-ed25519" else 3
    if len(fields) != expected or fields[0] != kind.encode():
        raise ValueError(_("the key is damaged or incomplete; paste the whole line again"))
    if kind == "ssh-ed25519" and not _is_ed25519_point(fields[1]):
        raise ValueError(_("the key is damaged or incomplete; paste the whole line again"))
    if kind == "ssh-rsa":
        _check_rsa_numbers(*(int.from_bytes(part, "big", signed=True) for part in fields[1:]))


def _check_rsa_numbers(exponent: int, modulus: int) -> None:
    bits = modulus.bit_length()
    if bits < RSA_BITS:
        raise ValueError(
            _(
                "an RSA key with fewer than {rsa_bits} bits is not secure; create a new key "
                "with: ssh-keygen -t ed25519",
                rsa_bits=RSA_BITS,
            )
        )
    if bits > MAX_RSA_BITS:
        raise ValueError(
            _(
                "an RSA key with more than {max_rsa_bits} bits cannot decrypt the region's "
                "secrets; create a new key with: ssh-keygen -t ed25519",
                max_rsa_bits=MAX_RSA_BITS,
            )
        )
    if modulus % 2 == 0 or exponent % 2 == 0 or not 2 < exponent < MAX_RSA_EXPONENT:
        raise ValueError(_("the key is damaged or incomplete; paste the whole line again"))


def _is_ed25519_point(encoded: bytes) -> bool:
    """Return whether the bytes are a point of the curve, as those of a key are (RFC 8032, 5.1.3).

    One mistyped letter makes other bytes, and about half of all bytes are no point.
    """
    p = 2**255 - 19
    y = int.from_bytes(encoded, "little") & (2**255 - 1)
    if len(encoded) != 32 or y >= p:
        return False
    d = -121665 * pow(121666, -1, p)
    x_squared = (y * y - 1) * pow(d * y * y + 1, -1, p) % p
    return x_squared == 0 or pow(x_squared, (p - 1) // 2, p) == 1


def _split_key_blob(blob: str) -> list[bytes]:
    """Return the length-prefixed parts of a key, or none when they do not fill it exactly."""
    try:
        raw = base64.b64decode(blob, validate=True)
    except (binascii.Error, ValueError):
        return []
    found: list[bytes] = []
    while len(raw) >= 4:
        size = int.from_bytes(raw[:4], "big")
        part, rest = raw[4 : 4 + size], raw[4 + size :]
        if len(part) != size:
            return []
        found.append(part)
        raw = rest
    return [] if raw else found


def compute_key_fingerprint(blob: str) -> str:
    """Return the fingerprint of a key in base64, as `ssh-keygen -l` prints it; empty if damaged."""
    try:
        digest = hashlib.sha256(base64.b64decode(blob, validate=True)).digest()
    except (binascii.Error, ValueError):
        return ""
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def to_host_key_fingerprint(value: str) -> str:
    """Return the fingerprint of a host key, which is given as a key or as its fingerprint."""
    if _FINGERPRINT.fullmatch(value):
        return value
    if "PRIVATE KEY" in value:
        raise ValueError(
            _(
                "this is a private key, which must never leave the node; write the "
                "fingerprint (SHA256:…) here, and if other people could read this file, "
                "replace the node's key"
            )
        )
    kind, __, rest = value.strip().partition(" ")
    blob = rest.split(" ")[0]
    fields = _split_key_blob(blob)
    if kind not in HOST_KEY_TYPES or not fields or fields[0] != kind.encode():
        raise ValueError(
            _(
                "this is not a host key; on the node, run `ssh-keygen -lf "
                "/etc/ssh/ssh_host_ed25519_key.pub`, then write the fingerprint (SHA256:…) "
                "that this command prints"
            )
        )
    return compute_key_fingerprint(blob)


def to_host_key_line(value: str) -> str:
    """Return a host key as `TYPE KEY`; the host in front of it and a comment are left out."""
    words = value.split()
    while words and words[0] not in HOST_KEY_TYPES:
        words.pop(0)
    if len(words) < 2 or not to_host_key_fingerprint(f"{words[0]} {words[1]}"):
        raise ValueError(
            _(
                "this host key is incomplete; run `ssh-keyscan -t ed25519 -p PORT HOST`, "
                "compare the fingerprint of the printed key with the one that the provider "
                "publishes, and write the line without the host: ssh-ed25519 AAAA…"
            )
        )
    return f"{words[0]} {words[1]}"

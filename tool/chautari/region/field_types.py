"""The types of a region's text fields: names, domains, addresses, keys; each has its own message.

Every type here is text that was checked, so later code need not check it again. Messages say what
to write instead.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import unicodedata
import zoneinfo
from collections.abc import Callable
from functools import cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic.json_schema import WithJsonSchema

from chautari.region.printable_text import is_printable_line

_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}(?<!-)")
_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
# RFC 5322 allows more before the @, which would break the syntax of files that roles write.
_EMAIL_WORD = r"[A-Za-z0-9_+-]+"
_EMAIL = re.compile(rf"(?![-+])(?=.{{1,64}}@){_EMAIL_WORD}(\.{_EMAIL_WORD})*@(?P<domain>[^@\s]+)")
_SIZE = re.compile(r"[1-9][0-9]{0,5} ?(MB|GB|TB)")
_LANGUAGE = re.compile(r"[a-z]{2,3}(_[A-Z]{2})?")
_VERSION = re.compile(r"[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}")
_MARKUP = re.compile(r"[<>\\{}]")
# Letters by category that no font shows: fillers of Hangul and the empty pattern of Braille.
_INVISIBLE = frozenset("\u115f\u1160\u3164\uffa0\u2800")
CURLY_QUOTES = frozenset("\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f")
LONGEST_TEXT = 500
# RFC 5737: never routed, so a mistake in a sandbox reaches no stranger's machine.
DOCUMENTATION_NETWORKS = tuple(
    map(IPv4Network, ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"))
)
_NO_MACHINE = tuple(map(IPv4Network, ("0.0.0.0/8", "240.0.0.0/4")))
KEY_TYPES = ("ssh-ed25519", "ssh-rsa")
RSA_BITS = 2048
# Limits of the library that encrypts secrets to these keys.
MAX_RSA_BITS = 4096
MAX_RSA_EXPONENT = 2**33
HOST_KEY_TYPES = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa")
_OTHER_COUNTRY_CODES = {"UK": "GB", "EL": "GR"}  # of the European Union
_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")


def validate_name(value: str) -> str:
    """Return `value` when it can name a node, an operator or a region."""
    if not _NAME.fullmatch(value):
        raise ValueError(
            f"{value!r} is not a valid name; use up to 31 lower-case letters (a-z), digits and "
            "dashes, starting with a letter and ending with a letter or digit"
        )
    return value


def check_dns_label(value: str) -> str:
    """Return `value` when it is one label of a DNS name."""
    if not _LABEL.fullmatch(value):
        raise ValueError(
            f"{value!r} is not a valid host name; write only the part before the domain, such as "
            "cloud"
        )
    return value


def check_single_line(value: str) -> str:
    """Return `value` when it is one line of plain text."""
    if not any(map(_is_visible, value)) or len(value) > LONGEST_TEXT:
        raise ValueError(f"write one line of visible text with 1 to {LONGEST_TEXT} characters")
    if "\n" in value:
        raise ValueError(
            "the text contains a line break; write it on one line, or write >- before it and "
            "leave no empty lines"
        )
    if found := _MARKUP.search(value):
        raise ValueError(
            f"{found[0]!r} would be interpreted as markup; write plain text, and links as https://…"
        )
    return value


def _is_visible(character: str) -> bool:
    return unicodedata.category(character)[0] in "LNPS" and character not in _INVISIBLE


def validate_domain(value: str) -> str:
    """Return `value` when it is a DNS name in ASCII (punycode for other scripts)."""
    if not value.isascii():
        raise ValueError(
            f"{value!r} contains letters that are not ASCII and can imitate another name; "
            "write the punycode form (xn--…)"
        )
    labels = value.split(".")
    if "://" in value or "/" in value:
        raise ValueError(
            f"{value!r} is a URL or a path; write only the domain, such as example.org"
        )
    if len(value) > 253 or len(labels) < 2 or not all(map(_LABEL.fullmatch, labels)):
        raise ValueError(
            f"{value!r} is not a valid domain; write a lower-case name with a dot, such as "
            "andes.example.org"
        )
    if labels[-1].isdigit():
        raise ValueError(f"{value!r} is an IP address; write a domain name")
    return value


def validate_email(value: str) -> str:
    """Return `value` when it is a plain mail address."""
    match = _EMAIL.fullmatch(value)
    if not match:
        name, at, domain = value.partition("@")
        detail = (
            "; before the @, write letters, digits, _, +, - and single dots; begin with a letter"
            if name and at and "@" not in domain
            else ""
        )
        raise ValueError(
            f"{value!r} is not a mail address that Chautari accepts; use the form "
            f"ops@example.org{detail}"
        )
    validate_domain(match["domain"].lower())
    return value


def to_canonical_address(value: str) -> str:
    """Return the canonical form of an IPv4 or IPv6 address that a node can be reached at.

    A private address is valid: a node may stand behind a router or in a VPN.
    """
    # After % Python accepts any text: it names an interface of this machine, not of the node.
    if "%" in value:
        raise ValueError(
            f"{value!r} contains the name of a network interface; write the address without %…"
        )
    try:
        address = ip_address(value)
    except ValueError:
        raise ValueError(
            f"{value!r} is not an IP address; write the node's public address, such as 203.0.113.10"
        ) from None
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        raise ValueError(
            f"{value} is an IPv4 address that is written as an IPv6 address; write "
            f"{address.ipv4_mapped}"
        )
    # RFC 1122: no machine has an address of 0.0.0.0/8 or of 240.0.0.0/4, broadcast included.
    no_machine = isinstance(address, IPv4Address) and any(
        address in network for network in _NO_MACHINE
    )
    if no_machine or address.is_multicast or address.is_unspecified or address.is_link_local:
        raise ValueError(f"{value} cannot be a node's address; write the node's public address")
    if address.is_loopback:
        raise ValueError(f"{value} always means the local machine; write the node's public address")
    return str(address)


def validate_timezone(value: str) -> str:
    """Return `value` when it is a present name in the time zone database.

    Old names work on this machine perhaps, but not on a node: Debian 13 leaves them out.
    """
    if value in (renamed := _renamed_timezones()):
        raise ValueError(f"{value!r} is an old name of a time zone; write {renamed[value]}")
    if not _is_timezone(value):
        from chautari.region.timezone_hints import nearest_timezone  # only a mistake needs it

        close = nearest_timezone(value, renamed)
        hint = close or "Area/City, such as America/Bogota or Asia/Kathmandu"
        raise ValueError(f"{value!r} is not a time zone; write {hint}")
    return value


@cache
def _renamed_timezones() -> dict[str, str]:
    """Return the present name of each old time zone (IANA 2025b, as Debian 13 packages it)."""
    text = Path(__file__).with_name("renamed_timezones.txt").read_text()
    return dict(line.split() for line in text.splitlines() if not line.startswith("#"))


@cache
def _is_timezone(value: str) -> bool:
    """Return whether the database has `value`, without opening all of its 600 files.

    Where the system has no database the whole of Python's own is asked.
    """
    found = any(_is_time_zone_file(Path(folder), value.split("/")) for folder in zoneinfo.TZPATH)
    return found or value in zoneinfo.available_timezones() - {"Factory"}


def _is_time_zone_file(folder: Path, parts: list[str]) -> bool:
    # Copies of the database with other rules lie in there too, under names that are no zones.
    # "Factory" is the zone of a machine whose zone was not set yet.
    if parts[0] in ("posix", "right", "posixrules", "Factory"):
        return False
    for part in parts:
        # Asked of the listing, so that letters count where the file system takes any case.
        if not folder.is_dir() or part not in {entry.name for entry in folder.iterdir()}:
            return False
        folder /= part
    if not folder.is_file():
        return False
    with folder.open("rb") as file:
        return file.read(4) == b"TZif"


@cache
def _iso_country_codes() -> frozenset[str]:
    """Return the codes of ISO 3166-1, as the time zone database lists them (2025b)."""
    return frozenset(Path(__file__).with_name("countries.txt").read_text().split())


def check_country(value: str) -> str:
    """Return `value` when ISO 3166-1 assigns this code to a country."""
    if value not in _iso_country_codes():
        near = _OTHER_COUNTRY_CODES.get(value.upper(), value.upper())
        hint = near if near in _iso_country_codes() else "a code such as CO"
        raise ValueError(f"{value!r} is not a country code of ISO 3166-1; write {hint}")
    return value


def validate_url_port(value: str) -> str:
    """Return the URL or image name `value` when its port, if any, exists."""
    port = re.search(r"^(?:https://)?[^/]*:([0-9]+)(?:/|$)", value)
    if port and not 1 <= int(port[1]) <= 65535:
        raise ValueError(f"{port[1]} is not a port; write a number from 1 to 65535")
    return value


def check_language(value: str) -> str:
    """Return `value` when it is a language code such as es or pt_BR."""
    if not _LANGUAGE.fullmatch(value):
        raise ValueError(f"{value!r} is not a language code; use a code such as es, ne or pt_BR")
    return value


def check_storage_size(value: str) -> str:
    """Return an amount of storage, such as `5 GB`, with one space before its unit."""
    if not _SIZE.fullmatch(value):
        raise ValueError(
            f"{value!r} is not an amount of storage; write a whole number from 1 to 999999 and MB, "
            "GB or TB, such as 5 GB"
        )
    return f"{value[:-2].strip()} {value[-2:]}"


def validate_three_part_version(value: str) -> str:
    """Return `value` when it is a version of three numbers."""
    if not _VERSION.fullmatch(value):
        raise ValueError(f"{value!r} is not a version; write three numbers, such as 35.0.1")
    return value


def _has_authorized_keys_options(value: str) -> bool:
    """Return whether options of `authorized_keys` stand before the type, as in from="…" ssh-rsa."""
    first, _, rest = value.partition(" ")
    return first not in KEY_TYPES and bool(re.search(rf"({'|'.join(KEY_TYPES)}) AAAA", rest))


# A folded block is one line: without this, a second key in it would count as the comment.
_KEY_START = re.compile(r"(?:ssh|ecdsa|sk)-\S+\s+AAAA")

_KEY_MISTAKES: tuple[tuple[Callable[[str], bool], str], ...] = (
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
            raise ValueError(message)
    parts = value.split(maxsplit=2)
    if len(parts) < 2:
        raise ValueError("this is not an SSH public key; paste the line from ~/.ssh/id_ed25519.pub")
    kind, blob = parts[:2]
    if kind not in KEY_TYPES:
        raise ValueError(
            f"keys of type {kind} cannot decrypt the region's secrets; use an ssh-ed25519 key "
            "(create one with: ssh-keygen -t ed25519)"
        )
    _check_key_blob(kind, blob)
    if not is_printable_line(value.strip()) or '"' in value:
        raise ValueError("a public key is one line without quotes; paste it again")
    return value.strip()


def validate_age_key(value: str) -> str:
    """Return a public key of age, `age1…`, whose checksum is right (BIP 173)."""
    if value.strip().upper().startswith("AGE-SECRET-KEY-"):
        raise ValueError(
            "this is the secret part of the key, which must not be in this file; replace the key, "
            "and write its public part here: age1…"
        )
    if not _AGE_KEY.fullmatch(value) or not _is_bech32(value):
        raise ValueError(
            "this is not a public key of age, or it is damaged; create one with: deploy secrets "
            "recovery-key"
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
        raise ValueError("the key is damaged or incomplete; paste the whole line again")
    if kind == "ssh-ed25519" and not _is_ed25519_point(fields[1]):
        raise ValueError("the key is damaged or incomplete; paste the whole line again")
    if kind == "ssh-rsa":
        _check_rsa_numbers(*(int.from_bytes(part, "big", signed=True) for part in fields[1:]))


def _check_rsa_numbers(exponent: int, modulus: int) -> None:
    bits = modulus.bit_length()
    if bits < RSA_BITS:
        raise ValueError(
            f"an RSA key with fewer than {RSA_BITS} bits is not secure; create a new key with: "
            "ssh-keygen -t ed25519"
        )
    if bits > MAX_RSA_BITS:
        raise ValueError(
            f"an RSA key with more than {MAX_RSA_BITS} bits cannot decrypt the region's secrets; "
            "create a new key with: ssh-keygen -t ed25519"
        )
    if modulus % 2 == 0 or exponent % 2 == 0 or not 2 < exponent < MAX_RSA_EXPONENT:
        raise ValueError("the key is damaged or incomplete; paste the whole line again")


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
            "this is a private key, which must never leave the node; write the fingerprint "
            "(SHA256:…) here, and if other people could read this file, replace the node's key"
        )
    kind, _, rest = value.strip().partition(" ")
    blob = rest.split(" ")[0]
    fields = _split_key_blob(blob)
    if kind not in HOST_KEY_TYPES or not fields or fields[0] != kind.encode():
        raise ValueError(
            "this is not a host key; on the node, run `ssh-keygen -lf "
            "/etc/ssh/ssh_host_ed25519_key.pub`, then write the fingerprint (SHA256:…) that this "
            "command prints"
        )
    return compute_key_fingerprint(blob)


def to_host_key_line(value: str) -> str:
    """Return a host key as `TYPE KEY`; the host in front of it and a comment are left out."""
    words = value.split()
    while words and words[0] not in HOST_KEY_TYPES:
        words.pop(0)
    if len(words) < 2 or not to_host_key_fingerprint(f"{words[0]} {words[1]}"):
        raise ValueError(
            "this is not a whole host key; run `ssh-keyscan -t ed25519 -p PORT HOST`, compare its "
            "fingerprint with the one that the provider publishes, and write the line without the "
            "host: ssh-ed25519 AAAA…"
        )
    return f"{words[0]} {words[1]}"


def size_in_mb(size: str) -> int:
    """Return an amount of storage, such as `5 GB`, in MB."""
    number, unit = size.split()
    return int(number) * {"MB": 1, "GB": 1000, "TB": 1_000_000}[unit]


def validate_sandbox_network(value: str) -> str:
    """Return `value` when it is a part, /24 to /28, of a network that no real machine has."""
    try:
        network = IPv4Network(value)
    except ValueError:
        network = None
    inside = network and any(network.subnet_of(parent) for parent in DOCUMENTATION_NETWORKS)
    if network is None or not inside or network.prefixlen > 28:
        raise ValueError(
            f"{value!r} is not a subnet (/24 to /28) of a documentation network; use a subnet "
            "such as 198.51.100.0/25"
        )
    return str(network)


Name = Annotated[str, AfterValidator(validate_name)]
Text = Annotated[str, AfterValidator(check_single_line)]
Label = Annotated[str, AfterValidator(check_dns_label)]
Domain = Annotated[str, AfterValidator(validate_domain)]
Email = Annotated[str, AfterValidator(validate_email)]
Address = Annotated[str, AfterValidator(to_canonical_address)]
Timezone = Annotated[str, AfterValidator(validate_timezone)]
Language = Annotated[str, AfterValidator(check_language)]
Size = Annotated[str, AfterValidator(check_storage_size)]
SandboxNetwork = Annotated[str, AfterValidator(validate_sandbox_network)]
Version = Annotated[str, AfterValidator(validate_three_part_version)]
ImageVersion = Annotated[str, Field(pattern=r"^[0-9]{1,4}(\.[0-9]{1,4}){1,3}$")]
PublicKey = Annotated[str, AfterValidator(validate_public_key)]
AgeKey = Annotated[str, AfterValidator(validate_age_key)]
HostKey = Annotated[str, AfterValidator(to_host_key_fingerprint)]
HostKeyLine = Annotated[str, AfterValidator(to_host_key_line)]
Port = Annotated[int, Field(ge=1, le=65535, strict=True)]
Country = Annotated[
    str, AfterValidator(check_country), WithJsonSchema({"type": "string", "pattern": "^[A-Z]{2}$"})
]
URL = Annotated[str, AfterValidator(validate_url_port)]

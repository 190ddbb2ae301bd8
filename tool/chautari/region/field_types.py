"""The types of a region's text fields: names, domains, addresses, keys; each has its own message.

Every type here is text that was checked, so later code need not check it again. Messages say what
to write instead.
"""

from __future__ import annotations

import re
import unicodedata
import zoneinfo
from functools import cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic.json_schema import WithJsonSchema

from chautari.language import _
from chautari.region.names import validate_name
from chautari.region.ssh_key_types import (
    to_host_key_fingerprint,
    to_host_key_line,
    validate_age_key,
    validate_public_key,
)

_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
# RFC 5322 allows more before the @, which would break the syntax of files that roles write.
_EMAIL_WORD = r"[A-Za-z0-9_+-]+"
_EMAIL = re.compile(rf"(?![-+])(?=.{{1,64}}@){_EMAIL_WORD}(\.{_EMAIL_WORD})*@(?P<domain>[^@\s]+)")
_TIME_WINDOW = re.compile(r"((?:[01][0-9]|2[0-3]):[0-5][0-9])-((?:[01][0-9]|2[0-3]):[0-5][0-9])")
_SIZE = re.compile(r"[1-9][0-9]{0,5} ?(MB|GB|TB)")
_LANGUAGE = re.compile(r"[a-z]{2,3}(_[A-Z]{2})?")
_VERSION = re.compile(r"[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}")
_MARKUP = re.compile(r"[<>\\{}]")
# Letters by category that no font shows: fillers of Hangul and the empty pattern of Braille.
_INVISIBLE = frozenset("\u115f\u1160\u3164\uffa0\u2800")
LONGEST_TEXT = 500
# RFC 5737: never routed, so a mistake in a sandbox reaches no stranger's machine.
DOCUMENTATION_NETWORKS = tuple(
    map(IPv4Network, ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"))
)
_NO_MACHINE = tuple(map(IPv4Network, ("0.0.0.0/8", "240.0.0.0/4")))
_OTHER_COUNTRY_CODES = {"UK": "GB", "EL": "GR"}  # of the European Union


def check_dns_label(value: str) -> str:
    """Return `value` when it is one label of a DNS name."""
    if not _LABEL.fullmatch(value):
        raise ValueError(
            _(
                "{value!r} is not a valid host name; write only the part before the domain, "
                "such as cloud",
                value=value,
            )
        )
    return value


def check_single_line(value: str) -> str:
    """Return `value` when it is one line of plain text."""
    if not any(map(_is_visible, value)) or len(value) > LONGEST_TEXT:
        raise ValueError(
            _(
                "write one line of visible text with 1 to {longest_text} characters",
                longest_text=LONGEST_TEXT,
            )
        )
    if "\n" in value:
        raise ValueError(
            _(
                "the text contains a line break; write it on one line, or write >- before it "
                "and leave no empty lines"
            )
        )
    if found := _MARKUP.search(value):
        raise ValueError(
            _(
                "{found!r} would be interpreted as markup; write plain text, and links as "
                "https://…",
                found=found[0],
            )
        )
    return value


def _is_visible(character: str) -> bool:
    return unicodedata.category(character)[0] in "LNPS" and character not in _INVISIBLE


def validate_domain(value: str) -> str:
    """Return `value` when it is a DNS name in ASCII (punycode for other scripts)."""
    if not value.isascii():
        raise ValueError(
            _(
                "{value!r} contains letters that are not ASCII and can imitate another name; "
                "write the punycode form (xn--…)",
                value=value,
            )
        )
    labels = value.split(".")
    if "://" in value or "/" in value:
        raise ValueError(
            _(
                "{value!r} is a URL or a path; write only the domain, such as example.org",
                value=value,
            )
        )
    if len(value) > 253 or len(labels) < 2 or not all(map(_LABEL.fullmatch, labels)):
        raise ValueError(
            _(
                "{value!r} is not a valid domain; write a lower-case name with a dot, such "
                "as andes.example.org",
                value=value,
            )
        )
    if labels[-1].isdigit():
        raise ValueError(_("{value!r} is an IP address; write a domain name", value=value))
    return value


def validate_email(value: str) -> str:
    """Return `value` when it is a plain mail address."""
    match = _EMAIL.fullmatch(value)
    if not match:
        name, at, domain = value.partition("@")
        detail = (
            _("; before the @, write letters, digits, _, +, - and single dots; begin with a letter")
            if name and at and "@" not in domain
            else ""
        )
        raise ValueError(
            _(
                "{value!r} is not a mail address that Chautari accepts; use the form "
                "ops@example.org{detail}",
                value=value,
                detail=detail,
            )
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
            _(
                "{value!r} contains the name of a network interface; write the address without %…",
                value=value,
            )
        )
    try:
        address = ip_address(value)
    except ValueError:
        raise ValueError(
            _(
                "{value!r} is not an IP address; write the node's public address, such as "
                "203.0.113.10",
                value=value,
            )
        ) from None
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        raise ValueError(
            _(
                "{value} is an IPv4 address that is written as an IPv6 address; write "
                "{ipv4_mapped}",
                value=value,
                ipv4_mapped=address.ipv4_mapped,
            )
        )
    # RFC 1122: no machine has an address of 0.0.0.0/8 or of 240.0.0.0/4, broadcast included.
    no_machine = isinstance(address, IPv4Address) and any(
        address in network for network in _NO_MACHINE
    )
    if no_machine or address.is_multicast or address.is_unspecified or address.is_link_local:
        raise ValueError(
            _("{value} cannot be a node's address; write the node's public address", value=value)
        )
    if address.is_loopback:
        raise ValueError(
            _(
                "{value} always means the local machine; write the node's public address",
                value=value,
            )
        )
    return str(address)


def validate_timezone(value: str) -> str:
    """Return `value` when it is a present name in the time zone database.

    Old names work on this machine perhaps, but not on a node: Debian 13 leaves them out.
    """
    if value in (renamed := _renamed_timezones()):
        raise ValueError(
            _(
                "{value!r} is an old name of a time zone; write {renamed}",
                value=value,
                renamed=renamed[value],
            )
        )
    if not _is_timezone(value):
        from chautari.region.timezone_hints import nearest_timezone  # only a mistake needs it

        close = nearest_timezone(value, renamed)
        hint = close or _("Area/City, such as America/Bogota or Asia/Kathmandu")
        raise ValueError(_("{value!r} is not a time zone; write {hint}", value=value, hint=hint))
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
        hint = near if near in _iso_country_codes() else _("a code such as CO")
        raise ValueError(
            _("{value!r} is not an ISO 3166-1 country code; write {hint}", value=value, hint=hint)
        )
    return value


def validate_url_port(value: str) -> str:
    """Return the URL or image name `value` when its port, if any, exists."""
    port = re.search(r"^(?:https://)?[^/]*:([0-9]+)(?:/|$)", value)
    if port and not 1 <= int(port[1]) <= 65535:
        raise ValueError(_("{port} is not a port; write a number from 1 to 65535", port=port[1]))
    return value


def check_language(value: str) -> str:
    """Return `value` when it is a language code such as es or pt_BR."""
    if not _LANGUAGE.fullmatch(value):
        raise ValueError(
            _("{value!r} is not a language code; use a code such as es, ne or pt_BR", value=value)
        )
    return value


def check_storage_size(value: str) -> str:
    """Return an amount of storage, such as `5 GB`, with one space before its unit."""
    if not _SIZE.fullmatch(value):
        raise ValueError(
            _(
                "{value!r} is not an amount of storage; write a whole number from 1 to 999999 "
                "and a unit (MB, GB or TB), such as 5 GB",
                value=value,
            )
        )
    return f"{value[:-2].strip()} {value[-2:]}"


def validate_three_part_version(value: str) -> str:
    """Return `value` when it is a version of three numbers."""
    if not _VERSION.fullmatch(value):
        raise ValueError(
            _("{value!r} is not a version; write three numbers, such as 35.0.1", value=value)
        )
    return value


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
            _(
                "{value!r} is not a subnet (/24 to /28) of a documentation network; use a "
                "subnet such as 198.51.100.0/25",
                value=value,
            )
        )
    return str(network)


def check_time_window(value: str) -> str:
    """Return `value` when it is two different times of the day, such as 02:00-05:00."""
    found = _TIME_WINDOW.fullmatch(value)
    if not found or found[1] == found[2]:
        raise ValueError(
            _(
                "{value!r} is not a part of the day; write two times, such as 02:00-05:00",
                value=value,
            )
        )
    return value


Name = Annotated[str, AfterValidator(validate_name)]
Text = Annotated[str, AfterValidator(check_single_line)]
Label = Annotated[str, AfterValidator(check_dns_label)]
Domain = Annotated[str, AfterValidator(validate_domain)]
Email = Annotated[str, AfterValidator(validate_email)]
Address = Annotated[str, AfterValidator(to_canonical_address)]
TimeWindow = Annotated[str, AfterValidator(check_time_window)]
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

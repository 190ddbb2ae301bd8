"""Values of single fields of region.yml."""

from __future__ import annotations

import base64
import struct

import pyrage
import pytest

from chautari.region import field_types
from chautari.region.field_types import (
    check_country,
    check_single_line,
    validate_email,
    validate_name,
    validate_url_port,
)
from chautari.region.ssh_key_types import validate_public_key


def ed25519_line(y: int) -> str:
    """Return a public key line with the coordinate `y`."""
    blob = b"\0\0\0\x0bssh-ed25519\0\0\0 " + y.to_bytes(32, "little")
    return "ssh-ed25519 " + base64.b64encode(blob).decode()


# y = 4/5 is the curve's base point (RFC 8032, 5.1), and y = 1 its neutral element.
@pytest.mark.parametrize("y", [4 * pow(5, -1, 2**255 - 19) % (2**255 - 19), 1])
def test_public_key_that_is_a_point_is_accepted(y: int) -> None:
    assert validate_public_key(ed25519_line(y)) == ed25519_line(y)


# No point has y = 2, and no coordinate is as large as the prime of the field.
@pytest.mark.parametrize("y", [2, 2**255 - 19])
def test_public_key_that_is_no_point_is_refused(y: int) -> None:
    """Nothing could be encrypted to it."""
    with pytest.raises(ValueError, match="damaged or incomplete"):
        validate_public_key(ed25519_line(y))


@pytest.mark.parametrize(
    "value", ["ops@example.org", "a.b+c@example.org", "cloud-ops@example.org", "_x@a.b.example.org"]
)
def test_mail_address_is_accepted(value: str) -> None:
    assert validate_email(value) == value


@pytest.mark.parametrize(
    "value",
    ["..@example.org", ".a@example.org", "a.@example.org", "a..b@example.org", "@example.org",
     "-oQueue@example.org", "o'brien@example.org", "a@b@example.org", "a" * 65 + "@example.org"],
)  # fmt: skip
def test_mail_address_that_a_role_cannot_write_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="is not a mail address that Chautari accepts"):
        validate_email(value)


@pytest.mark.parametrize("value", ["bog1-", "-bog1", "1bog", "a" * 32, "Bog", "b\u00e9"])
def test_name_that_is_no_dns_label_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="is not a valid name"):
        validate_name(value)


@pytest.mark.parametrize("value", ["ZZ", "UK", "co", "", "C", "COL"])
def test_country_that_does_not_exist_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="is not an ISO 3166-1 country code"):
        check_country(value)


def test_countries_are_those_of_iso_3166() -> None:
    codes = field_types._iso_country_codes()
    assert len(codes) == 249 and {"CO", "NP", "GB", "NO", "IN"} <= codes
    assert all(check_country(code) == code for code in codes)


@pytest.mark.parametrize("port", ["0", "65536", "99999"])
def test_port_of_a_url_exists(port: str) -> None:
    for value in (f"https://ca.example.org:{port}/x", f"registry.example.org:{port}/a/b"):
        with pytest.raises(ValueError, match=f"{port} is not a port"):
            validate_url_port(value)
    assert validate_url_port("https://ca.example.org:8443/a:99999")


@pytest.mark.parametrize("value", ["\u3164", "\u2800", " ", "\ufe0f", "\u200b", ""])
def test_text_that_nobody_sees_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="one line of visible text"):
        check_single_line(value)


def rsa_line(exponent: int, modulus: int) -> str:
    numbers = [
        number.to_bytes(number.bit_length() // 8 + 1, "big", signed=True)
        for number in (exponent, modulus)
    ]
    blob = b"".join(struct.pack(">I", len(part)) + part for part in (b"ssh-rsa", *numbers))
    return f"ssh-rsa {base64.b64encode(blob).decode()}"


@pytest.mark.parametrize("exponent", [1, 2, 3, 65537, 2**33 - 1, 2**33 + 1])
@pytest.mark.parametrize(("bits", "last"), [(2048, 0), (2048, 1), (4096, 1), (4097, 1), (8192, 1)])
def test_rsa_key_is_accepted_exactly_if_secrets_can_be_encrypted_to_it(
    exponent: int, bits: int, last: int
) -> None:
    line = rsa_line(exponent, (1 << (bits - 1)) + last)
    try:
        pyrage.ssh.Recipient.from_str(line)
    except pyrage.RecipientError:
        with pytest.raises(ValueError, match=r"damaged or incomplete|more than 4096 bits"):
            validate_public_key(line)
    else:
        assert validate_public_key(line) == line


@pytest.mark.parametrize("exponent", [0, -3])
def test_rsa_key_that_the_library_cannot_read_is_refused(exponent: int) -> None:
    with pytest.raises(ValueError, match="damaged or incomplete"):
        validate_public_key(rsa_line(exponent, 2**2047 + 1))

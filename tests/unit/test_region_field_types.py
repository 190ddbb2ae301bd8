"""Values of single fields of region.yml."""

from __future__ import annotations

import base64

import pytest

from chautari.region.field_types import check_public_key


def ed25519_line(y: int) -> str:
    """Return a public key line with the coordinate `y`."""
    blob = b"\0\0\0\x0bssh-ed25519\0\0\0 " + y.to_bytes(32, "little")
    return "ssh-ed25519 " + base64.b64encode(blob).decode()


# y = 4/5 is the curve's base point (RFC 8032, 5.1), and y = 1 its neutral element.
@pytest.mark.parametrize("y", [4 * pow(5, -1, 2**255 - 19) % (2**255 - 19), 1])
def test_public_key_that_is_a_point_is_accepted(y: int) -> None:
    assert check_public_key(ed25519_line(y)) == ed25519_line(y)


# No point has y = 2, and no coordinate is as large as the prime of the field.
@pytest.mark.parametrize("y", [2, 2**255 - 19])
def test_public_key_that_is_no_point_is_refused(y: int) -> None:
    """Nothing could be encrypted to it."""
    with pytest.raises(ValueError, match="damaged or incomplete"):
        check_public_key(ed25519_line(y))

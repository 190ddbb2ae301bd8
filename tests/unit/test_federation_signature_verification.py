"""Signatures of descriptors: ours and those of `ssh-keygen` agree."""

from __future__ import annotations

from pathlib import Path

import pytest
from federation_samples import KEY, OTHER_KEY, sign, signed, ssh_keygen_accepts

from chautari.federation import signing_key
from chautari.federation.refusal import PeerRefused
from chautari.federation.signature_verification import verify_and_return_signing_key
from chautari.federation.transfer import UnverifiedSignedDescriptor

PUBLIC = signing_key.public_key_of(KEY)
CONTENT = b'{"format": 1}\n'
GOOD = sign(CONTENT)
LINES = GOOD.splitlines(keepends=True)


@pytest.mark.parametrize("kind", ["sha512", "sha256"])
def test_verify_signature_returns_the_key_of_a_signature_by_ssh_keygen(kind: str) -> None:
    assert verify_and_return_signing_key(CONTENT, sign(CONTENT, kind=kind)) == PUBLIC
    assert ssh_keygen_accepts(UnverifiedSignedDescriptor(CONTENT, sign(CONTENT, kind=kind)))


def flipped(position: int) -> bytes:
    """Return the good signature with another letter at a position of its body."""
    letters = bytearray(b"".join(LINES[1:-1]))
    letters[position] = ord("A") if letters[position] != ord("A") else ord("B")
    return LINES[0] + bytes(letters) + LINES[-1]


FORGED = {
    "other content": (b'{"format": 2}\n', GOOD, "signature_wrong"),
    "other key": (CONTENT, sign(CONTENT, key=OTHER_KEY), "signed_by_other_key"),
    "other namespace": (CONTENT, sign(CONTENT, namespace="file"), "signature_for_other_purpose"),
    "truncated": (CONTENT, GOOD[:-60], "signature_unreadable"),
    "a line is missing": (CONTENT, b"".join(LINES[:2] + LINES[3:]), "signature_unreadable"),
    "empty": (CONTENT, b"", "signature_unreadable"),
    "no base64": (CONTENT, LINES[0] + b"====\n" + LINES[-1], "signature_unreadable"),
    "too long": (CONTENT, LINES[0] + LINES[1] * 900 + LINES[-1], "signature_unreadable"),
    "a letter of the signature changed": (CONTENT, flipped(200), "signature_wrong"),
}


@pytest.mark.parametrize("case", FORGED)
def test_verify_signature_refuses_what_ssh_keygen_refuses(case: str) -> None:
    content, armored, code = FORGED[case]
    with pytest.raises(PeerRefused) as refused:
        verify_and_return_signing_key(content, armored, PUBLIC)
    assert refused.value.code == code
    assert not ssh_keygen_accepts(UnverifiedSignedDescriptor(content, armored))


def test_verify_signature_is_stricter_than_ssh_keygen_about_text_after_it() -> None:
    with pytest.raises(PeerRefused, match="incomplete or not from ssh-keygen"):
        verify_and_return_signing_key(CONTENT, GOOD + b"x", PUBLIC)


@pytest.mark.parametrize("position", [2, 9, 30, 60, 90, 120, 150, 180, 210])
def test_verify_signature_refuses_a_changed_letter_anywhere(position: int) -> None:
    with pytest.raises(PeerRefused):
        verify_and_return_signing_key(CONTENT, flipped(position), PUBLIC)


def test_generated_signing_keys_fit_their_form_and_differ() -> None:
    spec = signing_key.signing_key_spec("portal")
    values = {spec.make() for _ in range(3)}
    assert len(values) == 3
    for value in values:
        spec.check(value, "andes", Path("secrets.age"))
        assert verify_and_return_signing_key(
            CONTENT, sign(CONTENT, key=value)
        ) == signing_key.public_key_of(value)
    assert signed(key=OTHER_KEY).signature.startswith(b"-----BEGIN SSH SIGNATURE-----\n")

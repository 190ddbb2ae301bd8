"""Random changes of a good descriptor end in a refusal or a valid descriptor, never in an error."""

from __future__ import annotations

import base64
import json
import random
import time

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from federation_samples import ADDRESS, KEY, NOW, body, peer, ssh_keygen_accepts

from chautari.federation import signing_key, trust
from chautari.federation.descriptor import Descriptor
from chautari.federation.refusal import PeerRefused
from chautari.federation.signature_verification import KIND, Signature
from chautari.federation.transfer import NAMESPACE, DescriptorAddress, UnverifiedSignedDescriptor

PUBLIC = signing_key.public_key_of(KEY)
BLOB = base64.b64decode(PUBLIC.split()[1])
GOOD = json.dumps(body()).encode()
ROUNDS = 400
TOKENS = (
    b'"', b"{", b"}", b"[", b"]", b",", b":", b"null", b"true", b"1e9", b"-1", b"{{", b"\xff",
    b"\\u202e", b"\\ud83d", b'"a":1,', b"0" * 20, b"\\n", b"xn--", b"https://", b"\\u0000",
)  # fmt: skip


def field(content: bytes) -> bytes:
    return len(content).to_bytes(4, "big") + content


def quickly_signed(content: bytes) -> UnverifiedSignedDescriptor:
    """Sign as `ssh-keygen` does, without a process for each of many."""
    key = serialization.load_ssh_private_key(KEY.encode(), None)
    assert isinstance(key, Ed25519PrivateKey)
    parts = (BLOB, NAMESPACE.encode(), b"", b"sha512")
    value = key.sign(Signature(*parts, b"").signed_message(content))
    fields = (*parts, field(KIND) + field(value))
    raw = b"SSHSIG" + (1).to_bytes(4, "big") + b"".join(map(field, fields))
    text = base64.b64encode(raw).decode()
    lines = "\n".join(text[start : start + 70] for start in range(0, len(text), 70))
    armor = f"-----BEGIN SSH SIGNATURE-----\n{lines}\n-----END SSH SIGNATURE-----\n"
    return UnverifiedSignedDescriptor(content, armor.encode())


def mutate(content: bytes, chance: random.Random) -> bytes:
    found = bytearray(content)
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(len(found))
        kind = chance.randrange(4)
        if kind == 0:
            found[place] = chance.randrange(256)
        elif kind == 1:
            found[place:place] = chance.choice(TOKENS)
        elif kind == 2:
            del found[place : place + chance.randrange(1, 30)]
        else:
            found[place:place] = found[place // 2 : place // 2 + chance.randrange(1, 60)]
    return bytes(found)


def test_quick_signatures_are_those_of_ssh_keygen() -> None:
    assert ssh_keygen_accepts(quickly_signed(GOOD))
    assert trust.verify_signed_descriptor(quickly_signed(GOOD), ADDRESS, NOW, PUBLIC).serial == NOW


def test_check_signed_refuses_or_returns_a_descriptor() -> None:
    chance, known, codes = random.Random(20261130), peer(), set()
    for _ in range(ROUNDS):
        content = mutate(GOOD, chance)
        try:
            found = trust.verify_signed_descriptor(quickly_signed(content), ADDRESS, NOW, PUBLIC)
            trust.refuse_other_or_older_descriptor(found, known)
            # What is accepted is exactly what the model says, and can be pinned.
            assert Descriptor.model_validate(found.model_dump()) == found
        except PeerRefused as refused:
            codes.add(refused.code)
            assert refused.message and refused.fix
    assert len(codes) > 5


def test_check_signed_refuses_every_changed_signature() -> None:
    chance = random.Random(20261130)
    content, good = quickly_signed(GOOD)
    for _ in range(ROUNDS):
        changed = bytearray(good)
        changed[chance.randrange(len(good))] ^= chance.randrange(1, 256)
        with pytest.raises(PeerRefused):
            trust.verify_signed_descriptor(
                UnverifiedSignedDescriptor(content, bytes(changed)), ADDRESS, NOW, PUBLIC
            )


def test_check_signed_refuses_each_other_last_letter_of_a_signature() -> None:
    content, good = quickly_signed(GOOD)
    last = good.index(b"=\n") - 1
    for letter in b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=":
        if letter != good[last]:
            changed = good[:last] + bytes([letter]) + good[last + 1 :]
            with pytest.raises(PeerRefused):
                trust.verify_signed_descriptor(
                    UnverifiedSignedDescriptor(content, changed), ADDRESS, NOW, PUBLIC
                )


@pytest.mark.parametrize("content", [b"[" * 65_000, b"1" * 65_000, b'"' + b"\\u0041" * 10_000])
def test_check_signed_is_quick_with_crafted_content(content: bytes) -> None:
    began = time.monotonic()
    with pytest.raises(PeerRefused):
        trust.verify_signed_descriptor(quickly_signed(content), ADDRESS, NOW, PUBLIC)
    assert time.monotonic() - began < 1


@pytest.mark.parametrize(
    ("host", "is_accepted"),
    [
        ("himalaya.example.org", True),
        ("portal.himalaya.example.org", True),
        ("evilhimalaya.example.org", False),
        ("example.org", False),
        ("himalaya.example.org.evil.example.net", False),
    ],
)
def test_check_signed_accepts_a_host_at_or_below_the_domain(host: str, is_accepted: bool) -> None:
    address = DescriptorAddress(host, 443)
    if is_accepted:
        assert trust.verify_signed_descriptor(quickly_signed(GOOD), address, NOW).domain in host
        return
    with pytest.raises(PeerRefused) as refused:
        trust.verify_signed_descriptor(quickly_signed(GOOD), address, NOW)
    assert refused.value.code == "other_domain"


@pytest.mark.parametrize(("skew", "is_accepted"), [(299, True), (300, True), (301, False)])
def test_check_signed_allows_five_minutes_of_clock_skew(skew: int, is_accepted: bool) -> None:
    signed = quickly_signed(json.dumps(body(NOW + skew)).encode())
    if is_accepted:
        assert trust.verify_signed_descriptor(signed, ADDRESS, NOW, PUBLIC).serial == NOW + skew
        return
    with pytest.raises(PeerRefused) as refused:
        trust.verify_signed_descriptor(signed, ADDRESS, NOW, PUBLIC)
    assert refused.value.code == "issued_in_future"

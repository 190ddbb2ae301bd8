"""A letter from elsewhere is hostile input: what is not exactly right is refused."""

from __future__ import annotations

import base64
import json
import random
import time
from pathlib import Path
from typing import Any

import pyrage
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from lending_samples import ENDPOINTS, generate

from chautari.federation import letters, signing_key
from chautari.federation.letters import Letter, LetterPublicKeys, ReceivedLetter
from chautari.federation.refusal import PeerRefused
from chautari.services.bigbluebutton.lending import ServerOffer
from chautari.services.jitsi.lending import BridgeOffer, BridgeRequest
from chautari.services.jitsi.secrets import KEY, xmpp_certificate, xmpp_certificate_names

ANDES, HIMALAYA, OTHER = (signing_key.generate_signing_key() for _ in range(3))
KEYS = LetterPublicKeys(*map(signing_key.public_key_of, (ANDES, HIMALAYA)))
DOMAINS = ("andes.example.org", "himalaya.example.org")
MEET = "meet.andes.example.org"
NETWORKS = ENDPOINTS.peer_networks


def der(pem: str) -> str:
    return "".join(line for line in pem.splitlines() if not line.startswith("-"))


REQUEST = {
    "domain": MEET,
    "user": "peer-himalaya",
    "password": "p" * 32,
    "certificate": der(xmpp_certificate(generate("andes", KEY), MEET)),
}
OFFER = {"addresses": ["203.0.113.41", "2001:db8::41"]}


def body(**changes: Any) -> dict[str, Any]:
    """Return a letter from andes to himalaya."""
    return {
        "format": 1,
        "sender": DOMAINS[0],
        "recipient": DOMAINS[1],
        "key": KEYS.recipient,
        "offers": {"jitsi-bridge": OFFER},
        "requests": {"jitsi-bridge": REQUEST},
    } | changes


def sealed(content: bytes | dict[str, Any], *keys: str, armored: bool = True) -> bytes:
    """Return any content, encrypted as a letter is."""
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    recipients = [pyrage.ssh.Recipient.from_str(key) for key in keys or KEYS]
    return bytes(pyrage.encrypt(raw, recipients, armored=armored))


def read(content: bytes, key: str = HIMALAYA) -> ReceivedLetter:
    return letters.validate_received_letter(
        letters.open_letter(content, key), KEYS, DOMAINS, NETWORKS
    )


def refusal(content: bytes) -> PeerRefused:
    with pytest.raises(PeerRefused) as caught:
        read(content)
    assert caught.value.message and caught.value.fix
    return caught.value


def test_letter_is_read_by_both_sides_and_no_other() -> None:
    letter = Letter.model_validate(body())
    content = letters.seal_letter(letter, KEYS)
    assert letters.open_letter(content, ANDES) == letter
    found = read(content)
    assert isinstance(found.offers["jitsi-bridge"], BridgeOffer)
    request = found.requests["jitsi-bridge"]
    assert isinstance(request, BridgeRequest) and request.model_dump() == REQUEST
    with pytest.raises(PeerRefused, match="cannot be decrypted"):
        letters.open_letter(content, OTHER)


def test_region_that_writes_to_itself_is_one_recipient() -> None:
    keys = LetterPublicKeys(KEYS.recipient, KEYS.recipient)
    content = letters.seal_letter(Letter.model_validate(body()), keys)
    assert letters.open_letter(content, HIMALAYA)


def test_content_of_newer_releases_is_left_out() -> None:
    found = read(sealed(body(offers={"wiki": {"x": 1}}, requests={})))
    assert (found.offers, found.requests) == ({}, {})


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"sender": "karakoram.example.org"}, "letter_for_other"),
        ({"recipient": "karakoram.example.org"}, "letter_for_other"),
        ({"sender": DOMAINS[1], "recipient": DOMAINS[0]}, "letter_for_other"),
        ({"key": KEYS.sender}, "letter_for_other"),
        ({"key": "ssh-ed25519 AAAA"}, "letter_field_invalid"),
        ({"sender": "Andes.example.org"}, "letter_field_invalid"),
        ({"sender": "аndes.example.org"}, "letter_field_invalid"),
        ({"format": 2}, "letter_field_invalid"),
        ({"format": "1"}, "letter_field_invalid"),
        ({"more": 1}, "letter_field_invalid"),
        ({"offers": []}, "letter_field_invalid"),
        ({"offers": {f"x{number}": {} for number in range(61)}}, "letter_field_invalid"),
        ({"offers": {"jitsi-bridge": None}}, "letter_field_invalid"),
        ({"offers": {"wiki": {"a": "{{ lookup('pipe', 'id') }}"}}}, "letter_invalid"),
        ({"offers": {"wiki": {"a": "\u202e"}}}, "letter_invalid"),
        ({"offers": {"wiki": {"a": "\n"}}}, "letter_invalid"),
        ({"offers": {"wiki": {"a": 1.5}}}, "letter_invalid"),
        ({"offers": {"wiki": {"a": [[[[[[1]]]]]]}}}, "letter_invalid"),
    ],
)
def test_letter_refuses_what_is_not_its_form(changes: dict[str, Any], code: str) -> None:
    assert refusal(sealed(body(**changes))).code == code


@pytest.mark.parametrize(
    "addresses",
    [
        [], ["127.0.0.1"], ["10.0.0.5"], ["169.254.169.254"], ["::1"], ["fe80::1"], ["0.0.0.0"],
        ["192.0.2.1"], ["::ffff:10.0.0.1"], ["meet.andes.example.org"], ["203.0.113.041"],
        ["203.0.113.41/24"], ["203.0.113.41 "], ["2001:DB8::41"], [203], ["203.0.113.1"] * 41,
        ["fe80::1%eth0"], "203.0.113.41",
    ],
)  # fmt: skip
def test_offer_names_only_public_addresses(addresses: Any) -> None:
    content = sealed(body(offers={"jitsi-bridge": {"addresses": addresses}}))
    assert refusal(content).code == "letter_field_invalid"


SERVERS = {"servers": {"cal2": "rooms-cal2.andes.example.org"}, "secret": "s" * 48}


def test_offer_of_servers_is_read() -> None:
    found = read(sealed(body(offers={"bigbluebutton": SERVERS}, requests={"bigbluebutton": {}})))
    offer = found.offers["bigbluebutton"]
    assert isinstance(offer, ServerOffer) and offer.model_dump() == SERVERS


@pytest.mark.parametrize(
    "servers",
    [
        {}, [], None, "cal2",
        {"cal2": "rooms.himalaya.example.org"}, {"cal2": "rooms.andes.example.org.evil.example"},
        {"cal2": "evilandes.example.org"}, {"cal2": "127.0.0.1"}, {"cal2": "10.0.0.5"},
        {"cal2": "203.0.113.9"}, {"cal2": "localhost"}, {"cal2": "[::1]"},
        {"cal2": "https://rooms.andes.example.org"}, {"cal2": "rooms.andes.example.org/x"},
        {"cal2": "rooms.andes.example.org:8443"}, {"cal2": "a@rooms.andes.example.org"},
        {"cal2": "Rooms.andes.example.org"}, {"cal2": "rооms.andes.example.org"},
        {"cal2": "rooms.andes.example.org "}, {"cal2": "rooms.andes.example.org."},
        {"cal2": 1}, {"cal2": ["rooms.andes.example.org"]},
        {"cal.2": "rooms.andes.example.org"}, {"Cal2": "rooms.andes.example.org"},
        {"cal 2": "rooms.andes.example.org"}, {"": "rooms.andes.example.org"},
        {"-x": "rooms.andes.example.org"}, {"../x": "rooms.andes.example.org"},
        {f"n{number}": f"r{number}.andes.example.org" for number in range(21)},
    ],
)  # fmt: skip
def test_offer_names_only_servers_of_the_peer(servers: Any) -> None:
    offer = SERVERS | {"servers": servers}
    code = refusal(sealed(body(offers={"bigbluebutton": offer}))).code
    assert code == "letter_field_invalid"


@pytest.mark.parametrize(
    "changes",
    [
        {"secret": ""}, {"secret": "s" * 39}, {"secret": "s" * 129}, {"secret": "s" * 47 + "-"},
        {"secret": "s" * 47 + "é"}, {"secret": 7}, {"secret": None}, {"url": "https://x"},
        {"tag": "none"},
    ],
)  # fmt: skip
def test_offer_of_servers_has_one_plain_secret(changes: dict[str, Any]) -> None:
    content = sealed(body(offers={"bigbluebutton": SERVERS | changes}))
    assert refusal(content).code == "letter_field_invalid"
    asked = sealed(body(requests={"bigbluebutton": {"tag": "none"}}))
    assert refusal(asked).code == "letter_field_invalid"


def certificate(names: list[x509.GeneralName], *, ca: bool = False, bare: bool = False) -> str:
    key = serialization.load_pem_private_key(generate("andes", KEY).encode(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    pem = xmpp_certificate(generate("andes", KEY), MEET)
    good = x509.load_pem_x509_certificate(pem.encode())
    builder = x509.CertificateBuilder(
        good.subject, good.subject, key.public_key(), 7,
        good.not_valid_before_utc, good.not_valid_after_utc,
    ).add_extension(x509.SubjectAlternativeName(names), critical=False)  # fmt: skip
    if not bare:
        limits = x509.BasicConstraints(ca=ca, path_length=0 if ca else None)
        builder = builder.add_extension(limits, critical=True)
    raw = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
    return base64.b64encode(raw).decode()


GOOD_NAMES: list[x509.GeneralName] = [x509.DNSName(name) for name in xmpp_certificate_names(MEET)]


def test_certificate_of_the_xmpp_server_is_accepted() -> None:
    request = REQUEST | {"certificate": certificate(GOOD_NAMES)}
    assert read(sealed(body(requests={"jitsi-bridge": request}))).requests


@pytest.mark.parametrize(
    "text",
    [
        certificate(GOOD_NAMES, ca=True),
        certificate(GOOD_NAMES, bare=True),
        certificate([*GOOD_NAMES, x509.DNSName("cloud.himalaya.example.org")]),
        certificate([*GOOD_NAMES, x509.DNSName("*.example.org")]),
        certificate([*GOOD_NAMES, x509.RFC822Name("ops@example.org")]),
        certificate(GOOD_NAMES[1:]),
        base64.b64encode(b"\x30" * 400).decode(),
        REQUEST["certificate"][:-8],
        REQUEST["certificate"] + "AAAA",
        "A" * 99,
        "A" * 6001,
        "-" * 400,
    ],
)
def test_request_refuses_a_certificate_for_more_than_its_server(text: str) -> None:
    request = REQUEST | {"certificate": text}
    found = refusal(sealed(body(requests={"jitsi-bridge": request})))
    assert found.code == "letter_field_invalid" and text not in found.message


@pytest.mark.parametrize(
    "changes",
    [
        {"domain": "meet.himalaya.example.org"}, {"domain": "meet.andes.example.org.evil.org"},
        {"domain": "xandes.example.org"}, {"domain": "127.0.0.1"}, {"domain": ""},
        {"user": "focus\" }"}, {"user": "jvb@x"}, {"user": ""}, {"user": "a" * 42},
        {"password": "short"}, {"password": 'x" \n OTHER = "' + "x" * 20}, {"password": "p" * 101},
        {"password": 12345678901234}, {"host": "10.0.0.1"},
    ],
)  # fmt: skip
def test_request_refuses_values_that_a_server_cannot_have(changes: dict[str, Any]) -> None:
    content = sealed(body(requests={"jitsi-bridge": REQUEST | changes}))
    found = refusal(content)
    assert found.code in ("letter_field_invalid", "letter_invalid")
    assert REQUEST["password"] not in found.message


def test_password_is_not_shown_when_another_field_is_wrong() -> None:
    found = refusal(sealed(body(requests={"jitsi-bridge": REQUEST | {"user": "X"}})))
    assert REQUEST["password"] not in str(found.as_object())


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "letter_invalid"),
        (b"{}", "letter_invalid"),
        (sealed(body(), armored=False), "letter_invalid"),
        (b"\n" + sealed(body()), "letter_invalid"),
        (sealed(body())[:-60], "letter_undecryptable"),
        (sealed(body()) * 2, "letter_undecryptable"),
        (sealed(body(), signing_key.public_key_of(OTHER)), "letter_undecryptable"),
        (pyrage.passphrase.encrypt(b"{}", "x", armored=True), "letter_undecryptable"),
        (sealed(b"[" * 20_000), "letter_invalid"),
        (sealed(b"null"), "letter_invalid"),
        (sealed(b'{"a": 1, "a": 2}'), "letter_invalid"),
        (sealed(b"\xff"), "letter_invalid"),
        (sealed(b" " * letters.MAX_BYTES), "letter_invalid"),
    ],
)
def test_letter_refuses_what_no_region_encrypts(content: bytes, code: str) -> None:
    began = time.monotonic()
    assert refusal(content).code == code
    assert time.monotonic() - began < 5


def test_changed_letter_is_never_accepted() -> None:
    chance, good = random.Random(20261130), sealed(body())
    for _ in range(200):
        changed = bytearray(good)
        place = chance.randrange(len(good))
        changed[place] ^= chance.randrange(1, 256)
        try:
            read(bytes(changed))
        except PeerRefused:
            continue
        # Another way to write the same bytes in the armor.
        assert chr(changed[place]).isspace() or chr(good[place]).isspace(), place


def test_path_of_a_letter_is_below_the_folder_of_letters(tmp_path: Path) -> None:
    assert letters.letter_path("andes.example.org") == (
        "/.well-known/chautari/letters/andes.example.org.age"
    )

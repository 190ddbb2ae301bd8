"""Letters: what two regions that share capacity hand each other, secrets included.

A letter is JSON, encrypted with age to the region keys of both sides: the recipient reads it, and
the sender compares it with what it would write now. Anybody may download it. The sender's signed
descriptor names its SHA-256, so it needs no signature of its own.

What is in a letter from elsewhere is hostile input: `untrusted_json` reads it, and the models of
the services limit every field.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import pyrage
from pydantic import BaseModel, Field, ValidationError

from chautari.federation.descriptor import (
    Ed25519Key,
    PeerDomain,
    StrictDescriptorModel,
    field_problem_text,
)
from chautari.federation.refusal import PeerRefused
from chautari.federation.shared_resources import SHARED_RESOURCES
from chautari.federation.untrusted_json import AnswerRefused, read_untrusted_json
from chautari.language import _
from chautari.secrets.private_keys import call_pyrage

# Of an encrypted letter. The time to read a header grows with its square: about a second for this.
MAX_BYTES = 32 << 10
URL_FOLDER = "/.well-known/chautari/letters/"
_ARMOR = b"-----BEGIN AGE ENCRYPTED FILE-----\n"
_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Letter(StrictDescriptorModel):
    """What one region writes to another. Names that the reader does not know are left out.

    `key` is the recipient's: a letter that was encrypted to another one is not for this region.
    """

    format: Literal[1] = 1
    sender: PeerDomain
    recipient: PeerDomain
    key: Ed25519Key
    offers: dict[str, dict[str, Any]] = Field(max_length=60)
    requests: dict[str, dict[str, Any]] = Field(max_length=60)


class ReceivedLetter(NamedTuple):
    """What a peer offers and asks for, by resource, as far as this region uses it.

    Attributes:
        problem: code and data of why the letter does not count, or may be outdated.
    """

    offers: Mapping[str, BaseModel] = _NOTHING
    requests: Mapping[str, BaseModel] = _NOTHING
    problem: tuple[str, Mapping[str, Any]] | None = None


class LetterPublicKeys(NamedTuple):
    """Who can open a letter: the sender and the recipient, by their public region keys."""

    sender: str
    recipient: str


def letter_path(domain: str) -> str:
    """Return the path at which a region publishes its letter to the region with `domain`."""
    return f"{URL_FOLDER}{domain}.age"


def digest_of_letter(sealed: bytes) -> str:
    """Return the SHA-256 of an encrypted letter, as descriptors name it."""
    return hashlib.sha256(sealed).hexdigest()


def seal_letter(letter: Letter, keys: LetterPublicKeys) -> bytes:
    """Return `letter`, encrypted for both sides. Each call returns other bytes."""
    recipients = [call_pyrage(pyrage.ssh.Recipient.from_str, key) for key in dict.fromkeys(keys)]
    content = json.dumps(letter.model_dump(), sort_keys=True).encode()
    sealed: bytes = pyrage.encrypt(content, recipients, armored=True)
    return sealed


def open_letter(sealed: bytes, private_key: str) -> Letter:
    """Return the letter in `sealed`.

    Args:
        private_key: the region key of the sender or of the recipient, in OpenSSH's format.

    Raises:
        PeerRefused: when it cannot be decrypted with this key, or does not have a letter's form.
    """
    content = _decrypt_letter(sealed, private_key)
    try:
        return Letter.model_validate(read_untrusted_json(content))
    except AnswerRefused as refused:
        raise PeerRefused("letter_invalid", problem=refused.code.replace("_", " ")) from None
    except ValidationError as error:
        raise _invalid_field_refusal(error, "") from None


def _decrypt_letter(sealed: bytes, private_key: str) -> bytes:
    if len(sealed) > MAX_BYTES:
        raise PeerRefused(
            "letter_invalid", problem=_("larger than {max_bytes} kB", max_bytes=MAX_BYTES >> 10)
        )
    # Upstream's reader would accept any amount of space in front of the armor.
    if not sealed.startswith(_ARMOR):
        raise PeerRefused("letter_invalid", problem=_("not encrypted with age"))
    try:
        identity = call_pyrage(pyrage.ssh.Identity.from_buffer, private_key.encode())
        content: bytes = call_pyrage(pyrage.decrypt, sealed, [identity])
    except (pyrage.DecryptError, pyrage.IdentityError, ValueError):
        raise PeerRefused("letter_undecryptable") from None
    return content


def validate_received_letter(
    letter: Letter, keys: LetterPublicKeys, domains: tuple[str, str], peer_networks: tuple[str, ...]
) -> ReceivedLetter:
    """Return what a peer's letter offers and asks for, with every field checked.

    Args:
        keys: the public keys of the peer and of this region.
        domains: the domains of the peer and of this region.
        peer_networks: networks without public addresses in which peers may be.

    Raises:
        PeerRefused: when it is from or for another region, or a field is not valid.
    """
    if (letter.sender, letter.recipient) != domains or letter.key != keys.recipient:
        raise PeerRefused("letter_for_other", sender=letter.sender, recipient=letter.recipient)
    context = {"domain": letter.sender, "peer_networks": peer_networks}
    offers, requests = {}, {}
    for name, resource in SHARED_RESOURCES.items():
        hooks = resource.hooks
        if name in letter.offers:
            offers[name] = _validate_or_refuse(hooks.offer, letter.offers[name], context, name)
        if name in letter.requests:
            requests[name] = _validate_or_refuse(
                hooks.request, letter.requests[name], context, name
            )
    return ReceivedLetter(offers, requests)


def _validate_or_refuse(
    model: type[BaseModel], data: dict[str, Any], context: dict[str, Any], resource: str
) -> BaseModel:
    try:
        return model.model_validate(data, context=context)
    except ValidationError as error:
        raise _invalid_field_refusal(error, resource) from None


def _invalid_field_refusal(error: ValidationError, resource: str) -> PeerRefused:
    first = error.errors(include_url=False)[0]
    place = ".".join(map(str, (*filter(None, [resource]), *first["loc"])))
    detail = field_problem_text(first)
    return PeerRefused("letter_field_invalid", path=place[:80] or _("the letter"), detail=detail)

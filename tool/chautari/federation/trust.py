"""Decide whether a fetched descriptor is trusted: signature, content, time, and what is pinned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from chautari.federation import descriptor as descriptors
from chautari.federation.descriptor import Descriptor
from chautari.federation.fetch import fetch_unverified_descriptor, parse_descriptor_url
from chautari.federation.lookalikes import find_lookalike
from chautari.federation.peers import PinnedPeer
from chautari.federation.refusal import PeerRefused
from chautari.federation.signature_verification import verify_and_return_signing_key
from chautari.federation.transfer import DescriptorAddress, UnverifiedSignedDescriptor
from chautari.federation.untrusted_json import AnswerRefused, read_untrusted_json
from chautari.federation.validity import check_times, parse_seconds_since_1970
from chautari.render.endpoints import Endpoints

RENEWAL = 15 * 24 * 3600  # seconds; a pin that expires within this time is renewed


class PeerState(NamedTuple):
    """How a pinned peer is: a code with data, whose text `report` makes.

    The code is `current`, `pending` (the peer does not list us yet), `expired`, `unreachable` or
    `refused`. `refusal` says why a fetched descriptor was not accepted. `peer` has the newest
    descriptor that was, and `replaces_pin` says whether it belongs into the peer's file.
    """

    code: str
    peer: PinnedPeer
    refusal: PeerRefused | None = None
    replaces_pin: bool = False


def verify_signed_descriptor(
    signed: UnverifiedSignedDescriptor,
    address: DescriptorAddress,
    now: float,
    pinned: str | None = None,
) -> Descriptor:
    """Return the descriptor in `signed`, once its signature, its content and its times are right.

    The signature comes first: what an unknown key signed is not even parsed.

    Raises:
        PeerRefused: with the first thing that is wrong.
    """
    signer = verify_and_return_signing_key(signed.content, signed.signature, pinned)
    try:
        found = descriptors.parse_descriptor(read_untrusted_json(signed.content))
        if found.key != signer:
            raise PeerRefused("names_other_key")
        if not descriptors.is_within_domain(address.host, found.domain):
            raise PeerRefused("other_domain", host=address.host, domain=found.domain)
        check_times(found.serial, found.issued, found.expires, now)
    except AnswerRefused as refused:
        raise PeerRefused(refused.code, **refused.data) from None
    return found


def refuse_imitating_descriptor(
    descriptor: Descriptor, own_domain: str, peers: Mapping[str, PinnedPeer]
) -> None:
    """Refuse a descriptor that imitates the own region or a pinned peer.

    Raises:
        PeerRefused: when its domain is ours, is pinned already, or looks like one of these.
    """
    if own_domain == descriptor.domain:
        raise PeerRefused("own_domain", domain=own_domain)
    for name, peer in peers.items():
        if peer.domain == descriptor.domain:
            code = "already_pinned" if peer.key == descriptor.key else "pinned_with_other_key"
            raise PeerRefused(code, domain=descriptor.domain, peer=name)
    known = [own_domain, *(peer.domain for peer in peers.values())]
    if alike := find_lookalike(descriptor.domain, known):
        raise PeerRefused("lookalike_domain", domain=descriptor.domain, known=alike)


def refuse_other_or_older_descriptor(
    descriptor: Descriptor, peer: PinnedPeer, newest_serial: int = 0
) -> None:
    """Make sure that `descriptor` is the pinned descriptor or replaces it.

    Args:
        newest_serial: the newest serial that was seen since the pin was written.

    Raises:
        PeerRefused: when it is of another region, or older than what was seen.
    """
    last = peer.descriptor
    if (descriptor.domain, descriptor.region) != (last.domain, last.region):
        raise PeerRefused("other_region", domain=descriptor.domain, region=descriptor.region)
    newest = max(last.serial, newest_serial)
    if descriptor.serial < newest:
        raise PeerRefused("older_serial", serial=descriptor.serial, last=newest)
    if descriptor.serial == last.serial and descriptor != last:
        raise PeerRefused("serial_reused", serial=descriptor.serial)


def should_replace_pin(descriptor: Descriptor, pinned: Descriptor, now: float) -> bool:
    """Return whether an accepted descriptor replaces the pinned one in the peer's file.

    Regions sign theirs every hour. A file in git changes only when what the peer says changed, or
    when the pinned descriptor expires soon.
    """
    renewed = {
        "serial": descriptor.serial,
        "issued": descriptor.issued,
        "expires": descriptor.expires,
    }
    if pinned.model_copy(update=renewed) != descriptor:
        return True
    return descriptor != pinned and parse_seconds_since_1970(pinned.expires) - now < RENEWAL


def peer_state_from_pin(peer: PinnedPeer, own_domain: str, now: float) -> PeerState:
    """Return the state of a peer as it is pinned; nothing is fetched."""
    if parse_seconds_since_1970(peer.descriptor.expires) <= now:
        return PeerState("expired", peer)
    return PeerState("current" if own_domain in peer.descriptor.peers else "pending", peer)


def fetch_peer_state(
    peer: PinnedPeer,
    own_domain: str,
    endpoints: Endpoints,
    now: float,
    *,
    newest_serial: int = 0,
    seconds: float | None = None,
) -> PeerState:
    """Fetch the newest descriptor of a peer, and return its state.

    Args:
        newest_serial: the newest serial that was seen since the pin was written.
        seconds: that the peer's server has to answer; by default as long as any fetch may take.
    """
    address = parse_descriptor_url(peer.url)
    try:
        signed = fetch_unverified_descriptor(address, endpoints, seconds)
        found = verify_signed_descriptor(signed, address, now, peer.key)
        refuse_other_or_older_descriptor(found, peer, newest_serial)
    except PeerRefused as refusal:
        state = peer_state_from_pin(peer, own_domain, now)
        if state.code == "expired" and (refusal.is_unreachable or refusal.code == "expired"):
            return state._replace(refusal=refusal)
        code = "unreachable" if refusal.is_unreachable else "refused"
        return PeerState(code, peer, refusal)
    newest = peer.model_copy(update={"descriptor": found})
    return peer_state_from_pin(newest, own_domain, now)._replace(
        replaces_pin=should_replace_pin(found, peer.descriptor, now)
    )

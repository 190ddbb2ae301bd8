"""What operators do with peers: look at one before trusting it, pin it, refresh it, remove it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import yaml

from chautari.errors import BadInput
from chautari.federation import (
    descriptor,
    letter_exchange,
    newest_serials,
    peers,
    signing_key,
    transfer,
    trust,
)
from chautari.federation.descriptor import Descriptor
from chautari.federation.fetch import fetch_unverified_descriptor, parse_descriptor_url
from chautari.federation.peers import PinnedPeer
from chautari.federation.refusal import PeerRefused
from chautari.federation.transfer import DescriptorAddress
from chautari.federation.trust import PeerState
from chautari.federation.validity import utc_text
from chautari.files import unusable_file_error
from chautari.language import _
from chautari.parallel import map_parallel
from chautari.region import yaml_reader
from chautari.region.load import LoadedRegion
from chautari.region.locate import REGION_FILE
from chautari.region.names import validate_name
from chautari.render.endpoints import Endpoints
from chautari.secrets.store import SecretStore
from chautari.services.registry import PUBLISHERS
from chautari.suggestions import fix_for_unknown_word


class PeerCandidate(NamedTuple):
    """A region that may become a peer: its descriptor is right, its key not confirmed yet."""

    name: str
    address: DescriptorAddress
    descriptor: Descriptor


class OwnIdentity(NamedTuple):
    """What another group needs to trust this region."""

    url: str
    key: str


def require_own_identity(loaded_region: LoadedRegion, secrets: SecretStore) -> OwnIdentity:
    """Return where the region publishes its descriptor, and the public key that signs it.

    Raises:
        BadInput: when no node publishes it, or the key is not generated yet.
    """
    region = loaded_region.region
    host = descriptor.descriptor_host(region)
    if host is None:
        raise BadInput(
            _(
                "{region} publishes no descriptor, so another region cannot trust it",
                region=region.region,
            ),
            fix=_(
                "add one of these services to a node in region.yml: {publishers}; then deploy",
                publishers=", ".join(PUBLISHERS),
            ),
        )
    if signing_key.NAME not in secrets:
        raise BadInput(
            _("{region} has no signing key yet", region=region.region),
            fix=f"deploy region {region.region}",
        )
    address = DescriptorAddress(host, transfer.HTTPS)
    return OwnIdentity(address.url, signing_key.public_key_of(secrets[signing_key.NAME]))


def refusal_if_not_published(
    own_identity: OwnIdentity, endpoints: Endpoints, now: float
) -> PeerRefused | None:
    """Return why other groups cannot use the region's own address now; None when they can."""
    address = parse_descriptor_url(own_identity.url)
    try:
        trust.verify_signed_descriptor(
            fetch_unverified_descriptor(address, endpoints), address, now, own_identity.key
        )
    except PeerRefused as refusal:
        return refusal
    return None


def fetch_peer_candidate(
    loaded_region: LoadedRegion, url: str, name: str | None, endpoints: Endpoints, now: float
) -> PeerCandidate:
    """Fetch the descriptor at `url`, and return it for a person to decide.

    Args:
        name: name of the peer here; by default the one in its descriptor.

    Raises:
        BadInput: when `url` is no address of a descriptor, or the name is taken.
        PeerRefused: when the descriptor cannot be trusted.
    """
    folder, region = loaded_region.folder, loaded_region.region
    if name is not None:
        _check_peer_name_option(name)
    known = peers.read_peers(folder, peers.peer_names(folder))
    address = parse_descriptor_url(url)
    found = trust.verify_signed_descriptor(
        fetch_unverified_descriptor(address, endpoints), address, now
    )
    trust.refuse_imitating_descriptor(found, region.domain, known)
    chosen = name or found.region
    if chosen in known or chosen == region.region:
        owner = (
            _("this region")
            if chosen == region.region
            else _("{domain}, a peer", domain=known[chosen].domain)
        )
        raise BadInput(
            _("{chosen} is already the name of {owner}", chosen=chosen, owner=owner),
            fix=_("choose a name for the new peer: --as NAME"),
        )
    return PeerCandidate(chosen, address, found)


def _check_peer_name_option(name: str) -> None:
    try:
        validate_name(name)
    except ValueError as error:
        raise BadInput(f"--as: {error}", fix=_("choose another name: --as NAME")) from None


def write_pin(
    loaded_region: LoadedRegion, candidate: PeerCandidate, agreement: str, now: float
) -> None:
    """Write the pin of a candidate whose key was confirmed."""
    peer = PinnedPeer(
        domain=candidate.descriptor.domain,
        url=candidate.address.url,
        key=candidate.descriptor.key,
        pinned=utc_text(now),
        agreement=agreement,
        descriptor=candidate.descriptor,
    )
    peers.write_pin_file(loaded_region.folder, candidate.name, peer)


def refresh_pinned_peers(
    loaded_region: LoadedRegion, names: list[str], endpoints: Endpoints, now: float
) -> dict[str, PeerState]:
    """Fetch the newest descriptor of each peer, and store those that say something new.

    The state says if one was refused; then its file is not written.
    """
    folder = loaded_region.folder
    pinned = peers.read_peers(folder, names)
    found = fetch_peer_states(pinned, loaded_region.region.domain, endpoints, now)
    for name, state in found.items():
        if state.replaces_pin:
            peers.write_pin_file(folder, name, state.peer)
    return found


def fetch_peer_states(
    pinned: Mapping[str, PinnedPeer],
    own_domain: str,
    endpoints: Endpoints,
    now: float,
    seconds: float | None = None,
) -> dict[str, PeerState]:
    """Fetch the newest descriptor of each peer at the same time; no file of a peer is written."""

    def fetch_state(peer: PinnedPeer) -> PeerState:
        seen = newest_serials.load_newest_serial(peer.key)
        state = trust.fetch_peer_state(
            peer, own_domain, endpoints, now, newest_serial=seen, seconds=seconds
        )
        newest_serials.store_newest_serial(peer.key, state.peer.descriptor.serial)
        return state

    return dict(zip(pinned, map_parallel(fetch_state, list(pinned.values())), strict=True))


def peer_states_from_pins(loaded_region: LoadedRegion, now: float) -> dict[str, PeerState]:
    """Return the state of every pinned peer; nothing is fetched."""
    folder, domain = loaded_region.folder, loaded_region.region.domain
    known = peers.read_peers(folder, peers.peer_names(folder))
    return {name: trust.peer_state_from_pin(peer, domain, now) for name, peer in known.items()}


def delete_pin(loaded_region: LoadedRegion, name: str) -> None:
    """Delete the pin of a peer; a damaged file is deleted too.

    Raises:
        BadInput: when there is none.
    """
    known = peers.peer_names(loaded_region.folder)
    if name not in known:
        raise BadInput(
            _(
                "{region} has no pinned peer {name!r}",
                region=loaded_region.region.region,
                name=name,
            ),
            fix=fix_for_unknown_word(name, known),
        )
    file = peers.peer_file(loaded_region.folder, name)
    try:
        file.unlink()
    except OSError as error:
        raise unusable_file_error(file, error) from None
    letter_exchange.delete_letters(loaded_region.folder, name)


def peers_line_and_its_place(loaded_region: LoadedRegion, names: list[str]) -> tuple[str, str]:
    """Return where `region.yml` names its peers, and the line that names `names`.

    The place is FILE:LINE, or FILE where the key is not there yet. The line keeps the other
    settings of the federation; what is shared with other regions than `names` is left out.
    """
    file = loaded_region.folder / REGION_FILE
    line = yaml_reader.read_yaml(file).marks.get(("federation",), (0, 0))[0]
    settings = loaded_region.region.federation.model_dump(mode="json", exclude_unset=True)
    settings["peers"] = names
    for key in ("lend", "borrow"):
        shared = settings.pop(key, None) or {}
        if kept := {peer: what for peer, what in shared.items() if peer in names}:
            settings[key] = kept
    text = yaml.safe_dump(settings, default_flow_style=True, sort_keys=False, width=10_000)
    return (f"{file}:{line}" if line else str(file)), _("federation: {text}", text=text.strip())

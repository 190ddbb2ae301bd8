"""Write the letters to the peers of a region, and read those that arrived from them.

Both lie in git beside the pins: `peers/NAME.letter.age` is what this region publishes for the peer,
and `peers/NAME.received.age` is what the peer wrote. `deploy federation status` fetches letters; a
deploy uses those that are stored, so that a peer that is down never stops it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from chautari.federation import letters, signing_key
from chautari.federation.descriptor import FORMAT, descriptor_host
from chautari.federation.fetch import fetch_file, parse_descriptor_url
from chautari.federation.letters import Letter, LetterPublicKeys, ReceivedLetter
from chautari.federation.peers import FOLDER, PinnedPeer
from chautari.federation.refusal import PeerRefused
from chautari.federation.shared_resources import (
    SHARED_RESOURCES,
    lends_to_or_borrows_from,
    resources_borrowed_from,
    resources_lent_to,
)
from chautari.federation.trust import PeerState
from chautari.files import read_bytes_if_present, unusable_file_error, write_atomically
from chautari.parallel import map_parallel
from chautari.region.load import LoadedRegion
from chautari.region.model import Region
from chautari.region.names import validate_name
from chautari.render.endpoints import Endpoints
from chautari.secrets.store import SecretStore

_SENT, _RECEIVED = ".letter.age", ".received.age"
# A descriptor that counts: what it says of letters is what the peer says now.
_COUNTING = ("current", "pending")


class OwnKey(NamedTuple):
    """The region's key, in both halves."""

    private: str
    public: str


def sent_letter_file(folder: Path, name: str) -> Path:
    """Return the file of the letter to the peer called `name`."""
    return folder / FOLDER / f"{validate_name(name)}{_SENT}"


def received_letter_file(folder: Path, name: str) -> Path:
    """Return the file of the letter from the peer called `name`."""
    return folder / FOLDER / f"{validate_name(name)}{_RECEIVED}"


def load_and_update_letters(
    loaded_region: LoadedRegion,
    secrets: SecretStore | None,
    endpoints: Endpoints,
    *,
    save: bool = True,
) -> LoadedRegion:
    """Return the region with its letters to peers, and with what its peers wrote.

    Without `secrets`, the stored letters are published, and nothing that peers wrote is known.
    Without `save`, no file changes; a letter that has to be written is another one the next time.

    Raises:
        BadInput: when the region's key is missing, or a file cannot be written.
    """
    region, folder = loaded_region.region, loaded_region.folder
    shared = {
        name: peer
        for name, peer in loaded_region.peers.items()
        if lends_to_or_borrows_from(region, name)
    }
    if save:
        _delete_letters_of_former_peers(folder, shared)
    if descriptor_host(region) is None or not shared:
        return loaded_region
    if secrets is None:
        stored = {name: _read_letter_file(sent_letter_file(folder, name)) for name in shared}
        return loaded_region._replace(letters={name: x for name, x in stored.items() if x})
    own = load_own_key_pair(secrets)
    sent = {
        name: _sealed_letter_or_stored_one(loaded_region, name, peer, secrets, save)
        for name, peer in shared.items()
    }
    received = received_letters(folder, region, shared, own, endpoints)
    return loaded_region._replace(letters=sent, received=received)


def load_own_key_pair(secrets: SecretStore) -> OwnKey:
    """Return the region's key.

    Raises:
        BadInput: when it is not an ed25519 key.
    """
    private = secrets[signing_key.NAME]
    return OwnKey(private, signing_key.public_key_of(private))


def _sealed_letter_or_stored_one(
    loaded_region: LoadedRegion, name: str, peer: PinnedPeer, secrets: SecretStore, save: bool
) -> bytes:
    """Return the encrypted letter to a peer: the stored one for as long as it says the same."""
    own, file = load_own_key_pair(secrets), sent_letter_file(loaded_region.folder, name)
    letter = make_letter_to_peer(loaded_region, name, peer, secrets)
    stored = _read_letter_file(file)
    if stored is not None:
        try:
            if letters.open_letter(stored, own.private) == letter:
                return stored
        except PeerRefused:
            pass  # a damaged file, or one for another key
    sealed = letters.seal_letter(letter, LetterPublicKeys(own.public, peer.key))
    if save:
        _write_letter_file(file, sealed)
    return sealed


def make_letter_to_peer(
    loaded_region: LoadedRegion, name: str, peer: PinnedPeer, secrets: SecretStore
) -> Letter:
    """Return what the region writes to a peer. What is not known yet is left out."""
    region, values = loaded_region.region, secrets.values_of_names(secrets.names)
    offers = {
        item: SHARED_RESOURCES[item].hooks.write_offer(loaded_region, name, values)
        for item in resources_lent_to(region, name)
    }
    requests = {
        item: SHARED_RESOURCES[item].hooks.write_request(loaded_region, name, values)
        for item in resources_borrowed_from(region, name)
    }
    return Letter(
        format=FORMAT,
        sender=region.domain,
        recipient=peer.domain,
        key=peer.key,
        offers={item: found.model_dump() for item, found in offers.items() if found},
        requests={item: found.model_dump() for item, found in requests.items() if found},
    )


def received_letters(
    folder: Path,
    region: Region,
    shared: Mapping[str, PinnedPeer],
    own_key: OwnKey,
    endpoints: Endpoints,
) -> dict[str, ReceivedLetter]:
    """Return the stored letter of each peer; one that does not count says why."""
    return {
        name: _limit_to_mutual_sharing(
            _read_received_letter(
                _read_letter_file(received_letter_file(folder, name)),
                region,
                peer,
                own_key,
                endpoints,
            ),
            region,
            name,
        )
        for name, peer in shared.items()
    }


def _read_received_letter(
    sealed: bytes | None, region: Region, peer: PinnedPeer, own_key: OwnKey, endpoints: Endpoints
) -> ReceivedLetter:
    digest = peer.descriptor.letters.get(region.domain)
    if digest is None:  # the peer took it back
        return ReceivedLetter(problem=("letter_missing", {}))
    if sealed is None:
        return ReceivedLetter(problem=("letter_not_fetched", {}))
    try:
        found = _decrypt_and_validate_letter(sealed, region, peer, own_key, endpoints)
    except PeerRefused as refusal:
        data = {"reason": refusal.message, "fix": refusal.fix}
        return ReceivedLetter(problem=("letter_refused", data))
    if letters.digest_of_letter(sealed) != digest:
        # It was right when it was fetched, and git holds it since, as it holds the pin.
        return found._replace(problem=("letter_outdated", {}))
    return found


def _decrypt_and_validate_letter(
    sealed: bytes, region: Region, peer: PinnedPeer, own_key: OwnKey, endpoints: Endpoints
) -> ReceivedLetter:
    return letters.validate_received_letter(
        letters.open_letter(sealed, own_key.private),
        LetterPublicKeys(peer.key, own_key.public),
        (peer.domain, region.domain),
        tuple(endpoints.peer_networks),
    )


def _limit_to_mutual_sharing(letter: ReceivedLetter, region: Region, name: str) -> ReceivedLetter:
    """Return only what this region asks for or gives as well: both sides must say so."""
    borrowed = resources_borrowed_from(region, name)
    lent = resources_lent_to(region, name)
    return letter._replace(
        offers={item: letter.offers[item] for item in borrowed if item in letter.offers},
        requests={item: letter.requests[item] for item in lent if item in letter.requests},
    )


def update_stored_letters_of_peers(
    loaded_region: LoadedRegion,
    states: Mapping[str, PeerState],
    secrets: SecretStore,
    endpoints: Endpoints,
) -> dict[str, PeerRefused | None]:
    """Fetch the letters that the peers' newest descriptors name, and store those that are right.

    Returns for each peer that has a new letter, or had one, why it was refused; None if it is
    stored. What a peer took back is deleted.
    """
    region, own = loaded_region.region, load_own_key_pair(secrets)
    shared = [
        name
        for name, state in states.items()
        if lends_to_or_borrows_from(region, name) and state.code in _COUNTING
    ]

    def refresh(name: str) -> PeerRefused | bool:
        peer, file = states[name].peer, received_letter_file(loaded_region.folder, name)
        digest = peer.descriptor.letters.get(region.domain)
        if digest is None:
            return _delete_letter_file(file)
        stored = _read_letter_file(file)
        if stored is not None and letters.digest_of_letter(stored) == digest:
            return False
        try:
            sealed = _fetch_letter(peer, region.domain, digest, endpoints)
            _decrypt_and_validate_letter(sealed, region, peer, own, endpoints)
        except PeerRefused as refusal:
            return refusal
        _write_letter_file(file, sealed)
        return True

    found = dict(zip(shared, map_parallel(refresh, shared), strict=True))
    return {
        name: result if isinstance(result, PeerRefused) else None
        for name, result in found.items()
        if result
    }


def _fetch_letter(peer: PinnedPeer, domain: str, digest: str, endpoints: Endpoints) -> bytes:
    address, path = parse_descriptor_url(peer.url), letters.letter_path(domain)
    sealed = fetch_file(address, path, letters.MAX_BYTES, endpoints)
    if letters.digest_of_letter(sealed) != digest:
        raise PeerRefused("letter_not_signed")
    return sealed


def delete_letters(folder: Path, name: str) -> None:
    """Delete the letters to a peer and from it."""
    for file in (sent_letter_file(folder, name), received_letter_file(folder, name)):
        _delete_letter_file(file)


def _delete_letters_of_former_peers(folder: Path, shared: Mapping[str, PinnedPeer]) -> None:
    """Delete letters of peers with which the region shares nothing any more."""
    for file, name in list(_letter_files(folder)):
        if name not in shared:
            _delete_letter_file(file)


def _letter_files(folder: Path) -> Iterator[tuple[Path, str]]:
    for suffix in (_SENT, _RECEIVED):
        for file in (folder / FOLDER).glob(f"[a-z]*{suffix}"):
            yield file, file.name.removesuffix(suffix)


def _read_letter_file(file: Path) -> bytes | None:
    """Return the content of a letter's file; None if it is missing, or no letter has this size."""
    content = read_bytes_if_present(file, letters.MAX_BYTES)
    return content if 0 < len(content) <= letters.MAX_BYTES else None


def _write_letter_file(file: Path, sealed: bytes) -> None:
    try:
        write_atomically(file, sealed)
    except OSError as error:
        raise unusable_file_error(file, error) from None


def _delete_letter_file(file: Path) -> bool:
    """Delete a file, and return whether there was one."""
    try:
        file.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise unusable_file_error(file, error) from None
    return True

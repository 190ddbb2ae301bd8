"""What regions write to each other when one gives the other space for its backups.

The borrower writes the keys with which its nodes log in, and the lender writes where. A key can
only add encrypted archives to the repository of its node (role `backup_space`).
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field

from chautari.backup.scope import node_that_stores_for_peers, nodes_with_backup, targets_of_node
from chautari.backup.secrets import public_login_key
from chautari.federation.descriptor import Ed25519Key, StrictDescriptorModel
from chautari.language import Text, _
from chautari.region.field_types import size_in_mb
from chautari.region.names import validate_name
from chautari.region.ssh_key_types import HOST_KEY_TYPES, to_host_key_line
from chautari.services.base import LendingHooks
from chautari.services.lending import AddressOfSender
from chautari.ssh.known_hosts import find_known_hosts_lines, read_known_hosts_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chautari.region.load import LoadedRegion
    from chautari.services.base import Secrets

NAME = "backup"
TITLE: Text = "Space for backups"
ACCOUNT_PREFIX = "backup-"
MAX_ACCOUNT_LETTERS = 32  # of Linux
MAX_NODES = 40
MAX_MB = 1_000_000 * 1_000_000


def _check_host_key(value: str) -> str:
    if to_host_key_line(value) != value:
        raise ValueError(_("is not a host key in the form TYPE KEY"))
    return value


class SpaceOffer(StrictDescriptorModel):
    """What the lender writes: where the borrower's nodes log in, and how much they can store."""

    address: AddressOfSender
    port: int = Field(ge=1, le=65535)
    host_key: Annotated[str, Field(max_length=1000), AfterValidator(_check_host_key)]
    account: str = Field(pattern=rf"^{ACCOUNT_PREFIX}[a-z][a-z0-9-]{{0,24}}$")
    quota_mb: int = Field(ge=1, le=MAX_MB)

    @property
    def host(self) -> str:
        """Return the address as URLs contain it."""
        return f"[{self.address}]" if ":" in self.address else self.address


class SpaceRequest(StrictDescriptorModel):
    """What the borrower writes: the public keys of its nodes, by the node's name."""

    logins: dict[Annotated[str, AfterValidator(validate_name)], Ed25519Key] = Field(
        min_length=1, max_length=MAX_NODES
    )


def account_of_borrower(peer: str) -> str:
    """Return the account in which the backups of a peer are stored."""
    account = f"{ACCOUNT_PREFIX}{peer}"
    if len(account) <= MAX_ACCOUNT_LETTERS:
        return account
    return f"{ACCOUNT_PREFIX}{peer[:16]}-{hashlib.sha256(peer.encode()).hexdigest()[:8]}"


def make_space_offer(loaded_region: LoadedRegion, peer: str, _: Secrets) -> SpaceOffer | None:
    """Return where a peer stores its backups; None before the host key of the node is known."""
    region = loaded_region.region
    name = node_that_stores_for_peers(region)
    if name is None or region.backup is None:
        return None
    node = region.nodes[name]
    host_key = _pinned_host_key(loaded_region, node.address, node.port)
    if host_key is None:
        return None
    return SpaceOffer.model_construct(
        address=node.address,
        port=node.port,
        host_key=host_key,
        account=account_of_borrower(peer),
        quota_mb=size_in_mb(region.backup.give[peer]),
    )


def _pinned_host_key(loaded_region: LoadedRegion, address: str, port: int) -> str | None:
    """Return the host key of a node as `TYPE KEY`; the kind that new servers prefer comes first."""
    text = read_known_hosts_text(loaded_region.known_hosts_file)
    lines = [pin.line.split() for pin in find_known_hosts_lines(text, address, port)]
    keys = {words[1]: words[2] for words in lines if words[1] in HOST_KEY_TYPES}
    return next((f"{kind} {keys[kind]}" for kind in HOST_KEY_TYPES if kind in keys), None)


def make_space_request(
    loaded_region: LoadedRegion, peer: str, secrets: Secrets
) -> SpaceRequest | None:
    """Return the keys of the nodes that store their backups at a peer."""
    region = loaded_region.region
    nodes = [name for name in nodes_with_backup(region) if peer in targets_of_node(region, name)]
    if not nodes:
        return None
    logins = {node: public_login_key(node, secrets) for node in nodes}
    return SpaceRequest.model_construct(logins=logins)


def space_offer_of_peer(loaded_region: LoadedRegion, peer: str) -> SpaceOffer | None:
    """Return what a peer wrote about the space that it gives; None if it wrote nothing yet."""
    letter = loaded_region.received.get(peer)
    offer = letter.offers.get(NAME) if letter else None
    return offer if isinstance(offer, SpaceOffer) else None


def login_keys_of_peer(loaded_region: LoadedRegion, peer: str) -> Mapping[str, str]:
    """Return the keys that a peer wants to store its backups with, by the name of its node."""
    letter = loaded_region.received.get(peer)
    request = letter.requests.get(NAME) if letter else None
    return request.logins if isinstance(request, SpaceRequest) else {}


LENDING = LendingHooks("", SpaceOffer, SpaceRequest, make_space_offer, make_space_request)

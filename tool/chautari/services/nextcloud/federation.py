"""Nextcloud's part in the federation of regions."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from chautari.federation.descriptor import descriptor_host
from chautari.services.nextcloud import releases

if TYPE_CHECKING:
    from chautari.federation.peers import PinnedPeer
    from chautari.render.context import NodeContext
    from chautari.services.base import Variables

# The list of the peers' servers that the region publishes, in the form that the app contacts reads.
OCM_PROVIDERS_PATH = "/.well-known/chautari/ocm-providers.json"


def federation_variables(context: NodeContext) -> Variables:
    """Return the Nextcloud servers of the region's peers, and what they may read."""
    region, pinned = context.region, context.loaded_region.peers
    peers = [
        {
            "name": name,
            "url": address,
            "descriptor_url": peer.url,
            "lists_us": region.domain in peer.descriptor.peers,
        }
        for name, peer in sorted(pinned.items())
        if (address := nextcloud_address(peer))
    ]
    host = descriptor_host(region)
    return {
        "nextcloud_peers": peers,
        "nextcloud_peer_networks": list(context.endpoints.peer_networks) if peers else [],
        "nextcloud_address_books": region.federation.address_books,
        "nextcloud_region_domain": region.domain,
        "nextcloud_ocm_providers_url": f"https://{host}{OCM_PROVIDERS_PATH}"
        if peers and host
        else "",
    }


def nextcloud_address(peer: PinnedPeer) -> str:
    """Return the address of a peer's Nextcloud without a slash at its end; empty without one.

    Chautari installs Nextcloud at the root of a host. An address with a path is no such Nextcloud.
    """
    found = (item.address for item in peer.descriptor.services if item.service == releases.NAME)
    address = next(found, "").removesuffix("/")
    return "" if urlsplit(address).path else address

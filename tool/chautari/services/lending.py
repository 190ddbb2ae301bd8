"""What all that regions lend to each other has in common.

What a letter of a peer contains is hostile input: models use these types for its fields.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ValidationInfo

from chautari.federation.descriptor import PeerDomain, is_within_domain
from chautari.federation.public_addresses import is_allowed_peer_address
from chautari.language import _

if TYPE_CHECKING:
    from chautari.render.context import NodeContext

Form = TypeVar("Form", bound=BaseModel)


def sender_domain_and_networks(info: ValidationInfo) -> Any:
    """Return the sender's domain, and the networks in which its nodes may be."""
    return info.context or {"domain": "", "peer_networks": ()}


def _require_name_in_sender_domain(value: str, info: ValidationInfo) -> str:
    domain = sender_domain_and_networks(info)["domain"]
    if not is_within_domain(value, domain):
        raise ValueError(_("is neither {domain} nor a subdomain of it", domain=domain))
    return value


NameOfSender = Annotated[PeerDomain, AfterValidator(_require_name_in_sender_domain)]
"""The sender's domain, or a subdomain of it."""


def _validate_address_of_sender(value: str, info: ValidationInfo) -> str:
    try:
        address = str(ip_address(value))
    except ValueError:
        raise ValueError(_("is not an IP address")) from None
    networks = sender_domain_and_networks(info)["peer_networks"]
    if address != value or not is_allowed_peer_address(address, networks):
        raise ValueError(_("is not a public address"))
    return value


AddressOfSender = Annotated[str, AfterValidator(_validate_address_of_sender)]
"""A public IP address in its canonical form; this region's own networks are refused."""


def offers_of_lenders(
    context: NodeContext, service: str, form: type[Form]
) -> Iterator[tuple[str, Form]]:
    """Yield each peer from which the region borrows nodes of `service`, with its offer."""
    for peer in context.region.federation.lenders_of(service):
        letter = context.loaded_region.received.get(peer)
        offer = letter.offers.get(service) if letter else None
        if isinstance(offer, form):
            yield peer, offer


def requests_of_borrowers(
    context: NodeContext, service: str, form: type[Form]
) -> Iterator[tuple[str, Form]]:
    """Yield each peer to which the region lends nodes of `service`, with its request."""
    for peer in context.region.federation.borrowers_of(service):
        letter = context.loaded_region.received.get(peer)
        request = letter.requests.get(service) if letter else None
        if isinstance(request, form):
            yield peer, request

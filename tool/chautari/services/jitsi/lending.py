"""What regions write to each other when one lends its video bridges to the other.

A lent bridge joins the XMPP server of the borrower in addition to the lender's own, with an account
of the borrower that only this peer uses: a borrower who no longer wants it removes the account.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic import Field, model_validator

from chautari.federation.descriptor import StrictDescriptorModel
from chautari.language import _
from chautari.services.base import LendingHooks, Port
from chautari.services.jitsi.secrets import (
    KEY,
    peer_password_spec,
    xmpp_certificate,
    xmpp_certificate_names,
)
from chautari.services.jitsi.settings import Jitsi
from chautari.services.lending import (
    AddressOfSender,
    NameOfSender,
    offers_of_lenders,
    requests_of_borrowers,
)

if TYPE_CHECKING:
    from chautari.region.load import LoadedRegion
    from chautari.region.model import Region
    from chautari.render.context import NodeContext
    from chautari.services.base import Secrets, Variables

BRIDGE = "jitsi-bridge"
XMPP_PORT = "5222"
MAX_ADDRESSES = 40
_ACCOUNT_PREFIX = "peer-"


class BridgeOffer(StrictDescriptorModel):
    """What the lender writes: the addresses of its bridges."""

    addresses: list[AddressOfSender] = Field(min_length=1, max_length=MAX_ADDRESSES)


class BridgeRequest(StrictDescriptorModel):
    """What the borrower writes: how the bridges join its XMPP server.

    `certificate` is DER in base64. It is trusted on the lender's node, so it must not be one with
    which the borrower could issue certificates for other names.
    """

    domain: NameOfSender
    user: str = Field(pattern=r"^[a-z][a-z0-9-]{0,40}$")
    password: str = Field(pattern=r"^[A-Za-z0-9_-]{16,100}$")
    certificate: str = Field(pattern=r"^[A-Za-z0-9+/]{100,6000}={0,2}$")

    @model_validator(mode="after")
    def _require_certificate_for_domain(self) -> BridgeRequest:
        _check_certificate(self.certificate, self.domain)
        return self


def _check_certificate(text: str, domain: str) -> None:
    from chautari.services.jitsi import certificates  # takes long to load; few regions need it

    try:
        found = certificates.read_certificate(text)
    except ValueError as error:
        raise ValueError(
            _("the certificate cannot be read, or a required extension is missing")
        ) from error
    if found.is_authority:
        raise ValueError(
            _("the certificate can be used to sign other certificates; the peer must deploy again")
        )
    allowed = set(xmpp_certificate_names(domain))
    if found.has_other_names or f"auth.{domain}" not in found.hosts or not found.hosts <= allowed:
        raise ValueError(_("the names in the certificate are not those of the XMPP server"))


def account_of_lender(peer: str) -> str:
    """Return the account with which the bridges of a peer log in."""
    return f"{_ACCOUNT_PREFIX}{peer}"


def own_meeting_domain(region: Region) -> str:
    """Return the name that people open."""
    return region.fqdn(region.settings_of(Jitsi).host)


def make_bridge_offer(loaded_region: LoadedRegion, _: str, __: Secrets) -> BridgeOffer:
    """Return the addresses of the region's bridges."""
    region = loaded_region.region
    bridges = (region.nodes[name] for name in region.nodes_running(BRIDGE))
    return BridgeOffer.model_construct(addresses=[x for node in bridges for x in node.addresses])


def make_bridge_request(loaded_region: LoadedRegion, peer: str, secrets: Secrets) -> BridgeRequest:
    """Return how the bridges of a peer join the region's XMPP server."""
    domain = own_meeting_domain(loaded_region.region)
    lines = xmpp_certificate(secrets[KEY.name], domain).splitlines()
    return BridgeRequest.model_construct(
        domain=domain,
        user=account_of_lender(peer),
        password=secrets[peer_password_spec(peer).name],
        certificate="".join(line for line in lines if not line.startswith("-")),
    )


def borrowed_bridges_by_peer(context: NodeContext) -> dict[str, BridgeOffer]:
    """Return the bridges that the region uses of peers that lend them."""
    return dict(offers_of_lenders(context, BRIDGE, BridgeOffer))


def addresses_of_borrowed_bridges(context: NodeContext) -> list[str]:
    """Return the addresses of the bridges that peers lend."""
    found = borrowed_bridges_by_peer(context).values()
    return list(dict.fromkeys(address for offer in found for address in offer.addresses))


def distinct_bridge_requests(context: NodeContext) -> Iterator[tuple[str, BridgeRequest]]:
    """Yield each peer that borrows the region's bridges, with how they join its XMPP server.

    A server counts once: a peer whose domain contains this region's, or another peer's, must not
    take the place of theirs.
    """
    known = {own_meeting_domain(context.region)}
    for peer, request in requests_of_borrowers(context, BRIDGE, BridgeRequest):
        if request.domain not in known:
            known.add(request.domain)
            yield peer, request


def firewall_ports_for_borrowed_bridges(context: NodeContext) -> list[Port]:
    """Return the port on which bridges of peers join the meeting node."""
    sources = tuple(addresses_of_borrowed_bridges(context))
    return [Port(XMPP_PORT, "tcp", "XMPP of lent bridges", sources)] if sources else []


def meeting_peer_secret_variables(context: NodeContext, secrets: Secrets) -> Variables:
    """Return the accounts of peers that lend their bridges."""
    return {
        "jitsi_peer_accounts": [
            {"name": account_of_lender(peer), "password": secrets[peer_password_spec(peer).name]}
            for peer in borrowed_bridges_by_peer(context)
        ]
    }


def xmpp_servers_of_borrowers(context: NodeContext) -> list[Variables]:
    """Return the XMPP servers that a bridge joins for the peers that borrow it."""
    return [
        {
            "name": peer,
            "domain": request.domain,
            "user": request.user,
            "certificate": _pem_of_certificate(request.certificate),
            "nickname": f"{context.region.region}-{context.node}",
        }
        for peer, request in distinct_bridge_requests(context)
    ]


def bridge_borrower_password_variables(context: NodeContext, _: Secrets) -> Variables:
    """Return the passwords with which a bridge joins these servers."""
    return {
        "videobridge_borrower_passwords": {
            peer: request.password for peer, request in distinct_bridge_requests(context)
        }
    }


def _pem_of_certificate(certificate: str) -> str:
    lines = [certificate[start : start + 64] for start in range(0, len(certificate), 64)]
    return "\n".join(["-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----", ""])


LENDING = LendingHooks("jitsi", BridgeOffer, BridgeRequest, make_bridge_offer, make_bridge_request)

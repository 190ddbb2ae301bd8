"""What regions write to each other when one lends BigBlueButton servers to the other.

A server has one API secret. With it, a program can see and end every meeting there. So a server is
lent as a whole: it leaves the lender's pool, and gets a secret that only this peer knows.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, NamedTuple

from pydantic import AfterValidator, Field

from chautari.federation.descriptor import StrictDescriptorModel
from chautari.region.names import validate_name
from chautari.services.base import LendingHooks
from chautari.services.bigbluebutton.packages import NAME
from chautari.services.bigbluebutton.pool import own_servers
from chautari.services.bigbluebutton.secrets import SECRET_PATTERN, peer_secret_spec
from chautari.services.lending import NameOfSender, offers_of_lenders

if TYPE_CHECKING:
    from chautari.region.load import LoadedRegion
    from chautari.render.context import NodeContext
    from chautari.services.base import Secrets, Variables

BORROWER = "scalelite"
MAX_SERVERS = 20
_TAG_PREFIX = "peer-"


class ServerOffer(StrictDescriptorModel):
    """What the lender writes: the DNS names of its lent servers by node, and their API secret."""

    servers: dict[
        Annotated[str, AfterValidator(validate_name)],
        NameOfSender,
    ] = Field(min_length=1, max_length=MAX_SERVERS)
    secret: str = Field(pattern=f"^{SECRET_PATTERN}$")


class ServerRequest(StrictDescriptorModel):
    """What the borrower writes: only that it borrows."""


class BorrowedServer(NamedTuple):
    """A server of a peer in the region's pool: its name and tag there, address and secret."""

    name: str
    host: str
    tag: str
    secret: str

    def as_variables_without_secret(self) -> Variables:
        """Return the server without its secret, as the role takes it."""
        return {"name": self.name, "url": api_url(self.host), "tag": self.tag}


def api_url(host: str) -> str:
    """Return the address of a server's API."""
    return f"https://{host}/bigbluebutton/api"


def make_server_offer(loaded_region: LoadedRegion, peer: str, secrets: Secrets) -> ServerOffer:
    """Return the servers that are lent to a peer, and their secret."""
    region = loaded_region.region
    nodes = region.nodes_lent_to(peer, NAME)
    return ServerOffer.model_construct(
        servers={node: region.public_name(NAME, node) for node in nodes},
        secret=secrets[peer_secret_spec(peer).name],
    )


def make_server_request(_: LoadedRegion, __: str, ___: Secrets) -> ServerRequest:
    """Return that the region borrows servers."""
    return ServerRequest()


def borrowed_servers(context: NodeContext) -> Iterator[BorrowedServer]:
    """Yield the servers that peers lend to the region.

    A name counts once: a peer whose domain contains this region's, or another peer's, must not take
    the place of theirs.
    """
    region = context.region
    known = {region.public_name(NAME, name) for name in own_servers(region)}
    known.update(region.public_name(BORROWER, name) for name in region.nodes_running(BORROWER))
    for peer, offer in offers_of_lenders(context, NAME, ServerOffer):
        for node, host in sorted(offer.servers.items()):
            if host not in known:
                known.add(host)
                # No node's name has a dot, so this is the name of no own server.
                yield BorrowedServer(f"{peer}.{node}", host, f"{_TAG_PREFIX}{peer}", offer.secret)


def borrowed_server_variables(context: NodeContext) -> Variables:
    """Return the servers of peers for the role of the pool."""
    return {
        "scalelite_borrowed_servers": [
            item.as_variables_without_secret() for item in borrowed_servers(context)
        ]
    }


def borrowed_server_secret_variables(context: NodeContext, _: Secrets) -> Variables:
    """Return the API secrets of the servers of peers."""
    found = {item.name: item.secret for item in borrowed_servers(context)}
    return {"scalelite_borrowed_secrets": found}


LENDING = LendingHooks(BORROWER, ServerOffer, ServerRequest, make_server_offer, make_server_request)

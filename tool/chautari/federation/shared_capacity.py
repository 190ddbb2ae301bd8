"""How the region and a peer share the nodes of a service, by what both wrote to each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from chautari.federation.letters import ReceivedLetter
from chautari.region.model import Region
from chautari.report import messages
from chautari.report.model import PairState, PeerLink
from chautari.services.registry import SERVICES

_STATES: dict[str, PairState] = {
    "lent": "green", "borrowed": "green", "not_requested": "pending", "not_offered": "pending",
    "letter_missing": "pending", "letter_not_fetched": "pending", "letter_outdated": "pending",
    "letter_stored": "pending", "letter_unreachable": "broken", "letter_refused": "broken",
}  # fmt: skip
_WAITING = {"lent": "not_requested", "borrowed": "not_offered"}


def shared_capacity_links(
    region: Region, peer: str, received: Mapping[str, ReceivedLetter]
) -> Iterator[PeerLink]:
    """Yield a link for each service that the region lends to a peer or borrows from it."""
    letter = received.get(peer, ReceivedLetter(problem=("letter_missing", {})))
    lent = [
        (item, "lent", item in letter.requests) for item in region.federation.lend.get(peer, ())
    ]
    borrowed = [
        (item, "borrowed", item in letter.offers) for item in region.federation.borrow.get(peer, ())
    ]
    for service, word, is_mutual in (*lent, *borrowed):
        code, data = letter.problem or (word if is_mutual else _WAITING[word], {})
        yield _link(code, data, service, word, {"peer": peer, "region": region.region})


def _link(
    code: str, data: Mapping[str, Any], service: str, word: str, context: Mapping[str, Any]
) -> PeerLink:
    shown = {**data, **context, "service": service}
    cause, next_step = messages.peer_capacity_texts(code, shown)
    return PeerLink(
        _STATES[code],
        code,
        cause,
        next_step,
        service,
        f"{SERVICES[service].title}, {word}",
        data=dict(data),
    )

"""How the region and a peer share nodes and space, by what both wrote to each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from chautari.federation import shared_resources
from chautari.federation.letters import ReceivedLetter
from chautari.language import _
from chautari.region.model import Region
from chautari.report import messages
from chautari.report.model import PairState, PeerLink

_STATES: dict[str, PairState] = {
    "lent": "green", "borrowed": "green", "not_requested": "pending", "not_offered": "pending",
    "letter_missing": "pending", "letter_not_fetched": "pending", "letter_outdated": "pending",
    "letter_stored": "pending", "letter_unreachable": "broken", "letter_refused": "broken",
}  # fmt: skip
_WAITING = {"lent": "not_requested", "borrowed": "not_offered"}


def shared_capacity_links(
    region: Region, peer: str, received: Mapping[str, ReceivedLetter]
) -> Iterator[PeerLink]:
    """Yield a link for everything that the region lends to a peer or borrows from it."""
    letter = received.get(peer, ReceivedLetter(problem=("letter_missing", {})))
    lent = [
        (item, "lent", item in letter.requests)
        for item in shared_resources.resources_lent_to(region, peer)
    ]
    borrowed = [
        (item, "borrowed", item in letter.offers)
        for item in shared_resources.resources_borrowed_from(region, peer)
    ]
    for resource, word, is_mutual in (*lent, *borrowed):
        code, data = letter.problem or (word if is_mutual else _WAITING[word], {})
        yield _capacity_link(code, data, resource, word, {"peer": peer, "region": region.region})


def _capacity_link(
    code: str, data: Mapping[str, Any], resource: str, word: str, context: Mapping[str, Any]
) -> PeerLink:
    found = shared_resources.SHARED_RESOURCES[resource]
    settings = {
        "lend_setting": _(found.lend_setting, service=resource),
        "borrow_setting": _(found.borrow_setting, service=resource),
    }
    cause, next_step = messages.peer_capacity_texts(code, {**data, **context, **settings})
    title = f"{_(found.title)}, {_(word)}"
    return PeerLink(_STATES[code], code, cause, next_step, resource, title, data=dict(data))

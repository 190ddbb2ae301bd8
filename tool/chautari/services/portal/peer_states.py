"""What the front page's file about heartbeats may say of a peer."""

from __future__ import annotations

from chautari.language import Text
from chautari.services.base import PeerStateMeaning

STATE_FILE = "/var/lib/chautari-portal/federation/heartbeat.json"

# Why the front page refused a descriptor: the words that its file has, translated where shown.
REFUSALS: tuple[Text, ...] = (
    "signature wrong", "names other key", "other region", "older serial", "serial reused",
    "issued in future", "lifetime invalid", "field invalid", "not json", "too large",
)  # fmt: skip
PEER_STATE_CODES = {
    "heard": PeerStateMeaning("green", "the last descriptor of {peer} is from {issued:time}"),
    "never_heard": PeerStateMeaning(
        "pending",
        "no descriptor from {peer} has been received yet",
        "wait half an hour; if this does not change, ask the group of {peer} whether their front "
        "page answers at https://{domain}",
    ),
    "silent": PeerStateMeaning(
        "broken",
        "{peer} has published no new descriptor since {last:time}",
        "call the group that runs {peer}: its server may be down; its contact person gets "
        "an email once a day",
    ),
    "own_connection_lost": PeerStateMeaning(
        "broken",
        "since {lost:time}, the node of the front page has not reached any peer, or has not "
        "reached the mail relay; while this lasts, it sends no emails about peers that do not "
        "respond",
        "check the connection of this node, its name server and its clock",
    ),
    "descriptor_refused": PeerStateMeaning(
        "broken",
        "the descriptor of {peer} was refused: {reason}",
        "run: deploy federation status {region}; it shows what is wrong and what to do",
    ),
}

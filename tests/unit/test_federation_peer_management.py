"""What operators do with peers: the lines that they write."""

from __future__ import annotations

from pathlib import Path

from lending_samples import shared_sides

from chautari.federation import peer_management


def test_line_for_peers_keeps_the_other_settings(tmp_path: Path) -> None:
    borrower, _ = shared_sides(tmp_path)
    borrower.text = borrower.text.replace("federation: {", "federation: {silence_hours: 24, ")
    _, line = peer_management.peers_line_and_its_place(borrower.load(), ["himalaya", "karakoram"])
    kept = "peers: [himalaya, karakoram], silence_hours: 24"
    assert line == f"federation: {{{kept}, borrow: {{himalaya: [jitsi-bridge]}}}}"
    # What was shared with a former peer is gone.
    _, line = peer_management.peers_line_and_its_place(borrower.load(), ["karakoram"])
    assert line == "federation: {peers: [karakoram], silence_hours: 24}"

"""Rules of `federation.lend` and `federation.borrow`, each with its place and a fix."""

from __future__ import annotations

from pathlib import Path

import pytest
from lending_samples import Side, pinned_sides

from chautari.errors import InvalidRegion


def problems(side: Side) -> list[str]:
    """Return what is wrong with a region, without the folder of its files."""
    try:
        side.load()
    except InvalidRegion as error:
        return [str(item).partition("region.yml:")[2] for item in error.problems]
    return []


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (
            "borrow: {himalaya", "borrow: {karakoram",
            "10:42: federation.borrow.karakoram: karakoram is not in federation.peers; add it "
            "there, or remove it here",
        ),
        (
            "borrow: {himalaya", "lend: {himalaya",
            "10:51: federation.lend.himalaya.0: no node runs jitsi-bridge; add it to a node, or "
            "remove it here",
        ),
        (
            "[jitsi-bridge]", "[jitsi-bridge, jitsi-bridge]",
            "10:67: federation.borrow.himalaya.1: jitsi-bridge is already in the list; remove one "
            "of the entries",
        ),
        (
            "[jitsi, portal]", "[portal]",
            "10:53: federation.borrow.himalaya.0: jitsi-bridge is used by jitsi, but no node runs "
            "jitsi; add jitsi to a node, or remove the entry here",
        ),
        (
            "[jitsi-bridge]", "[jitsi]",
            "10:53: federation.borrow.himalaya.0: 'jitsi' is not a valid value; choose one of: "
            "bigbluebutton, jitsi-bridge",
        ),
        ("[jitsi-bridge]", "jitsi-bridge", "10:42: federation.borrow.himalaya: "),
        ("{himalaya: [jitsi-bridge]}", "[himalaya]", "10:33: federation.borrow: "),
    ],
    ids=["peer", "lender", "twice", "borrower", "service", "list", "map"],
)  # fmt: skip
def test_rules_refuse_capacity_that_cannot_be_shared(
    before: str, after: str, expected: str, tmp_path: Path
) -> None:
    borrower, _ = pinned_sides(tmp_path)
    assert problems(borrower) == []
    borrower.text = borrower.text.replace(before, after)
    found = problems(borrower)
    assert any(item.startswith(expected) for item in found), found


def test_relays_need_no_bridge_of_the_region_if_a_peer_lends_one(tmp_path: Path) -> None:
    borrower, _ = pinned_sides(tmp_path)
    borrower.text = borrower.text.replace("members: [ana]", "members: [ana], relays: true")
    assert problems(borrower) == []
    borrower.text = borrower.text.replace(", borrow: {himalaya: [jitsi-bridge]}", "")
    assert any("services.jitsi.relays: with relays: true" in item for item in problems(borrower))

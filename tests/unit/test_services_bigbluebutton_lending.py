"""A lent BigBlueButton server, on both sides: rendered where both ask for it, and taken back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from lending_samples import ENDPOINTS, Side, take_letter
from pool_lending_samples import pinned_pools, shared_pools

from chautari.errors import InvalidRegion
from chautari.render.variables import NodeContext, all_texts_in, variables_of_node
from chautari.secrets.required_secrets import required_secrets

HOST = "rooms-ktm2.himalaya.example.org"
LENT = {
    "name": "himalaya.ktm2",
    "url": f"https://{HOST}/bigbluebutton/api",
    "tag": "peer-himalaya",
}
LEND = "federation: {peers: [andes], lend: {andes: [bigbluebutton]}}"


def pool(side: Side, name: str) -> Any:
    return side.node(name).public


def assert_nothing_borrowed(borrower: Side) -> None:
    found = borrower.node("bog1")
    assert found.public["scalelite_borrowed_servers"] == []
    assert found.secret["scalelite_borrowed_secrets"] == {}


def without_federation(side: Side) -> None:
    lines = side.text.splitlines(keepends=True)
    side.text = "".join(x for x in lines if "federation" not in x).replace(", lend_to: andes", "")


def test_borrower_adds_the_lent_server_with_the_tag_of_the_peer(tmp_path: Path) -> None:
    borrower, lender = shared_pools(tmp_path)
    found = borrower.node("bog1")
    secret = lender.secrets["bigbluebutton_peer_andes"]
    assert found.public["scalelite_borrowed_servers"] == [LENT]
    assert found.secret["scalelite_borrowed_secrets"] == {"himalaya.ktm2": secret}
    assert [item["name"] for item in found.public["scalelite_servers"]] == ["cal1"]
    assert found.public["scalelite_overflow_load"] == 150
    assert secret in set(all_texts_in(found.secret)) and secret not in str(found.public)
    assert secret not in str(borrower.node("cal1"))


def test_lent_server_has_a_secret_that_only_the_peer_knows(tmp_path: Path) -> None:
    _, lender = shared_pools(tmp_path)
    lent, own = lender.node("ktm2").secret, lender.node("ktm3").secret
    assert lent["bigbluebutton_secret"] == lender.secrets["bigbluebutton_peer_andes"]
    assert own["bigbluebutton_secret"] == lender.secrets["bigbluebutton_secret"]
    assert lender.secrets["bigbluebutton_secret"] not in str(lent)
    assert lender.secrets["bigbluebutton_peer_andes"] not in str(own)
    assert lender.secrets["bigbluebutton_peer_andes"] not in str(lender.node("ktm1"))


def test_lent_server_leaves_the_pool_of_its_region(tmp_path: Path) -> None:
    _, lender = shared_pools(tmp_path)
    assert [item["name"] for item in pool(lender, "ktm1")["scalelite_servers"]] == ["ktm3"]
    lender.text = lender.text.replace(", lend_to: andes", "").replace(LEND, "")
    names = [item["name"] for item in pool(lender, "ktm1")["scalelite_servers"]]
    assert names == ["ktm2", "ktm3"]


def test_lent_server_records_nothing(tmp_path: Path) -> None:
    _, lender = shared_pools(tmp_path)
    alone = "\n".join(x for x in lender.text.splitlines() if "ktm3" not in x)
    lender.text = alone.replace("scalelite, ", "").replace("none}", "none, recordings: true}")
    assert lender.node("ktm2").public["bigbluebutton_recordings"] is False
    lender.text = lender.text.replace(", lend_to: andes", "").replace(LEND, "")
    assert lender.node("ktm2").public["bigbluebutton_recordings"] is True


def test_region_that_lends_its_only_server_shows_none_on_its_page(tmp_path: Path) -> None:
    _, lender = shared_pools(tmp_path)
    shown = [item["name"] for item in pool(lender, "ktm1")["portal_page"]["services"]]
    assert "bigbluebutton" in shown
    alone = "\n".join(x for x in lender.text.splitlines() if "ktm3" not in x)
    lender.text = alone.replace("scalelite, ", "")
    shown = [item["name"] for item in pool(lender, "ktm1")["portal_page"]["services"]]
    assert "bigbluebutton" not in shown


def test_nothing_is_borrowed_before_the_letters_are_there(tmp_path: Path) -> None:
    borrower, _ = pinned_pools(tmp_path)
    assert_nothing_borrowed(borrower)


def test_lender_that_stops_lending_makes_the_secret_of_the_peer_worthless(tmp_path: Path) -> None:
    borrower, lender = shared_pools(tmp_path)
    lender.text = lender.text.replace(", lend_to: andes", "").replace(LEND, "")
    found = lender.node("ktm2").secret
    assert found["bigbluebutton_secret"] == lender.secrets["bigbluebutton_secret"]
    assert "bigbluebutton_peer_andes" not in {
        x.name for x in required_secrets(lender.load().region)
    }
    take_letter(lender, borrower)
    assert_nothing_borrowed(borrower)


def test_borrower_that_stops_borrowing_removes_the_server(tmp_path: Path) -> None:
    borrower, _ = shared_pools(tmp_path)
    borrower.text = borrower.text.replace("borrow: {himalaya: [bigbluebutton]}", "borrow: {}")
    assert_nothing_borrowed(borrower)


@pytest.mark.parametrize("who", ["borrower", "lender"])
def test_leaving_takes_everything_back(who: str, tmp_path: Path) -> None:
    borrower, lender = shared_pools(tmp_path)
    without_federation(borrower if who == "borrower" else lender)
    if who == "borrower":
        assert_nothing_borrowed(borrower)
    else:
        found = lender.node("ktm2").secret
        assert found["bigbluebutton_secret"] == lender.secrets["bigbluebutton_secret"]


@pytest.mark.parametrize(
    "host", ["rooms.andes.example.org", "rooms-cal1.andes.example.org"], ids=["pool", "server"]
)
def test_peer_cannot_take_the_place_of_an_own_server(host: str, tmp_path: Path) -> None:
    """A peer's domain may contain this region's domain."""
    borrower, _ = shared_pools(tmp_path)
    known = borrower.deploy()
    letter = known.received["himalaya"]
    offer = letter.offers["bigbluebutton"].model_copy(update={"servers": {"ktm2": host}})
    taken = known._replace(received={"himalaya": letter._replace(offers={"bigbluebutton": offer})})
    for loaded_region, count in ((known, 1), (taken, 0)):
        found = variables_of_node(NodeContext(loaded_region, ENDPOINTS, "bog1"), None)
        assert len(found.public["scalelite_borrowed_servers"]) == count


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (
            "[scalelite, portal]}", "[scalelite, portal], lend_to: andes}",
            "6:64: nodes.ktm1.lend_to: only nodes that run bigbluebutton can be lent as a "
            "whole; remove lend_to from this node",
        ),
        (
            ", lend: {andes: [bigbluebutton]}", "",
            "7:78: nodes.ktm2.lend_to: federation.lend does not list bigbluebutton for andes; "
            "add federation: {lend: {andes: [bigbluebutton]}}, or remove lend_to from this node",
        ),
        (
            "lend_to: andes", "lend_to: karakoram",
            "7:78: nodes.ktm2.lend_to: federation.lend does not list bigbluebutton for karakoram",
        ),
        (
            ", lend_to: andes", "",
            "12:45: federation.lend.andes.0: no server is lent to andes; write lend_to: andes for "
            "a node that runs bigbluebutton, or remove the entry here",
        ),
        (
            "203.0.113.42, os: ubuntu-22.04, services: [bigbluebutton]",
            "203.0.113.42, os: ubuntu-22.04, services: [bigbluebutton], lend_to: andes",
            "7:78: nodes.ktm2.lend_to: every BigBlueButton server is lent, so the region's own "
            "rooms have no server",
        ),
        (
            "lend: {", "borrow: {",
            "7:78: nodes.ktm2.lend_to: federation.lend does not list bigbluebutton for andes",
        ),
        ("lend_to: andes", "lend_to: [andes]", "7:78: nodes.ktm2.lend_to: "),
        (
            "{rooms: none}\n", "{rooms: none}\n  scalelite: {overflow_load: 0}\n",
            "11:15: services.scalelite.overflow_load: ",
        ),
    ],
    ids=["other", "not-lent", "peer", "no-node", "all", "borrow", "list", "load"],
)  # fmt: skip
def test_rules_refuse_servers_that_cannot_be_lent(
    before: str, after: str, expected: str, tmp_path: Path
) -> None:
    _, lender = pinned_pools(tmp_path)
    lender.load()
    lender.text = lender.text.replace(before, after)
    with pytest.raises(InvalidRegion) as caught:
        lender.load()
    found = [str(item).partition("region.yml:")[2] for item in caught.value.problems]
    assert any(item.startswith(expected) for item in found), found


def test_rules_refuse_to_borrow_without_a_pool_that_knows_tags(tmp_path: Path) -> None:
    borrower, _ = pinned_pools(tmp_path)
    text = borrower.text
    borrower.text = text.replace("[scalelite, portal]", "[portal]")
    with pytest.raises(InvalidRegion, match="bigbluebutton is used by scalelite, but no node runs"):
        borrower.load()
    (borrower.folder / "artifacts.lock").write_text(
        "scalelite:\n  1.5.2: {image: docker.io/x/s, sha256: %s}\n" % ("12" * 32)
    )
    borrower.text = text.replace("none}\n", 'none}\n  scalelite: {version: "1.5.2"}\n')
    with pytest.raises(InvalidRegion, match=r"1\.5\.2 cannot use borrowed servers; write version"):
        borrower.load()

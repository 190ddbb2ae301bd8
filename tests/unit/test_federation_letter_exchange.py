"""Letters in git: written once, read when they count, and taken back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from lending_samples import ENDPOINTS, Side, pinned_sides, public_key, shared_sides, take_letter

from chautari.federation import letters, peer_management, signing_key
from chautari.federation.letter_exchange import load_and_update_letters
from chautari.render.variables import NodeContext, variables_of_node

BORROW = "borrow: {himalaya: [jitsi-bridge]}"


def problem(of: Side, peer: str) -> Any:
    found = of.deploy().received[peer].problem
    return found and found[0]


def test_letter_stays_the_same_while_its_content_does(tmp_path: Path) -> None:
    borrower, _ = pinned_sides(tmp_path)
    first = borrower.deploy()
    assert set(borrower.files()) == {"himalaya.letter.age"}
    assert borrower.files()["himalaya.letter.age"] == first.letters["himalaya"]
    assert borrower.deploy().letters == first.letters
    assert borrower.deploy(save=False).letters == first.letters


def test_letter_is_written_anew_for_new_content_or_keys(tmp_path: Path) -> None:
    borrower, lender = pinned_sides(tmp_path)
    found = [borrower.deploy().letters["himalaya"]]
    borrower.text = borrower.text.replace("{members", "{host: rooms, members")
    found.append(borrower.deploy().letters["himalaya"])
    lender.signing = signing_key.generate_signing_key()
    borrower.pin(lender.descriptor(lender.load()))
    found.append(borrower.deploy().letters["himalaya"])
    assert letters.open_letter(found[-1], lender.signing).key == public_key(lender)
    borrower.signing = signing_key.generate_signing_key()
    found.append(borrower.deploy().letters["himalaya"])
    (borrower.folder / "peers" / "himalaya.letter.age").write_bytes(b"damaged")
    found.append(borrower.deploy().letters["himalaya"])
    assert len(set(found)) == 5
    assert borrower.files() == {"himalaya.letter.age": found[-1]}


def test_command_that_saves_nothing_writes_no_letter(tmp_path: Path) -> None:
    borrower, _ = pinned_sides(tmp_path)
    assert borrower.deploy(save=False).letters and not borrower.files()


def test_letter_contains_secrets_only_for_both_sides(tmp_path: Path) -> None:
    borrower, lender = pinned_sides(tmp_path)
    sealed = borrower.deploy().letters["himalaya"]
    password = borrower.secrets["jitsi_peer_himalaya"]
    for key in (borrower.signing, lender.signing):
        request = letters.open_letter(sealed, key).requests["jitsi-bridge"]
        assert request["password"] == password
    assert password.encode() not in sealed and "PRIVATE" not in json.dumps(request)
    with pytest.raises(letters.PeerRefused):
        letters.open_letter(sealed, signing_key.generate_signing_key())


def test_descriptor_names_the_letter_only_if_there_is_one(tmp_path: Path) -> None:
    borrower, _ = pinned_sides(tmp_path)
    known = borrower.deploy()
    digest = letters.digest_of_letter(known.letters["himalaya"])
    assert borrower.descriptor(known).letters == {"himalaya.example.org": digest}
    borrower.text = borrower.text.replace(BORROW, "")
    without = borrower.deploy()
    assert not without.letters and not borrower.descriptor(without).letters
    portal = variables_of_node(NodeContext(known, ENDPOINTS, "cal1"), None).public
    [published] = portal["portal_letters"]
    assert published == {
        "domain": "himalaya.example.org", "content": known.letters["himalaya"].decode(),
    }  # fmt: skip
    assert json.loads(portal["portal_descriptor"])["letters"] == {published["domain"]: digest}


def test_letter_counts_once_both_sides_ask(tmp_path: Path) -> None:
    borrower, lender = pinned_sides(tmp_path)
    assert problem(lender, "andes") == "letter_missing"
    take_letter(borrower, lender)
    found = lender.deploy().received["andes"]
    assert set(found.requests) == {"jitsi-bridge"} and not found.offers and not found.problem
    lender.text = lender.text.replace("[jitsi-bridge]}}", "[]}}")
    assert "andes" not in lender.deploy().received


def test_letter_that_the_peer_took_back_no_longer_counts(tmp_path: Path) -> None:
    borrower, lender = shared_sides(tmp_path)
    assert lender.deploy().received["andes"].requests
    borrower.text = borrower.text.replace(BORROW, "borrow: {}")
    lender.pin(borrower.descriptor())  # as a deploy knows it: the file is still there
    assert lender.deploy().received["andes"].requests == {}
    assert problem(lender, "andes") == "letter_missing"


def test_outdated_letter_counts_until_the_new_one_is_here(tmp_path: Path) -> None:
    borrower, lender = shared_sides(tmp_path)
    borrower.text = borrower.text.replace("{members", "{host: rooms, members")
    lender.pin(borrower.descriptor())
    found = lender.deploy().received["andes"]
    assert found.problem and found.problem[0] == "letter_outdated" and found.requests
    (lender.folder / "peers" / "andes.received.age").unlink()
    assert problem(lender, "andes") == "letter_not_fetched"


def test_stored_letter_that_is_not_right_is_left_out(tmp_path: Path) -> None:
    _, lender = shared_sides(tmp_path)
    file = lender.folder / "peers" / "andes.received.age"
    for content in (b"damaged", lender.deploy().letters["andes"], b"x" * letters.MAX_BYTES):
        file.write_bytes(content)
        assert problem(lender, "andes") == "letter_refused"
        assert not lender.deploy().received["andes"].requests
    file.write_bytes(b"x" * (letters.MAX_BYTES + 1))
    assert problem(lender, "andes") == "letter_not_fetched"


def test_without_secrets_stored_letters_are_published_and_none_is_read(tmp_path: Path) -> None:
    borrower, _ = shared_sides(tmp_path)
    stored = borrower.deploy().letters
    found = load_and_update_letters(borrower.load(), None, ENDPOINTS, save=False)
    assert found.letters == stored and not found.received


def test_letters_of_other_peers_are_deleted(tmp_path: Path) -> None:
    borrower, _ = shared_sides(tmp_path)
    assert set(borrower.files()) == {"himalaya.letter.age", "himalaya.received.age"}
    before = borrower.text
    borrower.text = before.replace(BORROW, "borrow: {}")
    borrower.deploy(save=False)
    assert borrower.files()
    borrower.deploy()
    assert not borrower.files()


def test_leaving_deletes_the_letters(tmp_path: Path) -> None:
    borrower, _ = shared_sides(tmp_path)
    peer_management.delete_pin(borrower.load(), "himalaya")
    assert list((borrower.folder / "peers").iterdir()) == []


def test_region_without_a_published_descriptor_writes_no_letter(tmp_path: Path) -> None:
    borrower, _ = shared_sides(tmp_path)
    known = borrower.load()
    nodes = {"cal1": known.region.nodes["cal1"].model_copy(update={"services": ("jitsi",)})}
    alone = known._replace(region=known.region.model_copy(update={"nodes": nodes}))
    found = load_and_update_letters(alone, borrower.secrets, ENDPOINTS)
    assert not found.letters and not found.received

"""`deploy federation status` fetches the letters that signed descriptors name."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from federation_samples import sign
from federation_server import Answer, PeerServer, http_answer, peer_server
from lending_samples import Side, pinned_sides, shared_sides
from region_samples import key_pair

from chautari.cli import federation
from chautari.cli.main import run
from chautari.federation import fetch, letters
from chautari.federation.transfer import PATH, SIGNATURE_SUFFIX
from chautari.region.load import LoadedRegion
from chautari.render.endpoints import Endpoints

DOMAIN = "himalaya.example.org"
LETTER = letters.letter_path("andes.example.org")
# What the server answers for a letter, made of the right one.
Change = Callable[[bytes], bytes]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[PeerServer]:
    folder = tmp_path / "server"
    folder.mkdir()
    with peer_server(folder) as found:
        yield found


@pytest.fixture
def sides(tmp_path: Path, server: PeerServer, monkeypatch: pytest.MonkeyPatch) -> tuple[Side, Side]:
    """Return the borrower, whose commands reach the lender's server, and the lender."""
    borrower, lender = pinned_sides(tmp_path)
    borrower.pin(lender.descriptor(), server.url)
    publish(lender, server)
    recipient = key_pair(tmp_path, "id")
    borrower.secrets.save(borrower.folder / "secrets.age", [recipient])
    monkeypatch.setenv("CHAUTARI_INVENTORIES", str(borrower.root))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    answers = {("A", DOMAIN): ("127.0.0.1",), ("AAAA", DOMAIN): ()}
    monkeypatch.setattr(fetch, "lookup_dns_records", lambda names, server: answers)
    endpoints = Endpoints(
        ca_file=server.authority.certificate,
        peer_networks=("127.0.0.1/32", "203.0.113.0/24", "2001:db8::/32"),
        ssh_key=tmp_path / "id",
    )
    monkeypatch.setattr(federation, "known_endpoints", lambda _: endpoints)
    return borrower, lender


def publish(
    lender: Side,
    server: PeerServer,
    change: Change | None = None,
    known: LoadedRegion | None = None,
) -> None:
    """Let the server answer as the lender's front page does after a deploy."""
    known = known or lender.deploy()
    content = json.dumps(lender.descriptor(known).model_dump(exclude_defaults=True) | {"format": 1})
    files = {PATH: content.encode()}
    files[PATH + SIGNATURE_SUFFIX] = sign(files[PATH], lender.signing)
    if "andes" in known.letters:
        sealed = known.letters["andes"]
        files[LETTER] = sealed if change is None else change(sealed)

    def answer(connection: Any, path: str) -> None:
        found = files.get(path)
        status = "200 OK" if found is not None else "404 Not Found"
        connection.sendall(http_answer(found or b"", status))

    server.answer = answer


def status(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Return what `federation status --json` says of the lending."""
    capsys.readouterr()
    run(["federation", "status", "andes", "--json"])
    found = json.loads(capsys.readouterr().out)["peers"]["himalaya"]
    [link] = [item for item in found["links"] if item["service"] == "jitsi-bridge"]
    return dict(link)


def received(of: Side) -> bytes | None:
    return of.files().get("himalaya.received.age")


def test_status_fetches_the_letter_once(
    sides: tuple[Side, Side], server: PeerServer, capsys: pytest.CaptureFixture[str]
) -> None:
    borrower, lender = sides
    found = status(capsys)
    assert (found["code"], found["state"], found["node"]) == ("letter_stored", "pending", "")
    assert "deploy region andes" in found["next_step"]
    assert received(borrower) == lender.deploy().letters["andes"]
    assert borrower.deploy().received["himalaya"].offers
    found = status(capsys)
    assert (found["code"], found["state"]) == ("borrowed", "green")
    assert server.requests.count(LETTER) == 1


def test_status_in_words_names_service_and_direction(
    sides: tuple[Side, Side], capsys: pytest.CaptureFixture[str]
) -> None:
    run(["federation", "status", "andes"])
    assert "Video bridge of Jitsi Meet, borrowed" in capsys.readouterr().out


def test_status_waits_for_a_peer_that_does_not_lend_yet(
    sides: tuple[Side, Side], server: PeerServer, capsys: pytest.CaptureFixture[str]
) -> None:
    _, lender = sides
    lender.text = lender.text.replace("lend: {andes", "borrow: {andes")
    publish(lender, server)
    assert status(capsys)["code"] == "letter_stored"
    found = status(capsys)
    assert (found["code"], found["state"]) == ("not_offered", "pending")
    assert "federation.lend" in found["next_step"] and "jitsi-bridge" in found["next_step"]


def test_status_deletes_a_letter_that_is_taken_back(
    sides: tuple[Side, Side], server: PeerServer, capsys: pytest.CaptureFixture[str]
) -> None:
    borrower, lender = sides
    status(capsys)
    lender.text = lender.text.replace("lend: {andes: [jitsi-bridge]}", "lend: {}")
    publish(lender, server)
    assert status(capsys)["code"] == "letter_missing"
    assert received(borrower) is None
    assert not borrower.deploy().received["himalaya"].offers


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        (lambda sealed: sealed + b"\n", "letter_refused", "checksum in the signed descriptor"),
        (lambda sealed: sealed[:-2], "letter_refused", "checksum in the signed descriptor"),
        (lambda sealed: b"", "letter_refused", "checksum in the signed descriptor"),
        (lambda sealed: b"x" * (letters.MAX_BYTES + 1), "letter_refused", "larger than 32 kB"),
    ],
)
def test_status_refuses_another_letter_than_the_signed_one(
    change: Change, code: str, words: str, sides: tuple[Side, Side], server: PeerServer,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    borrower, lender = sides
    publish(lender, server, change)
    found = status(capsys)
    assert (found["code"], found["state"]) == (code, "broken") and words in found["cause"]
    assert received(borrower) is None


def test_status_refuses_a_letter_for_another_region(
    sides: tuple[Side, Side], server: PeerServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """The peer signs its digest, so only what is inside shows that it was swapped."""
    borrower, lender = sides
    swapped = borrower.deploy().letters["himalaya"]
    known = lender.deploy()._replace(letters={"andes": swapped})
    publish(lender, server, known=known)
    found = status(capsys)
    assert (found["code"], found["state"]) == ("letter_refused", "broken")
    assert received(borrower) is None


def test_status_keeps_the_letter_if_the_new_one_does_not_arrive(
    sides: tuple[Side, Side], server: PeerServer, capsys: pytest.CaptureFixture[str]
) -> None:
    borrower, lender = sides
    status(capsys)
    first = received(borrower)
    lender.text = lender.text.replace("203.0.113.41", "203.0.113.42")
    publish(lender, server)
    complete: Answer = server.answer

    def without_letter(connection: Any, path: str) -> None:
        if path != LETTER:
            complete(connection, path)

    server.answer = without_letter
    found = status(capsys)
    assert (found["code"], found["state"]) == ("letter_unreachable", "broken")
    assert received(borrower) == first
    offers = borrower.deploy().received["himalaya"].offers["jitsi-bridge"]
    assert "203.0.113.41" in offers.model_dump()["addresses"]
    server.answer = complete
    assert status(capsys)["code"] == "letter_stored"
    offers = borrower.deploy().received["himalaya"].offers["jitsi-bridge"]
    assert "203.0.113.42" in offers.model_dump()["addresses"]


def test_status_without_a_key_of_the_region_fetches_no_letter(
    sides: tuple[Side, Side], server: PeerServer, capsys: pytest.CaptureFixture[str]
) -> None:
    borrower, _ = sides
    (borrower.folder / "secrets.age").unlink()
    assert status(capsys)["code"] == "letter_missing"
    assert LETTER not in server.requests


def test_deploy_fetches_no_letter(tmp_path: Path) -> None:
    borrower, _ = shared_sides(tmp_path)
    # No name resolves here, and no server is there.
    assert borrower.deploy().received["himalaya"].offers

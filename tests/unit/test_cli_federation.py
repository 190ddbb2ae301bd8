"""`deploy federation`: invite, join, accept, list, status and leave."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from federation_fixtures import files_of, region, server
from federation_samples import DAY, DOMAIN, FEDERATED, KEY, NOW, OTHER_KEY, body, peer, signed
from federation_server import PeerServer, serve
from region_samples import key_pair, region_file

from chautari.cli import federation
from chautari.cli.main import run
from chautari.federation import fetch, key_words, peers, signing_key, transfer
from chautari.region.load import load_region
from chautari.render.endpoints import PUBLIC_INTERNET, Endpoints
from chautari.secrets.store import SecretStore

__all__ = ["region", "server"]
PUBLIC = signing_key.public_key_of(KEY)
WORDS = key_words.key_words_text(PUBLIC, "es")
FINGERPRINT = key_words.fingerprint_of_key(PUBLIC)


class Terminal(io.StringIO):
    """A person at a terminal who types the text."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def stranger(region: Path, server: PeerServer) -> Path:
    """Return the region's folder, without a pinned peer; the server has a good descriptor."""
    peers.peer_file(region, "himalaya").unlink()
    server.answer = serve(signed(body(NOW)))
    return region


def result_of(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def no_peers(folder: Path) -> bool:
    return peers.peer_names(folder) == []


def join(server: PeerServer, *options: str) -> int:
    return run(["federation", "join", "andes", server.url, *options])


# The key is another one in each process, so tests are not named for it.
@pytest.mark.parametrize(
    "given", [WORDS, FINGERPRINT, key_words.key_words_text(PUBLIC, "en")], ids=["es", "sha", "en"]
)
@pytest.mark.parametrize("verb", ["join", "accept"])
def test_join_pins_a_peer_with_the_right_fingerprint(
    verb: str, given: str, stranger: Path, server: PeerServer, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (stranger / "region.yml").read_bytes()
    arguments = ["--fingerprint", given, "--agreement", "Mes a mes.", "--json"]
    assert run(["federation", verb, "andes", server.url, *arguments]) == 0
    found = result_of(capsys)
    assert found["add"] == "federation: {peers: [himalaya]}"
    assert found["to"] == str(stranger / "region.yml")
    pinned = peers.read_peer(stranger, "himalaya")
    assert (pinned.domain, pinned.key, pinned.agreement) == (DOMAIN, PUBLIC, "Mes a mes.")
    assert pinned.descriptor.serial == NOW
    assert (stranger / "region.yml").read_bytes() == before
    with (stranger / "region.yml").open("a") as file:
        file.write(found["add"] + "\n")
    assert load_region(stranger / "region.yml").peers == {"himalaya": pinned}


def test_join_asks_a_person_and_shows_what_is_trusted(
    stranger: Path,
    server: PeerServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal("y\n"))
    assert join(server) == 0
    captured = capsys.readouterr()
    for text in (DOMAIN, f"ops@{DOMAIN}", "ne, en", f"https://cloud.{DOMAIN}/", "Nextcloud 33.0.3",
                 FINGERPRINT, WORDS, key_words.key_words_text(PUBLIC, "en")):  # fmt: skip
        assert text in captured.err
    assert "federation: {peers: [himalaya]}" in captured.out
    assert peers.peer_names(stranger) == ["himalaya"]


@pytest.mark.parametrize("typed", ["n\n", "\n", ""])
def test_join_pins_nothing_without_a_yes(
    typed: str, stranger: Path, server: PeerServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(typed))
    before = files_of(stranger)
    assert join(server) != 0
    assert files_of(stranger) == before


def test_join_refuses_without_a_terminal(
    stranger: Path,
    server: PeerServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert join(server) == 2
    assert "--fingerprint" in capsys.readouterr().err
    assert no_peers(stranger)


def test_join_refuses_another_fingerprint(
    stranger: Path, server: PeerServer, capsys: pytest.CaptureFixture[str]
) -> None:
    other = key_words.key_words_text(signing_key.public_key_of(OTHER_KEY))
    for given in (other, " ".join(WORDS.split()[:11]), ""):
        assert join(server, "--fingerprint", given) == 2
        assert "does not have the fingerprint" in capsys.readouterr().err
    assert no_peers(stranger)


@pytest.mark.parametrize("typed", ["../x", "Himalaya", "a b", "x/y", "x" * 32])
def test_join_refuses_a_bad_name(typed: str, stranger: Path, server: PeerServer) -> None:
    before = files_of(stranger.parent)
    assert join(server, "--as", typed, "--fingerprint", WORDS) == 2
    assert files_of(stranger.parent) == before


@pytest.mark.parametrize("text", ["a\x1b[2J", "a\u202eb", "a\u200bb", "x" * 4001])
def test_join_refuses_an_agreement_that_cannot_be_read_again(
    text: str, stranger: Path, server: PeerServer
) -> None:
    assert join(server, "--agreement", text, "--fingerprint", WORDS) == 2
    assert no_peers(stranger)


@pytest.mark.parametrize("text", ['Dos meses.\n\tO más: "sí"', "हामी सहमत छौं ।", "“ok” {{ x }}"])
def test_join_stores_an_agreement_in_the_words_of_both(
    text: str, stranger: Path, server: PeerServer
) -> None:
    assert join(server, "--agreement", text, "--fingerprint", WORDS) == 0
    assert peers.read_peer(stranger, "himalaya").agreement == text


def test_join_uses_the_name_that_is_given(stranger: Path, server: PeerServer) -> None:
    assert join(server, "--as", "nepal", "--fingerprint", WORDS) == 0
    assert peers.peer_names(stranger) == ["nepal"]


def test_join_refuses_its_own_name(
    stranger: Path, server: PeerServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert join(server, "--as", "andes", "--fingerprint", WORDS) == 2
    assert "--as NAME" in capsys.readouterr().err
    assert no_peers(stranger)


@pytest.mark.parametrize(
    ("pinned", "code"),
    [
        ({}, "already_pinned"),
        ({"key": OTHER_KEY}, "pinned_with_other_key"),
        ({"domain": "hirnalaya.example.org", "services": []}, "lookalike_domain"),
    ],
)
def test_join_refuses_a_region_like_a_pinned_one(
    pinned: dict[str, Any],
    code: str,
    stranger: Path,
    server: PeerServer,
    capsys: pytest.CaptureFixture[str],
) -> None:
    known = peer(**pinned)
    found = known.descriptor
    peers.write_pin_file(
        stranger,
        "first",
        known.model_copy(
            update={
                "domain": found.domain,
                "key": found.key,
                "url": f"https://{found.domain}{transfer.PATH}",
            }
        ),
    )
    before = files_of(stranger)
    assert join(server, "--as", "second", "--fingerprint", WORDS, "--json") == 1
    assert result_of(capsys)["error"]["code"] == code
    assert files_of(stranger) == before


def test_join_refuses_the_region_itself(
    stranger: Path,
    server: PeerServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = stranger / "region.yml"
    file.write_text(file.read_text().replace("domain: andes.example.org", f"domain: {DOMAIN}"))
    assert join(server, "--fingerprint", WORDS, "--json") == 1
    assert result_of(capsys)["error"]["code"] == "own_domain"


def test_join_prints_where_peers_are_named_already(
    stranger: Path, server: PeerServer, capsys: pytest.CaptureFixture[str]
) -> None:
    file = stranger / "region.yml"
    file.write_text(file.read_text() + "federation: {peers: [karakoram]}\n")
    assert join(server, "--fingerprint", WORDS, "--json") == 0
    found = result_of(capsys)
    assert found["add"] == "federation: {peers: [karakoram, himalaya]}"
    assert found["to"] == f"{file}:{len(file.read_text().splitlines())}"


def test_list_shows_each_state(region: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (region / "region.yml").write_text(
        (region / "region.yml").read_text() + "federation: {peers: [himalaya, away]}\n"
    )
    peers.write_pin_file(region, "silent", peer(peers=[]))
    peers.write_pin_file(region, "old", peer(NOW - 40 * DAY))
    assert run(["federation", "list", "andes"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["himalaya", "current:"], ["old", "expired:"], ["silent", "pending:"], ["away", "listed"],
    ]  # fmt: skip
    assert "not listed in region.yml" in lines[1]


def test_status_keeps_going_when_one_peer_is_down(
    region: Path, server: PeerServer, capsys: pytest.CaptureFixture[str]
) -> None:
    down = peer().model_copy(update={"url": f"https://{DOMAIN}:1{transfer.PATH}"})
    peers.write_pin_file(region, "down", down)
    server.answer = serve(signed(body(NOW - DAY)))
    assert run(["federation", "status", "andes", "--json"]) == 1
    found = result_of(capsys)["peers"]
    assert {name: item["state"] for name, item in found.items()} == {
        "down": "unreachable", "himalaya": "current",
    }  # fmt: skip
    assert found["down"]["refusal"]["code"] == "no_answer"


def test_status_of_a_peer_that_stopped_renewing_is_expired(
    region: Path, server: PeerServer, capsys: pytest.CaptureFixture[str]
) -> None:
    issued = NOW - 40 * DAY
    peers.write_pin_file(region, "himalaya", peer(issued).model_copy(update={"url": server.url}))
    server.answer = serve(signed(body(issued)))
    assert run(["federation", "status", "andes", "--json"]) == 1
    found = result_of(capsys)["peers"]["himalaya"]
    assert (found["state"], found["refusal"]["code"]) == ("expired", "expired")


def test_status_shows_cause_and_fix(
    region: Path, server: PeerServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.answer = serve(signed(body(NOW - 2 * DAY)))
    assert run(["federation", "status", "andes"]) == 1
    shown = capsys.readouterr().out
    assert "a newer descriptor was refused: the descriptor has the serial" in " ".join(
        shown.split()
    )
    assert "Next ask the other group by telephone" in " ".join(shown.split())


def test_leave_removes_the_pin_and_says_what_remains(
    region: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = region / "region.yml"
    file.write_text(file.read_text() + "federation: {peers: [himalaya, karakoram]}\n")
    assert run(["federation", "leave", "andes", "himalaya"]) == 0
    shown = capsys.readouterr().out
    assert "federation: {peers: [karakoram]}" in shown
    assert "deploy federation leave THEIR-REGION andes" in shown
    assert no_peers(region)
    assert run(["federation", "leave", "andes", "himalaya"]) == 2


def test_leave_names_the_servers_that_are_lent_to_the_peer(
    region: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = region / "region.yml"
    lent = "nodes:\n  cal9: {address: 203.0.113.99, os: ubuntu-22.04, services: [bigbluebutton], "
    text = file.read_text().replace("nodes:\n", f"{lent}lend_to: himalaya}}\n")
    text = text.replace("\nservices:\n", "\nservices:\n  bigbluebutton: {rooms: none}\n")
    lend = "lend: {himalaya: [bigbluebutton]}"
    file.write_text(f"{text}federation: {{peers: [himalaya], {lend}}}\n")
    assert run(["federation", "leave", "andes", "himalaya"]) == 0
    assert "Remove lend_to from the node cal9." in capsys.readouterr().out


def test_leave_removes_a_damaged_pin(region: Path) -> None:
    peers.peer_file(region, "himalaya").write_text("{")
    assert run(["federation", "leave", "andes", "himalaya"]) == 0
    assert no_peers(region)


@pytest.mark.parametrize("name", ["../../region", "unknown", "HIMALAYA"])
def test_leave_refuses_a_name_that_is_not_pinned(name: str, region: Path) -> None:
    before = files_of(region.parent)
    assert run(["federation", "leave", "andes", name]) == 2
    assert files_of(region.parent) == before


@pytest.fixture
def publishing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a region whose service publishes its descriptor, with its secrets."""
    line = key_pair(tmp_path, "ana").rpartition(" ")[0]
    file = region_file(tmp_path / "inventories", FEDERATED, line)
    monkeypatch.setenv("CHAUTARI_INVENTORIES", str(tmp_path / "inventories"))
    monkeypatch.setattr(federation, "known_endpoints", lambda _: PUBLIC_INTERNET)
    monkeypatch.setattr(fetch, "lookup_dns_records", lambda names, server: {})
    SecretStore({signing_key.NAME: KEY}, ()).save(file.parent / "secrets.age", [line])
    return file.parent


def invite(publishing: Path, *options: str) -> int:
    identity = str(publishing.parents[1] / "ana")
    return run(["federation", "invite", "andes", "--identity", identity, *options])


def test_invite_prints_address_fingerprint_and_words(
    publishing: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files_of(publishing)
    assert invite(publishing, "--json") == 0
    found = result_of(capsys)
    assert found["url"] == f"https://andes.example.org{transfer.PATH}"
    assert (found["key"], found["fingerprint"]) == (PUBLIC, FINGERPRINT)
    assert found["words"] == {"es": WORDS, "en": key_words.key_words_text(PUBLIC, "en")}
    assert invite(publishing) == 0
    shown = capsys.readouterr().out
    assert all(text in shown for text in (found["url"], FINGERPRINT, WORDS))
    assert found["problem"]["code"] == "name_unresolved"
    assert "PRIVATE" not in shown
    assert files_of(publishing) == before


@pytest.mark.parametrize(
    ("key", "code"), [(KEY, None), (OTHER_KEY, "signed_by_other_key")], ids=["own", "other"]
)
def test_invite_says_whether_the_published_descriptor_can_be_used(
    key: str,
    code: str | None,
    publishing: Path,
    server: PeerServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    host = "andes.example.org"
    own = {"region": "andes", "domain": "andes.example.org", "services": []}
    server.certificate_name = host
    server.answer = serve(signed(body(NOW, key, **own), key=key))
    answers = {("A", host): ("127.0.0.1",)}
    monkeypatch.setattr(fetch, "lookup_dns_records", lambda names, server: answers)
    monkeypatch.setattr(transfer, "HTTPS", server.port)
    endpoints = Endpoints(ca_file=server.authority.certificate, peer_networks=("127.0.0.1/32",))
    monkeypatch.setattr(federation, "known_endpoints", lambda _: endpoints)
    assert invite(publishing, "--json") == 0
    problem = result_of(capsys)["problem"]
    assert (problem and problem["code"]) == code


def test_invite_needs_a_signing_key(publishing: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (publishing / "secrets.age").unlink()
    assert invite(publishing) == 2
    assert "deploy region andes" in capsys.readouterr().err


def test_invite_needs_a_published_descriptor(
    publishing: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = publishing / "region.yml"
    file.write_text(file.read_text().replace(", portal]", "]"))
    assert invite(publishing) == 2
    shown = capsys.readouterr().err
    assert "publishes no descriptor" in shown and "portal" in shown

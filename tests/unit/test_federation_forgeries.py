"""A hostile server gets nothing: every forged descriptor is refused, and no file changes."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest
from federation_fixtures import files_of, region, server
from federation_forgeries import FORGERIES
from federation_samples import DAY, DOMAIN, KEY, NOW, body, signed
from federation_server import PeerServer, serve

from chautari.cli.main import run
from chautari.federation import fetch, key_words, peers, signing_key, transfer

__all__ = ["region", "server"]
# At first contact there is no pin to compare with: a person confirms the key.
KNOWN_BY_PIN = ("signed_by_other_key", "older_serial", "serial_reused", "other_region")


def prepare(name: str, server: PeerServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the server forge, and do not wait as long as for a real peer if it is a slow one."""
    FORGERIES[name].set_up(server)
    if FORGERIES[name].code == "too_slow":
        monkeypatch.setattr(transfer, "SECONDS", 1.0)


def test_there_are_at_least_forty_forgeries() -> None:
    assert len(FORGERIES) >= 40


@pytest.mark.parametrize("name", FORGERIES)
def test_status_refuses_a_forged_descriptor_and_changes_nothing(
    name: str,
    server: PeerServer,
    region: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before, began = files_of(region), time.monotonic()
    prepare(name, server, monkeypatch)
    assert run(["federation", "status", "andes", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)["peers"]["himalaya"]
    assert found["refusal"]["code"] == FORGERIES[name].code
    assert found["refusal"]["message"] and found["refusal"]["fix"]
    assert "?" not in found["refusal"]["message"]
    assert (found["state"], found["updated"]) in (("refused", False), ("unreachable", False))
    assert files_of(region) == before
    assert time.monotonic() - began < 12


def join_with_true_fingerprint(server: PeerServer, region: Path) -> int:
    """Join a peer that is not pinned, so that only the forgery can be a reason to refuse it."""
    peers.peer_file(region, "himalaya").unlink()
    true = key_words.fingerprint_of_key(signing_key.public_key_of(KEY))
    return run(["federation", "join", "andes", server.url, "--fingerprint", true, "--json"])


@pytest.mark.parametrize(
    "name", [name for name, forgery in FORGERIES.items() if forgery.code not in KNOWN_BY_PIN]
)
def test_join_refuses_a_forged_descriptor_and_changes_nothing(
    name: str,
    server: PeerServer,
    region: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    prepare(name, server, monkeypatch)
    assert join_with_true_fingerprint(server, region) == 1
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["code"] == FORGERIES[name].code
    assert error["message"] and error["fix"]
    assert not peers.peer_names(region)


@pytest.mark.parametrize("name", ["signed by another key", "another key inside and out"])
def test_join_refuses_a_key_with_another_fingerprint(
    name: str, server: PeerServer, region: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(name, server, monkeypatch)
    assert join_with_true_fingerprint(server, region) in (1, 2)
    assert not peers.peer_names(region)


def test_status_stores_a_newer_descriptor(
    server: PeerServer, region: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.answer = serve(signed(body(NOW, contact=f"new@{DOMAIN}")))
    assert run(["federation", "status", "andes", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["peers"]["himalaya"]
    assert (found["state"], found["updated"], found["serial"]) == ("current", True, NOW)
    assert peers.read_peer(region, "himalaya").descriptor.contact == f"new@{DOMAIN}"


def test_status_of_an_unchanged_descriptor_changes_nothing(
    server: PeerServer, region: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files_of(region)
    server.answer = serve(signed(body(NOW - DAY)))
    assert run(["federation", "status", "andes", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["peers"]["himalaya"]["updated"] is False
    assert files_of(region) == before


def test_fetch_ends_its_thread_when_the_server_drips(
    server: PeerServer, region: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare("drips its body", server, monkeypatch)
    before = threading.active_count()
    assert run(["federation", "status", "andes", "--json"]) == 1
    ends = time.monotonic() + 8
    while threading.active_count() > before and time.monotonic() < ends:
        time.sleep(0.05)
    assert threading.active_count() <= before


def test_fetch_resolves_the_name_once(
    server: PeerServer, region: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name server that answers differently a second time is never asked a second time."""
    queries = []

    def lookup(names: list[str], server: str) -> dict[tuple[str, str], tuple[str, ...]]:
        queries.append(names)
        return {("A", DOMAIN): ("127.0.0.1",)} if len(queries) == 1 else {("A", DOMAIN): ("::1",)}

    monkeypatch.setattr(fetch, "lookup_dns_records", lookup)
    server.answer = serve(signed(body(NOW)))
    assert run(["federation", "status", "andes", "--json"]) == 0
    assert queries == [[DOMAIN]]
    assert server.requests == [transfer.PATH, transfer.PATH + transfer.SIGNATURE_SUFFIX]

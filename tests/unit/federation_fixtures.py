"""A region whose only peer is a server on loopback."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from federation_samples import DOMAIN, FEDERATED, peer
from federation_server import PeerServer, peer_server
from region_samples import region_file

from chautari.cli import federation
from chautari.federation import fetch, peers
from chautari.render.endpoints import Endpoints

__all__ = ["files_of", "region", "server"]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[PeerServer]:
    folder = tmp_path / "server"
    folder.mkdir()
    with peer_server(folder) as found:
        yield found


@pytest.fixture
def region(tmp_path: Path, server: PeerServer, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a region that pinned the server's region a day ago."""
    folder = region_file(tmp_path / "inventories", FEDERATED).parent
    peers.write_pin_file(folder, "himalaya", peer().model_copy(update={"url": server.url}))
    # As a person edits it: nothing may write the same content in another form.
    file = peers.peer_file(folder, "himalaya")
    file.write_text(json.dumps(json.loads(file.read_text()), indent=4))
    monkeypatch.setenv("CHAUTARI_INVENTORIES", str(tmp_path / "inventories"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    answers = {("A", DOMAIN): ("127.0.0.1",), ("AAAA", DOMAIN): ()}
    monkeypatch.setattr(fetch, "lookup_dns_records", lambda names, server: answers)
    endpoints = Endpoints(ca_file=server.authority.certificate, peer_networks=("127.0.0.1/32",))
    monkeypatch.setattr(federation, "known_endpoints", lambda _: endpoints)
    return folder


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(file): file.read_bytes() for file in folder.rglob("*") if file.is_file()}

"""Regions sign every hour: a pin changes only with what the peer says, and no old one returns."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from federation_fixtures import files_of, region, server
from federation_samples import DAY, DOMAIN, NOW, body, peer, signed
from federation_server import PeerServer, serve

from chautari.cli.main import run
from chautari.federation import peers

__all__ = ["region", "server"]
HOUR = 3600
PINNED = NOW - DAY  # when the fixture's peer was pinned


@pytest.fixture
def status(server: PeerServer, region: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Publish a descriptor, run `federation status`, and return what it says of the peer."""

    def work(issued: int, **changes: Any) -> dict[str, Any]:
        server.answer = serve(signed(body(issued, **changes)))
        code = run(["federation", "status", "andes", "--json"])
        found: dict[str, Any] = json.loads(capsys.readouterr().out)["peers"]["himalaya"]
        assert code == (1 if found["pair"] == "broken" else 0)
        return found

    return work


def test_hourly_renewal_changes_no_file(region: Path, status: Any) -> None:
    before = files_of(region)
    for issued in (PINNED + HOUR, PINNED + 2 * HOUR, NOW):
        found = status(issued)
        assert (found["state"], found["updated"], found["serial"]) == ("current", False, issued)
    assert files_of(region) == before


@pytest.mark.parametrize(
    "changes",
    [
        {"contact": f"help@{DOMAIN}"}, {"services": []}, {"peers": []}, {"languages": ["ne"]},
        {"peers": ["andes.example.org", "karakoram.example.org"]},
    ],
)  # fmt: skip
def test_new_content_is_stored_once(region: Path, status: Any, changes: dict[str, Any]) -> None:
    assert status(NOW - HOUR, **changes)["updated"] is True
    assert peers.read_peer(region, "himalaya").descriptor.serial == NOW - HOUR
    assert status(NOW, **changes)["updated"] is False
    assert peers.read_peer(region, "himalaya").descriptor.serial == NOW - HOUR


@pytest.mark.parametrize(("age", "is_renewed"), [(14, False), (16, True)])
def test_pin_that_expires_soon_is_renewed(
    age: int, is_renewed: bool, region: Path, server: PeerServer, status: Any
) -> None:
    url = {"url": server.url}
    peers.write_pin_file(region, "himalaya", peer(NOW - age * DAY).model_copy(update=url))
    assert status(NOW)["updated"] is is_renewed
    expected = NOW if is_renewed else NOW - age * DAY
    assert peers.read_peer(region, "himalaya").descriptor.serial == expected


@pytest.mark.parametrize(
    ("issued", "changes"),
    [(NOW - HOUR, {"contact": f"eve@{DOMAIN}"}), (NOW - HOUR, {}), (PINNED, {})],
    ids=["other content", "same content", "pinned one"],
)
def test_replay_of_what_was_replaced_is_refused_although_nothing_was_stored(
    issued: int, changes: dict[str, Any], region: Path, status: Any
) -> None:
    assert status(NOW)["updated"] is False
    before = files_of(region)
    found = status(issued, **changes)
    assert (found["state"], found["refusal"]["code"]) == ("refused", "older_serial")
    assert found["refusal"]["data"] == {"serial": issued, "last": NOW}
    assert files_of(region) == before
    assert status(NOW)["state"] == "current"


def test_other_machine_relies_on_the_pin(
    region: Path, status: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    status(NOW)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "other"))
    assert status(NOW - HOUR)["state"] == "current"
    assert status(PINNED - HOUR)["refusal"]["code"] == "older_serial"


@pytest.mark.parametrize("content", ["", "x", "-5", "9" * 50])
def test_damaged_memory_is_as_none(region: Path, status: Any, tmp_path: Path, content: str) -> None:
    status(NOW)
    [file] = (tmp_path / "state" / "chautari" / "peer-serials").iterdir()
    assert file.read_text() == str(NOW)
    file.write_text(content)
    assert status(NOW - HOUR)["state"] == "current"


def test_machine_without_a_place_for_it_works(
    region: Path, status: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    assert status(NOW)["state"] == "current"

"""Sandboxes of two regions on one machine: names, and the authorities that each trusts."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from sandbox_samples import STATE

from chautari.files import write_atomically
from chautari_sandbox import dns, internet_container, neighbours, paths, state


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


def save(name: str, *listed: str) -> None:
    """Save the state of a sandbox that lists others as its neighbours."""
    zone, address = f"{name}.example.org", "203.0.113.2"
    saved = replace(STATE, name=name, zone=zone, internet_address=address, neighbours=listed)
    state.save_completed_state(saved)


@pytest.mark.parametrize(
    ("listed", "listed_by_the_other"), [(("lima",), ()), ((), ("andes",)), (("lima",), ("andes",))]
)
def test_one_list_is_enough(listed: tuple[str, ...], listed_by_the_other: tuple[str, ...]) -> None:
    save("lima", *listed_by_the_other)
    save("quito", "lima")
    assert [
        item.name for item in neighbours.started_neighbours_listed_by_either("andes", listed)
    ] == ["lima"]


def test_sandbox_is_not_its_own_neighbour_and_absent_ones_are_left_out() -> None:
    save("andes", "andes", "nowhere")
    assert neighbours.started_neighbours_listed_by_either("andes", ("andes", "nowhere")) == ()
    assert neighbours.started_neighbours_listed_by_either("lima", ()) == ()


def test_questions_about_a_neighbour_go_to_its_name_server() -> None:
    save("lima", "andes")
    found = neighbours.started_neighbours_listed_by_either("andes", ())
    assert dns.neighbour_forwarders_text(found) == "server=/lima.example.org/203.0.113.2\n"
    assert dns.neighbour_forwarders_text(()) == ""


def test_mail_for_a_neighbour_goes_to_its_relay(tmp_path: Path) -> None:
    save("lima", "andes")
    assert dns.write_neighbour_files(
        tmp_path, neighbours.started_neighbours_listed_by_either("andes", ())
    )
    routes = (tmp_path / dns.MAIL_ROUTES_FILE).read_text()
    assert json.loads(routes) == {"lima.example.org": "203.0.113.2"}
    assert not dns.write_neighbour_files(
        tmp_path, neighbours.started_neighbours_listed_by_either("andes", ())
    )


def test_each_authority_is_one_text_and_roots_are_added_once() -> None:
    folder = paths.state_dir("lima")
    write_atomically(folder / "tls" / "sandbox-ca.crt", "own")
    for root in ("first", "second", "first"):
        internet_container.record_acme_root(folder, root)
    own, *roots = neighbours.own_ca_certificates_of_sandbox("lima")
    assert own == "own"
    assert sorted(roots) == ["first", "second"]
    assert neighbours.own_ca_certificates_of_sandbox("nowhere") == ()

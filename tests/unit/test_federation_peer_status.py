"""How a region stands with its peers: descriptors and nodes' files, and the worst one counts."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from string import Formatter
from typing import Any

import pytest
from federation_samples import DAY, FEDERATED, NOW, peer
from region_samples import region_file

from chautari.federation import peer_status, trust
from chautari.federation.peer_state_file import PeerEntry
from chautari.federation.peer_status import (
    MAX_AGE,
    MAX_LEFT,
    StateFileAnswer,
    peer_statuses_from_states_and_files,
)
from chautari.federation.trust import PeerState
from chautari.region.load import load_region
from chautari.region.model import Region
from chautari.report import federation_texts
from chautari.report.message_templates import fill_template
from chautari.report.model import PeerLink, PeerStatus
from chautari.services.base import PeerStateFileSpec, PeerStateMeaning
from chautari.services.nextcloud.peer_states import PEER_STATE_CODES as NEXTCLOUD
from chautari.services.portal.peer_states import PEER_STATE_CODES as PORTAL
from chautari.services.registry import SERVICES

OWN = "andes.example.org"
WIKI = replace(
    SERVICES["nextcloud"],
    title="Wiki",
    federation=PeerStateFileSpec("/var/lib/wiki.json", NEXTCLOUD),
)
STATES = {"himalaya": trust.peer_state_from_pin(peer(), OWN, NOW)}
HOSTILE = "\x1b[2J<script>{peer.__class__}{{ 7*7 }}\u202e"


def region_with(tmp_path: Path, *names: str) -> Region:
    text = FEDERATED + f"federation:\n  peers: [{', '.join(names)}]\n"
    folder = tmp_path / "inventories"
    return load_region(region_file(folder, text), with_peers=False).region


@pytest.fixture
def region(tmp_path: Path) -> Region:
    return region_with(tmp_path, "himalaya")


def reported(*, checked: int = NOW, **entries: Any) -> StateFileAnswer:
    """Return the file of the wiki on bog1, with an entry for each peer."""
    content = {"format": 1, "checked": checked, "peers": entries}
    return StateFileAnswer("bog1", WIKI, json.dumps(content).encode())


def entry(code: str = "trusted", **data: Any) -> dict[str, Any]:
    state = NEXTCLOUD[code].state if code in NEXTCLOUD else "green"
    return {"state": state, "code": code, "since": NOW - DAY, "data": data}


def link_of(region: Region, *files: StateFileAnswer) -> PeerLink:
    """Return the link of the only service with the only peer."""
    [status] = peer_statuses_from_states_and_files(region, STATES, files, NOW)
    descriptor, link = status.links
    assert descriptor.code == "current"
    assert status.worst_link == max(
        status.links, key=lambda x: ("green", "pending", "broken").index(x.state)
    )
    return link


def test_green_needs_both_sources(region: Region) -> None:
    [status] = peer_statuses_from_states_and_files(
        region, STATES, [reported(himalaya=entry())], NOW
    )
    assert (status.name, status.domain, status.state) == (
        "himalaya",
        "himalaya.example.org",
        "green",
    )
    assert [(link.label, link.state) for link in status.links] == [
        ("Descriptor", "green"), ("Wiki on bog1", "green"),
    ]  # fmt: skip
    assert all(not link.next_step and not link.since_text for link in status.links)


OLD = NOW - MAX_AGE - 1
FUTURE = NOW + MAX_AGE + 1
UNREACHED = ("node_unreachable", {"reason": "R", "fix": "F"})
CASES = {
    # What the node reports: the state, the code, and a part of the next step.
    ("pending", "waiting_for_peer", "peers"): reported(himalaya=entry("waiting_for_peer")),
    ("broken", "unreachable", "himalaya"): reported(himalaya=entry("unreachable")),
    ("pending", "not_in_file", "deploy region andes"): reported(),
    ("pending", "file_missing", "deploy region andes"): StateFileAnswer("bog1", WIKI),
    ("broken", "file_unreadable", "/var/lib/wiki.json"): StateFileAnswer("bog1", WIKI, b"{"),
    ("broken", "entry_invalid", "/var/lib/wiki.json"): reported(himalaya={"state": "red"}),
    ("broken", "entry_invalid", "--full"): reported(himalaya=entry() | {"state": "broken"}),
    ("broken", "entry_invalid", "andes"): reported(
        himalaya=entry("unreachable") | {"state": "green"}
    ),
    ("broken", "code_unknown", "version"): reported(himalaya=entry("newer")),
    ("broken", "file_old", "list-timers"): reported(checked=OLD, himalaya=entry()),
    ("broken", "file_old", "systemctl"): reported(checked=FUTURE, himalaya=entry()),
    ("pending", "not_deployed", "deploy region andes"): StateFileAnswer(
        "bog1", WIKI, problem=("not_deployed", {})
    ),
    ("pending", "node_unreachable", "F"): StateFileAnswer("bog1", WIKI, problem=UNREACHED),
}


@pytest.mark.parametrize("expected", CASES, ids="-".join)
def test_each_cause_has_a_state_and_a_next_step(
    expected: tuple[str, str, str], region: Region
) -> None:
    state, code, next_step = expected
    link = link_of(region, CASES[expected])
    assert (link.state, link.code) == (state, code)
    assert link.cause and "?" not in link.cause
    assert next_step in link.next_step


def test_broken_descriptor_counts_more_than_a_green_service(region: Region) -> None:
    old = {"himalaya": trust.peer_state_from_pin(peer(NOW - 40 * DAY), OWN, NOW)}
    [status] = peer_statuses_from_states_and_files(region, old, [reported(himalaya=entry())], NOW)
    assert (status.state, status.worst_link.code) == ("broken", "expired")
    assert status.worst_link.next_step == "run: deploy federation status andes"


def test_service_that_the_peer_does_not_have_is_left_out(region: Region) -> None:
    states = {"himalaya": trust.peer_state_from_pin(peer(services=[]), OWN, NOW)}
    [status] = peer_statuses_from_states_and_files(
        region, states, [reported(), StateFileAnswer("bog1", WIKI)], NOW
    )
    assert [link.label for link in status.links] == ["Descriptor"]


def test_unreadable_file_hides_no_other_service(region: Region) -> None:
    files = [
        StateFileAnswer("bog1", WIKI, b"\xff"),
        reported(himalaya=entry())._replace(node="med1"),
    ]
    [status] = peer_statuses_from_states_and_files(region, STATES, files, NOW)
    assert [(link.node, link.state) for link in status.links[1:]] == [
        ("bog1", "broken"), ("med1", "green"),
    ]  # fmt: skip


def test_peer_that_is_named_but_not_pinned_is_pending(tmp_path: Path) -> None:
    [status] = peer_statuses_from_states_and_files(
        region_with(tmp_path, "away"), {}, [reported()], NOW
    )
    assert (status.state, status.worst_link.code) == ("pending", "not_pinned")
    assert "deploy federation join andes URL" in status.worst_link.next_step


def test_peer_that_is_pinned_but_not_named_is_pending(tmp_path: Path) -> None:
    [status] = peer_statuses_from_states_and_files(region_with(tmp_path), STATES, [reported()], NOW)
    assert (status.state, [link.code for link in status.links]) == ("pending", ["not_named"])


def test_former_peers_are_shown_until_the_next_deploy(region: Region) -> None:
    names = {f"former{number}": entry() for number in range(100)}
    file = reported(himalaya=entry(), andes=entry(), **{HOSTILE: entry()}, **names)
    first, *others = peer_statuses_from_states_and_files(region, STATES, [file], NOW)
    assert first.state == "green"
    assert len(others) == MAX_LEFT
    assert {status.worst_link.code for status in others} == {"left"}
    assert others[0].worst_link.next_step == "run: deploy region andes"
    assert all(status.name.startswith("former") for status in others)


def test_node_cannot_speak_in_place_of_the_region(region: Region) -> None:
    file = reported(himalaya=entry("waiting_for_peer", peer="x; rm -rf", region=HOSTILE))
    link = link_of(region, file)
    assert "himalaya" in link.cause and "andes" in link.next_step
    assert "rm -rf" not in link.cause + link.next_step
    assert HOSTILE not in link.cause + link.next_step


def test_data_is_never_a_template(region: Region) -> None:
    link = link_of(region, reported(himalaya=entry("address_differs", own=HOSTILE, expected="e")))
    assert HOSTILE in link.cause  # each output escapes it


def test_data_of_another_kind_does_not_break_the_text(region: Region) -> None:
    file = reported(himalaya=entry("clock_differs", seconds="many"))
    assert "differ by many seconds" in link_of(region, file).cause
    assert "differ by ? seconds" in link_of(region, reported(himalaya=entry("clock_differs"))).cause


CONTEXT = {"peer": "himalaya", "domain": "himalaya.example.org", "region": "andes"}


@pytest.mark.parametrize("codes", [NEXTCLOUD, PORTAL], ids=["nextcloud", "portal"])
def test_every_code_of_a_service_has_texts_of_allowed_data(
    codes: dict[str, PeerStateMeaning],
) -> None:
    for name, code in codes.items():
        for text in (code.cause, code.next_step):
            fields = [(key, spec) for _, key, spec, _ in Formatter().parse(text) if key]
            given = {key: NOW if spec == "time" else "value" for key, spec in fields}
            PeerEntry(state=code.state, code=name, data=given)
            shown = fill_template(text, name, given | CONTEXT)
            assert "?" not in shown and f"{name} (" not in shown, shown


def test_every_own_code_has_a_colour_and_a_text() -> None:
    assert set(peer_status._DESCRIPTOR_STATES) == set(federation_texts.PEER_STATES)
    assert set(peer_status._SERVICE_STATES) == set(federation_texts.PEER_SERVICES)
    for texts in (*federation_texts.PEER_STATES.items(), *federation_texts.PEER_SERVICES.items()):
        code, (cause, next_step) = texts
        assert cause and (next_step or code == "current")


def test_states_of_descriptors_are_all_known() -> None:
    for code in ("current", "pending", "expired", "unreachable", "refused"):
        state = PeerState(code, peer())
        assert (
            peer_status._descriptor_link(state, True, {"peer": "himalaya", "region": "andes"}).code
            == code
        )


def test_worst_link_decides() -> None:
    links = [PeerLink(state, state, "") for state in ("green", "broken", "pending")]
    assert PeerStatus("x", "", tuple(links)).state == "broken"
    assert PeerStatus("x", "", (links[0], links[2])).state == "pending"

"""The program that makes Nextcloud and the peers' trust each other, with two simulated servers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from nextcloud_pair import Server, pair, settings_for

# isort: split
import peer_probe
import trust_driver
from own_nextcloud import FAILURE, OK, PENDING, REVOKED, OwnProblem
from peer_probe import Finding, PeerProblem
from record import Record
from trust_driver import TrustDriver

NOW = 1_796_000_000.0


class Clock:
    """Seconds that a test sets."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


class Side:
    """One region's program, which runs like its timer; what it knows is on the disk in between."""

    def __init__(self, folder: Path, own: Server, peer: Server, clock: Clock) -> None:
        self.folder, self.own, self.peer, self.clock = folder, own, peer, clock
        self.settings = settings_for(own, peer)
        folder.mkdir()

    def step(self) -> str:
        record = Record(self.folder)
        driver = TrustDriver(self.settings, self.own, record, self.clock)  # type: ignore[arg-type]
        try:
            driver.step()
        finally:
            record.save()
            record.publish(self.clock())
        self.working = driver.is_working()
        return self.code()

    def code(self) -> str:
        peers = json.loads((self.folder / "federation.json").read_text())["peers"]
        return str(peers["peer"]["code"]) if peers else ""

    def status(self) -> int:
        return self.own.entries[self.peer.url].status if self.peer.url in self.own.entries else 0

    def added(self) -> list[str]:
        return list(json.loads((self.folder / "record.json").read_text())["added"])


@pytest.fixture(autouse=True)
def _quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda _: None)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Let the probes see whether a server is up, and whom its region lists."""
    seen: dict[str, Any] = {"listed": {}, "problems": {}}

    def check(peer: dict[str, Any]) -> None:
        if peer["url"] in seen["problems"]:
            raise PeerProblem(*seen["problems"][peer["url"]])

    monkeypatch.setattr(peer_probe, "check_peer", check)
    monkeypatch.setattr(peer_probe, "lists_us", lambda peer, _: seen["listed"].get(peer["url"]))
    return seen


def sides(folder: Path, releases: tuple[int, int] = (34, 33)) -> tuple[Side, Side, Clock]:
    first, second = pair(releases)
    clock = Clock()
    return (
        Side(folder / "first", first, second, clock),
        Side(folder / "second", second, first, clock),
        clock,
    )


def run_until_green(one: Side, other: Side, clock: Clock, seconds: int = 600) -> float:
    """Run both programs every five seconds while they work, else every 45; return how long.

    Background jobs run every five minutes.
    """
    begin = clock.now
    turns = {one: clock.now, other: clock.now + 20}
    while clock.now - begin < seconds:
        for side, due in turns.items():
            if clock.now >= due:
                side.step()
                turns[side] = clock.now + (5 if side.working else 45)
        if one.status() == other.status() == OK and one.code() == other.code() == "trusted":
            return clock.now - begin
        clock.now += 1
        if (clock.now - begin) % 300 == 0:
            one.own.run_background_jobs()
            other.own.run_background_jobs()
    raise AssertionError(f"{one.code()} {one.status()} and {other.code()} {other.status()}")


@pytest.mark.parametrize("releases", [(33, 33), (33, 34), (34, 33), (34, 34)])
@pytest.mark.parametrize("seed", range(8))
def test_both_sides_become_green(
    releases: tuple[int, int], seed: int, tmp_path: Path, world: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    import random

    random.seed(seed)
    first, second, clock = sides(tmp_path, releases)
    world["listed"] = {first.own.url: True, second.own.url: True}
    took = run_until_green(first, second, clock)
    assert took <= 60, f"{took} s"
    assert first.own.refused + second.own.refused <= 3, "a peer counts refused requests as attacks"
    assert first.added() == [second.own.url] and second.added() == [first.own.url]


@pytest.mark.parametrize("late", ["first", "second"])
def test_nothing_is_sent_before_the_peer_lists_us(
    late: str, tmp_path: Path, world: dict[str, Any]
) -> None:
    first, second, clock = sides(tmp_path)
    early, other = (second, first) if late == "first" else (first, second)
    world["listed"] = {other.own.url: False}
    for _ in range(50):
        assert early.step() == "waiting_for_peer"
        early.own.run_background_jobs()
        clock.now += 3600
    assert early.own.calls == [] and other.own.refused == 0
    world["listed"] = {first.own.url: True, second.own.url: True}
    assert run_until_green(early, other, clock) <= 75


def test_background_jobs_in_between_do_no_harm(tmp_path: Path, world: dict[str, Any]) -> None:
    for number in range(10):
        first, second, clock = sides(tmp_path / str(number))
        world["listed"] = {first.own.url: True, second.own.url: True}
        for side in (first, second):
            side.step()
            side.own.run_background_jobs()
        assert first.own.refused + second.own.refused <= 2
        clock.now += 45
        assert run_until_green(first, second, clock) <= 90


@pytest.fixture
def green(tmp_path: Path, world: dict[str, Any]) -> tuple[Side, Side, Clock]:
    first, second, clock = sides(tmp_path / "regions")
    world["listed"] = {first.own.url: True, second.own.url: True}
    run_until_green(first, second, clock)
    for side in (first, second):
        side.own.calls.clear()
    return first, second, clock


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path) -> None:
    (tmp_path / "regions").mkdir()
    for number in range(10):
        (tmp_path / str(number)).mkdir()


def test_a_green_peer_is_looked_at_every_five_minutes(green: tuple[Side, Side, Clock]) -> None:
    first, _, clock = green
    checked = Record(first.folder).peers["peer"].checked
    clock.now = checked + 299
    first.step()
    assert Record(first.folder).peers["peer"].checked == checked
    clock.now = checked + 300
    assert first.step() == "trusted" and first.own.calls == []
    assert Record(first.folder).peers["peer"].checked == clock.now


@pytest.mark.parametrize("status", [FAILURE, REVOKED])
@pytest.mark.parametrize("which", [0, 1])
def test_a_failed_or_revoked_server_becomes_green_again(
    status: int, which: int, green: tuple[Side, Side, Clock]
) -> None:
    side, other, clock = green[which], green[1 - which], green[2]
    side.own.entries[other.own.url].status = status
    if status == REVOKED:
        side.own.entries[other.own.url].secret = "old"
    clock.now += 301
    side.step()
    clock.now += 5
    run_until_green(side, other, clock, 600)


def test_a_peer_that_stops_is_reported_and_becomes_green_by_itself(
    green: tuple[Side, Side, Clock], world: dict[str, Any]
) -> None:
    first, second, clock = green
    world["problems"][second.own.url] = ("unreachable",)
    second.own.is_up = False
    clock.now += 301
    assert first.step() == "unreachable"
    assert first.own.calls == [], "nothing is sent while the peer is down"
    world["problems"].clear()
    second.own.is_up = True
    clock.now += 41
    assert first.step() == "trusted"
    assert first.own.calls == [f"forget {second.own.url}"]


@pytest.mark.parametrize("asks_first", [False, True])
@pytest.mark.parametrize("which", [0, 1])
def test_a_peer_that_left_and_came_back_becomes_green(
    which: int, asks_first: bool, green: tuple[Side, Side, Clock], world: dict[str, Any]
) -> None:
    first, second, clock = green[1 - which], green[which], green[2]
    world["listed"][second.own.url] = False
    peers, second.settings["peers"] = second.settings["peers"], []
    clock.now += 301
    assert first.step() == "waiting_for_peer"
    assert second.step() == ""
    assert second.own.entries == {} and second.added() == []
    clock.now += 3600
    second.settings["peers"] = peers
    world["listed"][second.own.url] = True
    if asks_first:
        second.step()
        clock.now += 5
    assert run_until_green(first, second, clock) <= 60


def test_missing_descriptor_does_not_end_trust(
    green: tuple[Side, Side, Clock], world: dict[str, Any]
) -> None:
    first, second, clock = green
    world["listed"][second.own.url] = None
    first.settings["peers"][0]["lists_us"] = False
    clock.now += 301
    assert first.step() == "trusted" and first.own.calls == []


def test_leaving_removes_only_servers_that_the_program_added(
    green: tuple[Side, Side, Clock],
) -> None:
    first, _, _ = green
    by_hand = Server("https://cloud.friends.example.org")
    first.own.peers[by_hand.url] = by_hand
    first.own.add(by_hand.url)
    first.settings["peers"] = []
    first.step()
    assert list(first.own.entries) == [by_hand.url]
    assert first.added() == []
    assert json.loads((first.folder / "federation.json").read_text())["peers"] == {}


def test_a_server_that_a_person_added_is_worked_with_and_stays(
    tmp_path: Path, world: dict[str, Any]
) -> None:
    first, second, clock = sides(tmp_path)
    first.own.add(second.own.url)
    world["listed"] = {first.own.url: True, second.own.url: True}
    assert first.step() == "handshake_refused"
    for _ in range(40):
        first.step()
        second.step()
        first.own.run_background_jobs()
        clock.now += 130
    assert first.code() == second.code() == "trusted"
    first.settings["peers"] = []
    first.step()
    assert f"remove {second.own.url}" not in first.own.calls
    assert second.own.url in first.own.entries


def test_a_peer_that_refuses_for_long_is_reported_and_asked_ever_more_rarely(
    tmp_path: Path, world: dict[str, Any]
) -> None:
    first, second, clock = sides(tmp_path)
    world["listed"] = {second.own.url: True}
    codes = []
    for _ in range(12 * 30):
        codes.append(first.step())
        clock.now += 120
    assert codes[0] == "handshake_running" and codes[-1] == "handshake_refused"
    assert second.own.refused < 40, "in 12 hours"
    world["listed"][first.own.url] = True
    second.step()
    clock.now += 1800
    run_until_green(first, second, clock, 60)


def test_own_nextcloud_that_does_not_reach_the_peer_is_reported(
    tmp_path: Path, world: dict[str, Any]
) -> None:
    first, second, _ = sides(tmp_path)
    world["listed"] = {second.own.url: True}
    second.own.is_up = False
    assert first.step() == "unreachable"
    state = json.loads((first.folder / "federation.json").read_text())["peers"]["peer"]
    assert state["data"] == {"reason": "own_nextcloud"} and state["state"] == "broken"
    assert first.added() == []


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("is_ready", False, "not_ready"),
        ("address", "https://old.example.org", "address_differs"),
        ("signs", False, "signing_disabled"),
    ],
)
def test_own_settings_that_break_sharing_are_reported(
    name: str, value: object, code: str, tmp_path: Path, world: dict[str, Any]
) -> None:
    first, second, _ = sides(tmp_path)
    world["listed"] = {second.own.url: True}
    setattr(first.own, name, lambda: value)
    assert first.step() == code
    assert first.own.calls == []


def test_failed_command_is_reported_for_its_peer(
    tmp_path: Path, world: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    first, second, _ = sides(tmp_path)
    world["listed"] = {second.own.url: True}

    def fail(_: str) -> bool:
        raise OwnProblem("occ failed")

    first.own.add = fail  # type: ignore[method-assign]
    assert first.step() == "own_failure"
    assert first.added() == [] and "occ failed" in capsys.readouterr().err


def test_a_slow_peer_does_not_delay_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import threading

    ended = threading.Event()

    def check(peer: dict[str, Any]) -> None:
        if peer["name"] == "slow":
            ended.wait(20)

    monkeypatch.setattr(peer_probe, "check_peer", check)
    monkeypatch.setattr(peer_probe, "lists_us", lambda *_: False)
    monkeypatch.setattr(trust_driver, "PROBE_SECONDS", 0.3)
    first, _, _ = sides(tmp_path)
    first.settings["peers"].append(first.settings["peers"][0] | {"name": "slow"})
    first.step()
    ended.set()
    peers = Record(first.folder).peers
    assert (peers["peer"].code, peers["slow"].code) == ("waiting_for_peer", "unreachable")


def test_state_keeps_the_time_of_the_last_change_and_limits_texts(tmp_path: Path) -> None:
    record = Record(tmp_path)
    record.store("peer", Finding("address_differs", {"own": "x" * 1000, "expected": "y"}), NOW)
    record.store("peer", Finding("address_differs", {"own": "z", "expected": "y" * 500}), NOW + 9)
    record.publish(NOW + 9)
    state = json.loads((tmp_path / "federation.json").read_text())
    assert state == {
        "format": 1,
        "checked": NOW + 9,
        "peers": {
            "peer": {
                "state": "broken", "code": "address_differs", "since": NOW,
                "data": {"own": "z", "expected": "y" * 120},
            }
        },
    }  # fmt: skip
    assert (tmp_path / "federation.json").stat().st_mode & 0o777 == 0o644


def test_damaged_record_does_not_stop_the_program(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "record.json").write_text('{"added": [')
    assert Record(tmp_path).added == set()
    assert "damaged" in capsys.readouterr().err


def test_states_are_those_that_the_control_side_knows() -> None:
    import record

    from chautari.services.nextcloud.peer_states import PEER_STATE_CODES

    for code, meaning in PEER_STATE_CODES.items():
        assert record._STATES.get(code, "broken") == meaning.state
    assert set(record._STATES) <= set(PEER_STATE_CODES)
    assert PENDING != OK

"""Whether peers are alive: descriptors of hostile servers, and when silence is reported."""

from __future__ import annotations

import itertools
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from federation_forgeries import FORGERIES
from federation_samples import DAY, DOMAIN, KEY, NOW, OTHER_KEY, body, peer, signed
from federation_server import PeerServer, peer_server, serve
from portal_samples import FILES

from chautari.federation import signing_key, transfer
from chautari.federation.transfer import PeerNetworkSettings
from chautari.services.portal.peer_states import PEER_STATE_CODES

sys.path.insert(0, str(FILES))
import heartbeat
from heartbeat import Heartbeat, PeerAnswer, WatchMemory

HOUR, QUARTER = 3600, 900
LIMIT = 12
NEW = WatchMemory(0, 0, {})
# The node reads only the fields of a heartbeat: these are wrong in others, which it never uses.
OF_OTHER_FIELDS = {
    "same serial, other content", "service outside the domain",
    "service on a domain with the same end", "service without TLS",
    "service address with an account", "script as the address of a service",
    "private address as domain of a peer", "mixed scripts", "Cyrillic letters that look Latin",
    "letters outside ASCII", "HTML in a title", "shell in the contact", "unknown field",
    "missing field", "another format", "too many services", "very long title",
}  # fmt: skip
BY_NAME = {"negative serial": "older_serial", "path as the name of the region": "other_region"}
BY_WORD = {"signature": "signature_wrong", "signed": "signature_wrong", "other": "other_region"}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[PeerServer]:
    folder = tmp_path / "server"
    folder.mkdir()
    with peer_server(folder) as found:
        yield found


def watched(name: str = "himalaya", port: int = 443, **changes: Any) -> dict[str, Any]:
    """Return a peer as the node's settings describe it."""
    pinned = peer()
    return {
        "name": name, "region": pinned.descriptor.region, "domain": pinned.domain,
        "host": DOMAIN, "port": port, "key": pinned.key, "serial": pinned.descriptor.serial,
        "contact": pinned.descriptor.contact, "languages": ["ne", "en"],
    } | changes  # fmt: skip


def ask(
    server: PeerServer, last: Heartbeat | None = None, authority: Path | None = None, **changes: Any
) -> PeerAnswer:
    """Return what the node makes of the server's answer, over TLS on loopback."""
    found = watched(port=server.port, **changes)
    trusted = str(authority or server.authority.certificate)
    surroundings = PeerNetworkSettings(lambda _: ["127.0.0.1"], ("127.0.0.1/32",), trusted)
    return heartbeat.fetch_heartbeat(
        found, last or heartbeat.newest_known_heartbeat(found, NEW), surroundings, NOW
    )


def expected_code(name: str) -> str:
    """Return the node's code for a forgery: ssh-keygen only says that a signature is wrong."""
    code = FORGERIES[name].code
    return BY_NAME.get(name) or BY_WORD.get(code.partition("_")[0], code)


@pytest.mark.parametrize("name", sorted(set(FORGERIES) - OF_OTHER_FIELDS))
def test_forged_descriptor_is_no_heartbeat(
    name: str, server: PeerServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    trusted = server.authority.certificate
    FORGERIES[name].set_up(server)
    if FORGERIES[name].code == "too_slow":
        monkeypatch.setattr(transfer, "SECONDS", 1.0)
    began = time.monotonic()
    assert ask(server, authority=trusted) == PeerAnswer(None, expected_code(name))
    assert time.monotonic() - began < 8


def test_faults_in_other_fields_are_left_to_the_control_machine(server: PeerServer) -> None:
    """A peer that makes a mistake in its list of services is alive; nothing of the list is used."""
    assert set(FORGERIES) > OF_OTHER_FIELDS
    for name in sorted(OF_OTHER_FIELDS):
        FORGERIES[name].set_up(server)
        assert ask(server).heartbeat in (Heartbeat(NOW, NOW), Heartbeat(NOW - DAY, NOW - DAY)), name


def test_new_descriptor_is_a_heartbeat(server: PeerServer) -> None:
    server.answer = serve(signed(body(NOW - 60)))
    assert ask(server) == PeerAnswer(Heartbeat(NOW - 60, NOW - 60))
    assert ask(server, Heartbeat(NOW - 60, NOW - 60)).heartbeat, "the same one an hour later"


def test_replay_of_a_seen_descriptor_is_refused(server: PeerServer) -> None:
    server.answer = serve(signed(body(NOW - HOUR)))
    assert ask(server, Heartbeat(NOW - 60, NOW - 60)) == PeerAnswer(None, "older_serial")
    server.answer = serve(signed(body(NOW - HOUR, serial=NOW - 60)))
    assert ask(server, Heartbeat(NOW - 60, NOW - 60)) == PeerAnswer(None, "serial_reused")


def test_key_that_is_not_pinned_is_refused(server: PeerServer) -> None:
    server.answer = serve(signed())
    other = signing_key.public_key_of(OTHER_KEY)
    assert ask(server, key=other) == PeerAnswer(None, "signature_wrong")
    assert ask(server, key=signing_key.public_key_of(KEY)).heartbeat


def test_private_address_is_never_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    connected: list[object] = []
    monkeypatch.setattr(transfer.socket, "create_connection", lambda *how: connected.append(how))
    surroundings = PeerNetworkSettings(lambda _: ["9.9.9.9", "169.254.169.254"])
    found = heartbeat.fetch_heartbeat(watched(), Heartbeat(0, 0), surroundings, NOW)
    assert found == PeerAnswer(None, "address_not_public") and connected == []


def test_modules_on_the_node_need_only_the_standard_library(tmp_path: Path) -> None:
    """They are imported as the role installs them, without the toolkit and its libraries."""
    names = yaml.safe_load((FILES.parent / "vars" / "main.yml").read_text())
    for name in names["__portal_federation_modules"]:
        target = tmp_path / name.removeprefix("shared/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(FILES / name, target)
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import heartbeat_mail"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


class Watch:
    """A node that looks at its peers every quarter of an hour, by a clock of its own."""

    def __init__(self, *names: str, **changes: Any) -> None:
        self.settings = {
            "silence_hours": LIMIT,
            "peers": [watched(name) for name in names or ("himalaya",)],
        } | changes
        self.now, self.memory = NOW, NEW
        self.result = heartbeat.WatchResult(NEW, {}, ())
        self.mails: list[tuple[int, str, str]] = []

    def look(self, *silent: str, works: bool = True, refusal: str = "no_answer") -> None:
        """Look once; all peers but `silent` signed just now."""
        answers = {
            item["name"]: PeerAnswer(None, refusal)
            if item["name"] in silent
            else PeerAnswer(Heartbeat(self.now, self.now))
            for item in self.settings["peers"]
        }
        self.result = heartbeat.update_peer_states(
            self.settings, self.memory, answers, works, self.now
        )
        self.memory = self.result.memory
        self.mails += [(self.now, item.kind, item.peer) for item in self.result.mails]

    def pass_hours(self, hours: float, *silent: str, **how: Any) -> None:
        for _ in range(int(hours * HOUR / QUARTER)):
            self.now += QUARTER
            self.look(*silent, **how)

    def kinds(self) -> list[str]:
        return [kind for _, kind, _ in self.mails]

    def code(self, name: str = "himalaya") -> str:
        found = str(self.result.peers[name]["code"])
        assert found in PEER_STATE_CODES
        return found


@pytest.fixture
def watch() -> Watch:
    """A node that heard its only peer just now."""
    found = Watch()
    found.look()
    return found


def test_silence_is_reported_once_and_then_daily(watch: Watch) -> None:
    watch.pass_hours(LIMIT - 0.25, "himalaya")
    assert (watch.mails, watch.code()) == ([], "heard")
    watch.pass_hours(0.25, "himalaya")
    assert (watch.kinds(), watch.code()) == (["silent"], "silent")
    watch.pass_hours(71, "himalaya")
    times = [moment for moment, _, _ in watch.mails]
    assert [later - first for first, later in itertools.pairwise(times)] == [DAY, DAY]
    assert times[0] == NOW + LIMIT * HOUR


def test_return_is_reported_once(watch: Watch) -> None:
    watch.pass_hours(LIMIT + 1, "himalaya")
    watch.pass_hours(48)
    assert (watch.kinds(), watch.code()) == (["silent", "back"], "heard")


def test_missed_hours_are_not_reported(watch: Watch) -> None:
    for _ in range(6):
        watch.pass_hours(LIMIT - 1, "himalaya")
        watch.pass_hours(1)
    assert (watch.mails, watch.code()) == ([], "heard")


@pytest.mark.parametrize("hours", [2, 168])
def test_region_chooses_how_long_it_waits(hours: int) -> None:
    watch = Watch(silence_hours=hours)
    watch.look()
    watch.pass_hours(hours + 1, "himalaya")
    assert [moment - NOW for moment, _, _ in watch.mails] == [hours * HOUR]


def test_own_lost_connection_is_shown_and_reports_no_peer(watch: Watch) -> None:
    watch.pass_hours(0.75, "himalaya", works=False)
    assert watch.code() == "heard"
    watch.pass_hours(72, "himalaya", works=False)
    assert (watch.mails, watch.code()) == ([], "own_connection_lost")
    assert watch.result.peers["himalaya"]["data"]["lost"] == NOW + QUARTER
    watch.pass_hours(1)
    assert (watch.mails, watch.code()) == ([], "heard")


def test_connection_of_the_node_is_judged_by_the_relay_and_by_other_peers() -> None:
    heard, silent = PeerAnswer(Heartbeat(NOW, NOW)), PeerAnswer(None, "no_answer")
    old = PeerAnswer(Heartbeat(NOW - DAY, NOW - DAY))
    works = heartbeat.own_connection_works
    assert works({"a": silent}, True, NOW) and not works({"a": silent}, False, NOW)
    assert works({"a": silent, "b": heard}, True, NOW)
    assert not works({"a": silent, "b": heard}, False, NOW)
    assert not works({"a": silent, "b": silent}, True, NOW)
    assert not works({"a": old, "b": old}, True, NOW), "then the own clock may be wrong"
    assert not works({"a": PeerAnswer(None, "issued_in_future")}, True, NOW), "the same"


def test_week_without_power_causes_no_mails(watch: Watch) -> None:
    watch.pass_hours(LIMIT - 0.25, "himalaya")
    watch.now += 7 * DAY
    watch.look("himalaya")
    watch.pass_hours(0.25, "himalaya")
    assert watch.mails == [], "the peer has not had an hour to answer"
    watch.pass_hours(1)
    assert (watch.mails, watch.code()) == ([], "heard")


def test_week_without_power_causes_one_mail_about_a_peer_that_stays_silent(watch: Watch) -> None:
    watch.pass_hours(LIMIT + 1, "himalaya")
    watch.now += 7 * DAY
    watch.look("himalaya")
    assert watch.code() == "silent"
    watch.pass_hours(20, "himalaya")
    assert watch.kinds() == ["silent", "silent"]


def test_power_cuts_every_day_do_not_hide_a_silent_peer(watch: Watch) -> None:
    for _ in range(4):
        watch.pass_hours(6, "himalaya")
        watch.now += 18 * HOUR
    assert watch.kinds()[:1] == ["silent"] and len(watch.mails) <= 3


def test_clock_that_jumps_causes_no_mails(watch: Watch) -> None:
    for jump in (-400 * DAY, 400 * DAY, -3 * HOUR):
        watch.now += jump
        watch.look("himalaya")
    assert watch.mails == []


def test_clock_that_was_years_ahead_does_not_silence_the_mails(watch: Watch) -> None:
    watch.now += 400 * DAY
    watch.pass_hours(LIMIT + 1, "himalaya")
    watch.now -= 400 * DAY
    watch.pass_hours(30, "himalaya")
    assert 2 <= len(watch.mails) <= 3


def test_peer_that_was_never_heard_is_pending_and_not_reported() -> None:
    watch = Watch()
    watch.pass_hours(100, "himalaya")
    assert (watch.mails, watch.code()) == ([], "never_heard")


def test_refused_descriptors_are_shown_at_once_and_reported_as_silence(watch: Watch) -> None:
    watch.pass_hours(0.25, "himalaya", refusal="older_serial")
    assert watch.code() == "descriptor_refused"
    assert watch.result.peers["himalaya"]["data"]["reason"] == "older serial"
    watch.pass_hours(LIMIT, "himalaya", refusal="older_serial")
    assert watch.kinds() == ["silent"]


def test_letter_says_what_was_seen(watch: Watch) -> None:
    for refusal, seen in (
        ("no_answer", "nothing"), ("too_slow", "nothing"), ("expired", "old"),
        ("signature_wrong", "refused"), ("certificate_invalid", "refused"),
    ):  # fmt: skip
        own = Watch()
        own.look()
        own.pass_hours(LIMIT, "himalaya", refusal=refusal)
        [mail] = own.result.mails
        assert (mail.seen, mail.last) == (seen, NOW), refusal


def test_server_that_answers_with_an_old_descriptor_is_silent(watch: Watch) -> None:
    old = {"himalaya": PeerAnswer(Heartbeat(NOW, NOW))}
    for _ in range(4 * (LIMIT + 4)):
        watch.now += QUARTER
        found = heartbeat.update_peer_states(watch.settings, watch.memory, old, True, watch.now)
        watch.memory = found.memory
        if found.mails:
            break
    assert [mail.seen for mail in found.mails] == ["old"]
    # A fresh descriptor may be three hours old.
    assert LIMIT * HOUR <= watch.now - NOW <= (LIMIT + 3.5) * HOUR


def test_each_peer_is_reported_on_its_own() -> None:
    watch = Watch("himalaya", "amazonas")
    watch.look()
    watch.pass_hours(LIMIT + 1, "amazonas")
    assert [name for _, _, name in watch.mails] == ["amazonas"]
    assert (watch.code("himalaya"), watch.code("amazonas")) == ("heard", "silent")


def test_peer_that_left_is_forgotten_and_a_new_key_starts_anew(watch: Watch) -> None:
    watch.pass_hours(LIMIT + 1, "himalaya")
    watch.settings["peers"] = [watched(key=signing_key.public_key_of(OTHER_KEY))]
    watch.pass_hours(0.25, "himalaya")
    assert watch.code() == "never_heard"
    watch.settings["peers"] = [watched("amazonas")]
    watch.pass_hours(0.25)
    assert set(watch.memory.records) == {"amazonas"}


def test_state_keeps_since_when_it_is_so(watch: Watch) -> None:
    watch.pass_hours(LIMIT + 5, "himalaya")
    assert watch.result.peers["himalaya"]["since"] == NOW + LIMIT * HOUR
    assert watch.result.peers["himalaya"]["data"] == {"last": NOW}

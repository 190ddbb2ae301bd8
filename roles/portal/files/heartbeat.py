"""Whether the peers of the region are alive: a newly signed descriptor is a peer's heartbeat.

Each portal signs its descriptor anew every hour. Here, the newest one of each peer is fetched and
checked, and the silence of peers is measured and reported. What peers send is hostile input: only
the fields of a heartbeat are read, and none of their texts goes into a mail or a page.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from chautari.federation.transfer import (
    NAMESPACE,
    DescriptorAddress,
    PeerNetworkSettings,
    UnverifiedSignedDescriptor,
    fetch_descriptor_and_signature,
)
from chautari.federation.untrusted_json import UNREACHABLE, AnswerRefused, read_untrusted_json
from chautari.federation.validity import check_times, parse_seconds_since_1970

Data = Mapping[str, Any]
HOUR, DAY = 3600, 24 * 3600
FRESH_SECONDS = 3 * HOUR  # a descriptor is signed every hour; one or two may be missed
# Silence is what was observed: after a pause of any length, a run adds at most this.
MAX_STEP_SECONDS = HOUR // 2
# After a longer pause, such as a power cut, a peer has an hour to answer before it is reported.
PAUSE_SECONDS = 2 * HOUR
# A lost connection of our own is shown after this time; an interruption of minutes is usual.
OWN_OUTAGE_SECONDS = HOUR
NOTHING_SEEN, OLD_SEEN, REFUSED_SEEN = "nothing", "old", "refused"


class Heartbeat(NamedTuple):
    """What counts in a descriptor of a peer."""

    serial: int
    issued: int


class PeerAnswer(NamedTuple):
    """What one request to a peer brought: a heartbeat, or the code of why there is none."""

    heartbeat: Heartbeat | None
    refusal: str = ""

    @property
    def is_refused(self) -> bool:
        """Return whether something arrived that cannot be trusted."""
        return bool(self.refusal) and self.refusal not in (*UNREACHABLE, "expired")


class PeerRecord(NamedTuple):
    """What the node remembers of a peer.

    Attributes:
        key: the key that was pinned when this was written; with another key, nothing is remembered.
        serial: of the last accepted descriptor.
        issued: when that one was signed; 0 if none was accepted yet.
        silence: seconds for which the peer was observed to be silent.
        reported: when the last mail about the silence was sent; 0 if the peer is not reported.
        code: of the peer's state.
        since: when this state began.
    """

    key: str
    serial: int = 0
    issued: int = 0
    silence: int = 0
    reported: int = 0
    code: str = ""
    since: int = 0


class WatchMemory(NamedTuple):
    """What the node remembers: of each peer, of its last run, and of its own connection.

    `lost` is when the own connection was lost; 0 while it works.
    """

    checked: int
    lost: int
    records: Mapping[str, PeerRecord]


class PeerMail(NamedTuple):
    """A mail to send about a peer: `silent` or `back`, with what was seen."""

    kind: str
    peer: str
    last: int
    seen: str = ""
    refusal: str = ""


class WatchResult(NamedTuple):
    """What a run found: what to remember, what to publish, and what to send."""

    memory: WatchMemory
    peers: Mapping[str, Data]
    mails: Sequence[PeerMail]


def fetch_heartbeat(
    peer: Data, last: Heartbeat, surroundings: PeerNetworkSettings, now: int
) -> PeerAnswer:
    """Return what the server of `peer` answers."""
    address = DescriptorAddress(peer["host"], peer["port"])
    try:
        signed = fetch_descriptor_and_signature(address, surroundings)
        _check_signature(signed, peer["key"])
        return PeerAnswer(_read_heartbeat(signed.content, peer, last, now))
    except AnswerRefused as refused:
        return PeerAnswer(None, refused.code)


def _check_signature(signed: UnverifiedSignedDescriptor, key: str) -> None:
    """Refuse what the pinned key did not sign for this purpose."""
    with tempfile.TemporaryDirectory() as folder:
        signers, signature = Path(folder, "signers"), Path(folder, "signature")
        signers.write_text(f'peer namespaces="{NAMESPACE}" {key}\n')
        signature.write_bytes(signed.signature)
        argv = ["ssh-keygen", "-Y", "verify", "-f", signers, "-I", "peer", "-n", NAMESPACE]
        try:
            done = subprocess.run(
                [*map(str, argv), "-s", str(signature)],
                input=signed.content, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                check=False, timeout=30,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise AnswerRefused("signature_wrong") from None
    if done.returncode != 0:
        raise AnswerRefused("signature_wrong")


def _read_heartbeat(content: bytes, peer: Data, last: Heartbeat, now: int) -> Heartbeat:
    found = read_untrusted_json(content)
    if found.get("key") != peer["key"]:
        raise AnswerRefused("names_other_key")
    if (found.get("domain"), found.get("region")) != (peer["domain"], peer["region"]):
        raise AnswerRefused("other_region")
    serial, issued, expires = (found.get(name) for name in ("serial", "issued", "expires"))
    if type(serial) is not int or not isinstance(issued, str) or not isinstance(expires, str):
        raise AnswerRefused("field_invalid")
    try:
        check_times(serial, issued, expires, now)
    except ValueError:
        raise AnswerRefused("field_invalid") from None
    received = Heartbeat(serial, parse_seconds_since_1970(issued))
    if received.serial < last.serial:
        raise AnswerRefused("older_serial")
    if received.serial == last.serial and last.issued not in (0, received.issued):
        raise AnswerRefused("serial_reused")
    return received


def newest_known_heartbeat(peer: Data, memory: WatchMemory) -> Heartbeat:
    """Return the newest heartbeat that is known of a peer: a seen one, or the serial of its pin."""
    record = record_of_peer(peer, memory)
    if record.serial < peer["serial"]:
        return Heartbeat(peer["serial"], 0)
    return Heartbeat(record.serial, record.issued)


def record_of_peer(peer: Data, memory: WatchMemory) -> PeerRecord:
    """Return what is remembered of a peer; nothing if its key is another one now."""
    found = memory.records.get(peer["name"])
    return found if found and found.key == peer["key"] else PeerRecord(peer["key"])


def own_connection_works(answers: Mapping[str, PeerAnswer], relay_answers: bool, now: int) -> bool:
    """Return whether silence is that of peers, and not of the node's own connection or clock.

    A region that hears none of several peers is rather cut off itself.
    """
    if not relay_answers:
        return False
    if len(answers) == 1:
        return all(answer.refusal != "issued_in_future" for answer in answers.values())
    return any(is_fresh(answer, now) for answer in answers.values())


def update_peer_states(
    settings: Data, memory: WatchMemory, answers: Mapping[str, PeerAnswer], works: bool, now: int
) -> WatchResult:
    """Return what follows from the answers of the peers.

    Args:
        settings: the region, and its peers as they are pinned.
        memory: what the last run remembered.
        answers: the answer of each peer.
        works: whether the node's own connection works.
        now: seconds since 1970.
    """
    lost = 0 if works else memory.lost or now
    limit = settings["silence_hours"] * HOUR
    records: dict[str, PeerRecord] = {}
    peers: dict[str, Data] = {}
    mails: list[PeerMail] = []
    for peer in settings["peers"]:
        name, answer = peer["name"], answers[peer["name"]]
        before = record_of_peer(peer, memory)
        after = _with_answer(before, answer, now)
        after = after._replace(
            silence=_seconds_of_silence(after, answer, memory, limit, works, now)
        )
        mail = _due_mail(name, after, answer, limit, works, now)
        if mail:
            mails.append(mail)
            after = after._replace(reported=now if mail.kind == "silent" else 0)
        code, data = _peer_state_code_and_data(after, answer, limit, lost, now)
        since = before.since if before.code == code else now
        records[name] = after._replace(code=code, since=since)
        peers[name] = {"code": code, "since": since, "data": data}
    return WatchResult(WatchMemory(now, lost, records), peers, mails)


def is_fresh(answer: PeerAnswer, now: int) -> bool:
    """Return whether the peer signed lately."""
    return answer.heartbeat is not None and now - answer.heartbeat.issued <= FRESH_SECONDS


def _with_answer(record: PeerRecord, answer: PeerAnswer, now: int) -> PeerRecord:
    received = answer.heartbeat
    return record._replace(serial=received.serial, issued=received.issued) if received else record


def _seconds_of_silence(
    record: PeerRecord, answer: PeerAnswer, memory: WatchMemory, limit: int, works: bool, now: int
) -> int:
    """Return for how long the peer was observed to be silent."""
    if is_fresh(answer, now):
        return 0
    passed = max(0, now - memory.checked) if memory.checked else 0
    silence = record.silence
    if passed > PAUSE_SECONDS:
        silence = min(silence, limit - HOUR)
    return silence + min(passed, MAX_STEP_SECONDS) if works else silence


def _due_mail(
    name: str, record: PeerRecord, answer: PeerAnswer, limit: int, works: bool, now: int
) -> PeerMail | None:
    if is_fresh(answer, now):
        return PeerMail("back", name, record.issued) if record.reported else None
    is_due = not record.reported or abs(now - record.reported) >= DAY
    if not (works and record.issued and record.silence >= limit and is_due):
        return None
    seen = OLD_SEEN if answer.heartbeat or answer.refusal == "expired" else NOTHING_SEEN
    if answer.is_refused:
        seen = REFUSED_SEEN
    return PeerMail("silent", name, record.issued, seen, answer.refusal)


def _peer_state_code_and_data(
    record: PeerRecord, answer: PeerAnswer, limit: int, lost: int, now: int
) -> tuple[str, dict[str, Any]]:
    """Return the code of a peer's state, and its data."""
    last = {"last": record.issued}
    if answer.is_refused:
        return "descriptor_refused", last | {"reason": answer.refusal.replace("_", " ")}
    if lost and now - lost >= OWN_OUTAGE_SECONDS and not is_fresh(answer, now):
        return "own_connection_lost", last | {"lost": lost}
    if not record.issued:
        return "never_heard", {}
    # A reported peer is silent until it is heard, also after a pause.
    if record.silence >= limit or record.reported:
        return "silent", last
    return "heard", {"issued": record.issued}

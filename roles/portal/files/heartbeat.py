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
    SignedDescriptor,
    Surroundings,
    fetch_signed,
)
from chautari.federation.untrusted_json import UNREACHABLE, AnswerRefused, read_untrusted_json
from chautari.federation.validity import check_times, seconds_of

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


class Beat(NamedTuple):
    """What counts in a descriptor of a peer."""

    serial: int
    issued: int


class Outcome(NamedTuple):
    """What one request to a peer brought: a beat, or the code of why there is none."""

    beat: Beat | None
    refusal: str = ""

    @property
    def is_refused(self) -> bool:
        """Return whether something arrived that cannot be trusted."""
        return bool(self.refusal) and self.refusal not in (*UNREACHABLE, "expired")


class Record(NamedTuple):
    """What the node remembers of a peer.

    Attributes:
        key: the key that was pinned when this was written; another key starts anew.
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


class Memory(NamedTuple):
    """What the node remembers: of each peer, of its last run, and of its own connection.

    `lost` is when the own connection was lost; 0 while it works.
    """

    checked: int
    lost: int
    records: Mapping[str, Record]


class Letter(NamedTuple):
    """A mail to send about a peer: `silent` or `back`, with what was seen."""

    kind: str
    peer: str
    last: int
    seen: str = ""
    refusal: str = ""


class Result(NamedTuple):
    """What a run found: what to remember, what to publish, and what to send."""

    memory: Memory
    peers: Mapping[str, Data]
    letters: Sequence[Letter]


def ask_peer(peer: Data, last: Beat, surroundings: Surroundings, now: int) -> Outcome:
    """Return what the server of `peer` answers."""
    address = DescriptorAddress(peer["host"], peer["port"])
    try:
        signed = fetch_signed(address, surroundings)
        _check_signature(signed, peer["key"])
        return Outcome(_read_beat(signed.content, peer, last, now))
    except AnswerRefused as refused:
        return Outcome(None, refused.code)


def _check_signature(signed: SignedDescriptor, key: str) -> None:
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


def _read_beat(content: bytes, peer: Data, last: Beat, now: int) -> Beat:
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
    beat = Beat(serial, seconds_of(issued))
    if beat.serial < last.serial:
        raise AnswerRefused("older_serial")
    if beat.serial == last.serial and last.issued not in (0, beat.issued):
        raise AnswerRefused("serial_reused")
    return beat


def last_beat(peer: Data, memory: Memory) -> Beat:
    """Return the newest beat that is known of a peer: a seen one, or the serial of its pin."""
    record = record_of(peer, memory)
    if record.serial < peer["serial"]:
        return Beat(peer["serial"], 0)
    return Beat(record.serial, record.issued)


def record_of(peer: Data, memory: Memory) -> Record:
    """Return what is remembered of a peer; nothing if its key is another one now."""
    found = memory.records.get(peer["name"])
    return found if found and found.key == peer["key"] else Record(peer["key"])


def connection_works(outcomes: Mapping[str, Outcome], relay_answers: bool, now: int) -> bool:
    """Return whether silence is that of peers, and not of the node's own connection or clock.

    A region that hears none of several peers is rather cut off itself.
    """
    if not relay_answers:
        return False
    if len(outcomes) == 1:
        return all(outcome.refusal != "issued_in_future" for outcome in outcomes.values())
    return any(is_fresh(outcome, now) for outcome in outcomes.values())


def evaluate(
    settings: Data, memory: Memory, outcomes: Mapping[str, Outcome], works: bool, now: int
) -> Result:
    """Return what follows from the answers of the peers.

    Args:
        settings: the region, and its peers as they are pinned.
        memory: what the last run remembered.
        outcomes: the answer of each peer.
        works: whether the node's own connection works.
        now: seconds since 1970.
    """
    lost = 0 if works else memory.lost or now
    limit = settings["silence_hours"] * HOUR
    records: dict[str, Record] = {}
    peers: dict[str, Data] = {}
    letters: list[Letter] = []
    for peer in settings["peers"]:
        name, outcome = peer["name"], outcomes[peer["name"]]
        before = record_of(peer, memory)
        after = _with_outcome(before, outcome, now)
        after = after._replace(silence=_silence(after, outcome, memory, limit, works, now))
        letter = _letter(name, after, outcome, limit, works, now)
        if letter:
            letters.append(letter)
            after = after._replace(reported=now if letter.kind == "silent" else 0)
        code, data = _code(after, outcome, limit, lost, now)
        since = before.since if before.code == code else now
        records[name] = after._replace(code=code, since=since)
        peers[name] = {"code": code, "since": since, "data": data}
    return Result(Memory(now, lost, records), peers, letters)


def is_fresh(outcome: Outcome, now: int) -> bool:
    """Return whether the peer signed lately."""
    return outcome.beat is not None and now - outcome.beat.issued <= FRESH_SECONDS


def _with_outcome(record: Record, outcome: Outcome, now: int) -> Record:
    beat = outcome.beat
    return record._replace(serial=beat.serial, issued=beat.issued) if beat else record


def _silence(
    record: Record, outcome: Outcome, memory: Memory, limit: int, works: bool, now: int
) -> int:
    """Return for how long the peer was observed to be silent."""
    if is_fresh(outcome, now):
        return 0
    passed = max(0, now - memory.checked) if memory.checked else 0
    silence = record.silence
    if passed > PAUSE_SECONDS:
        silence = min(silence, limit - HOUR)
    return silence + min(passed, MAX_STEP_SECONDS) if works else silence


def _letter(
    name: str, record: Record, outcome: Outcome, limit: int, works: bool, now: int
) -> Letter | None:
    if is_fresh(outcome, now):
        return Letter("back", name, record.issued) if record.reported else None
    is_due = not record.reported or abs(now - record.reported) >= DAY
    if not (works and record.issued and record.silence >= limit and is_due):
        return None
    seen = OLD_SEEN if outcome.beat or outcome.refusal == "expired" else NOTHING_SEEN
    if outcome.is_refused:
        seen = REFUSED_SEEN
    return Letter("silent", name, record.issued, seen, outcome.refusal)


def _code(
    record: Record, outcome: Outcome, limit: int, lost: int, now: int
) -> tuple[str, dict[str, Any]]:
    """Return the code of a peer's state, and its data."""
    last = {"last": record.issued}
    if outcome.is_refused:
        return "descriptor_refused", last | {"reason": outcome.refusal.replace("_", " ")}
    if lost and now - lost >= OWN_OUTAGE_SECONDS and not is_fresh(outcome, now):
        return "own_connection_lost", last | {"lost": lost}
    if not record.issued:
        return "never_heard", {}
    # A reported peer is silent until it is heard, also after a pause.
    if record.silence >= limit or record.reported:
        return "silent", last
    return "heard", {"issued": record.issued}

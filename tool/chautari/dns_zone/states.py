"""Compare a region's records with what its domain's name servers answer."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from chautari.dns_zone.name_servers import (
    Answers,
    NameServer,
    Question,
    Values,
    Zone,
    ask_name_servers,
    ask_resolver,
    find_zone,
    system_resolver,
)
from chautari.dns_zone.records import (
    DesiredRecord,
    caa_issuer,
    caa_value,
    desired_records,
    public_names,
)
from chautari.region.model import Region

if TYPE_CHECKING:
    from dns.resolver import Resolver

State = Literal["right", "wrong", "missing", "unequal", "unwanted", "unknown"]
CAA = "CAA"
# Seconds between two looks of `--wait`: name servers get a change within minutes.
PAUSE_SECONDS = 20.0
_ISSUE = re.compile(r'(\d{1,3}) issue "([^";\s]*)\s*(;[^"]*)?"')
_METHODS = re.compile(r"validationmethods=([a-z0-9,-]*)")
CHALLENGE = "http-01"  # by which the role `tls` proves its names


@dataclass(frozen=True)
class RecordState:
    """A record and how it is at the name servers.

    Attributes:
        found: the values of the first server that has others than the right one, else the right
            one's.
        differing_server: this server, if others already have the right value.
    """

    record: DesiredRecord
    state: State
    found: tuple[str, ...] = ()
    differing_server: str = ""

    @property
    def is_problem(self) -> bool:
        """Whether something does not work, or leads to another machine."""
        if self.state == "missing":
            return self.record.required
        return self.state != "right"

    def as_object(self) -> dict[str, object]:
        """Return the record and its state as plain JSON data."""
        return {
            **self.record._asdict(),
            "state": self.state,
            "found": list(self.found),
            "differing_server": self.differing_server,
        }


@dataclass(frozen=True)
class ZoneState:
    """All records of a region as its domain's name servers have them.

    Attributes:
        silent_servers: names of the servers that did not answer.
        is_from_cache: whether this machine's resolver was asked in their place.
    """

    zone: Zone
    records: tuple[RecordState, ...]
    silent_servers: tuple[str, ...] = ()
    is_from_cache: bool = False

    @property
    def ok(self) -> bool:
        """Whether no record is a problem."""
        return not any(item.is_problem for item in self.records)

    def as_object(self) -> dict[str, Any]:
        """Return all of it as plain JSON data."""
        return {
            "ok": self.ok,
            "zone": self.zone.name,
            "problem": self.zone.problem or None,
            "name_servers": [
                {"name": server.name, "address": server.address} for server in self.zone.servers
            ],
            "silent_servers": list(self.silent_servers),
            "from_cache": self.is_from_cache,
            "records": [item.as_object() for item in self.records],
        }


def compare_zone_with_desired_records(
    region: Region, resolver: str | None = None, client: Resolver | None = None
) -> ZoneState:
    """Return the state of the region's records.

    `resolver` is the address of a name server that knows the region's names, as in a sandbox;
    without it the domain's own name servers are asked.
    """
    client = client or system_resolver(resolver or "")
    zone = (
        Zone(region.domain, (NameServer("sandbox", resolver, recursive=True),))
        if resolver
        else find_zone(region.domain, client)
    )
    records = desired_records(region)
    questions = _questions_about_records(region, records)
    answers = ask_name_servers(zone.servers, questions, client)
    if not zone.servers or _are_all_silent(zone.servers, answers):
        return _zone_state_from_resolver(region, zone, questions, client)
    silent = tuple(x.name for x in zone.servers if _are_all_silent((x,), answers))
    return ZoneState(zone, tuple(_compare_records_with_answers(region, records, answers)), silent)


def _are_all_silent(servers: Iterable[NameServer], answers: Answers) -> bool:
    return all(answers[question][server] is None for question in answers for server in servers)


def _zone_state_from_resolver(
    region: Region, zone: Zone, questions: list[Question], client: Resolver
) -> ZoneState:
    """Return the state as this machine's resolver knows it, where no server can be asked."""
    records, silent = desired_records(region), tuple(server.name for server in zone.servers)
    is_registered = zone.problem != "domain_not_delegated"
    if is_registered and (answers := ask_resolver(questions, client)) is not None:
        states = tuple(_compare_records_with_answers(region, records, answers))
        return ZoneState(zone._replace(problem=""), states, silent, is_from_cache=True)
    unknown = tuple(RecordState(record, "unknown") for record in records if record.value)
    return ZoneState(zone._replace(problem=zone.problem or "servers_silent"), unknown, silent)


def wait_until_records_are_right(
    look: Callable[[], ZoneState],
    seconds: float,
    report: Callable[[ZoneState], None],
    pause: float = PAUSE_SECONDS,
) -> ZoneState:
    """Look until every record is right or the time is over; report each state that is new."""
    end, last = time.monotonic() + seconds, None
    while True:
        found = look()
        if found.ok or time.monotonic() + pause > end:
            return found
        if found.records != last:
            report(found)
        last = found.records
        time.sleep(pause)


def _questions_about_records(region: Region, records: Iterable[DesiredRecord]) -> list[Question]:
    addresses = [Question(record.name, record.kind) for record in records if record.kind != CAA]
    names = public_names(region) if caa_issuer(region) else ()
    climbed = (parent for name in (*names, region.domain) for parent in _name_and_parents(name))
    return list(dict.fromkeys([*addresses, *(Question(name, CAA) for name in climbed)]))


def _name_and_parents(name: str) -> Iterator[str]:
    """Yield a name and its parents without the last label, in the order of RFC 8659."""
    labels = name.split(".")
    for start in range(len(labels) - 1):
        yield ".".join(labels[start:])


def _compare_records_with_answers(
    region: Region, records: Iterable[DesiredRecord], answers: Answers
) -> Iterator[RecordState]:
    for record in records:
        if record.kind != CAA:
            state = _address_state(record, answers[Question(record.name, record.kind)])
            if record.value or state.state == "unwanted":
                yield state
    if issuer := caa_issuer(region):
        yield from _caa_states(region, issuer, answers)


def _address_state(record: DesiredRecord, by_server: Mapping[NameServer, Values]) -> RecordState:
    """Return the state of an A or AAAA record, whose set must be the right address only."""
    right = (record.value,) if record.value else ()
    answered = {server: values for server, values in by_server.items() if values is not None}
    if not answered:
        return RecordState(record, "unknown")
    others = {server: values for server, values in answered.items() if values != right}
    if not others:
        return RecordState(record, "right", right)
    server, found = next(iter(others.items()))
    if len(others) < len(answered):
        return RecordState(record, "unequal", found, server.name)
    if not right:
        return RecordState(record, "unwanted", found)
    return RecordState(record, "wrong" if found else "missing", found)


def _caa_states(region: Region, issuer: str, answers: Answers) -> Iterator[RecordState]:
    """Yield the state of the domain's record, and each name whose own records forbid the issuer.

    Where no record exists, every authority may issue; the record keeps all others from it.
    """
    at_domain = DesiredRecord(region.domain, CAA, caa_value(issuer), "certificates", required=False)
    seen = {region.domain}
    yield _caa_state(at_domain, region.domain, issuer, answers)
    for name in public_names(region):
        holder, values = _closest_caa_records(name, answers)
        if holder not in seen and len(holder) > len(region.domain):
            seen.add(holder)
            if values and not caa_records_allow_issuer(values, issuer):
                own = at_domain._replace(name=holder, required=True)
                yield RecordState(own, "wrong", values)


def _caa_state(record: DesiredRecord, name: str, issuer: str, answers: Answers) -> RecordState:
    holder, values = _closest_caa_records(name, answers)
    if values is None:
        return RecordState(record, "unknown")
    if not values:
        return RecordState(record, "missing")
    if caa_records_allow_issuer(values, issuer):
        return RecordState(record._replace(name=holder), "right", values)
    return RecordState(record._replace(name=holder), "wrong", values)


def _closest_caa_records(name: str, answers: Answers) -> tuple[str, Values]:
    """Return the closest parent with CAA records, and these records (RFC 8659, section 3)."""
    for parent in _name_and_parents(name):
        given = [values for values in answers[Question(parent, CAA)].values() if values is not None]
        if not given:
            return parent, None
        if values := next(filter(None, given), ()):
            return parent, values
    return name, ()


def caa_records_allow_issuer(values: Iterable[str], issuer: str) -> bool:
    """Return whether CAA records let `issuer` give a certificate that is proven over HTTP."""
    values = tuple(values)
    issues = [found for value in values if (found := _ISSUE.fullmatch(value))]
    if not any(" issue " in value for value in values):
        return not any(_is_unknown_critical_caa(value) for value in values)
    for _, name, parameters in (found.groups(default="") for found in issues):
        methods = _METHODS.search(parameters)
        if name.lower() == issuer and (not methods or CHALLENGE in methods[1].split(",")):
            return True
    return False


def _is_unknown_critical_caa(value: str) -> bool:
    """Return whether a record must stop authorities that do not know its property."""
    flags, _, rest = value.partition(" ")
    known = rest.startswith(("issue ", "issuewild ", "iodef "))
    return flags.isdecimal() and bool(int(flags) & 128) and not known

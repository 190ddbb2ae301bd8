"""Ask a domain's own name servers, so that no cache on the way hides a change.

Answers come from strangers: servers, records and lengths are limited, and only text leaves here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from typing import NamedTuple

from dns import exception, flags, message, query, rcode, resolver
from dns import name as dns_name
from dns.message import Message
from dns.name import Name
from dns.rdata import Rdata
from dns.resolver import Resolver

from chautari.parallel import map_parallel

PORT = 53
SECONDS = 6.0  # for one answer, over a link with 300 ms and losses
TRIES = 2
MAX_SERVERS = 6
MAX_VALUES = 10  # of one record set
MAX_VALUE_LENGTH = 200
MAX_ALIASES = 8
PARALLEL = 16


class NameServer(NamedTuple):
    """A name server of the domain; `recursive` if it answers for other servers as well."""

    name: str
    address: str
    port: int = PORT
    recursive: bool = False


# Stands for the resolver of this machine.
RESOLVER = NameServer("resolver", "", recursive=True)


class Zone(NamedTuple):
    """The zone that contains a name, and its name servers.

    Attributes:
        name: of the zone, without a dot at its end; empty if it could not be found.
        servers: one address of each name server.
        problem: a code for why there are no servers; empty if there are.
    """

    name: str
    servers: tuple[NameServer, ...]
    problem: str = ""


class Question(NamedTuple):
    """A name and a kind of record."""

    name: str
    kind: str


# The values of a question; None where the server gave no answer.
Values = tuple[str, ...] | None
Answers = dict[Question, dict[NameServer, Values]]


def system_resolver(address: str = "") -> Resolver:
    """Return a client of the resolver at `address`, by default this machine's."""
    try:
        client = resolver.Resolver(configure=not address)
    except resolver.NoResolverConfiguration:
        client = resolver.Resolver(configure=False)  # it answers that it has no name servers
    if address:
        client.nameservers = [address]
    client.cache = None
    return client


def find_zone(domain: str, client: Resolver) -> Zone:
    """Return the zone that contains `domain`, asked of a resolver."""
    try:
        name = resolver.zone_for_name(f"{domain}.", resolver=client, lifetime=2 * SECONDS)
        if len(name.labels) <= 2:  # a label and the root: a registry's zone
            return Zone(_dns_name_text(name), (), "domain_not_delegated")
        targets = client.resolve(name, "NS", lifetime=SECONDS)
        names = sorted(item.target for item in targets)[:MAX_SERVERS]
    except exception.DNSException:
        return Zone("", (), "resolver_silent")
    except OSError:
        return Zone("", (), "no_network")
    found = map_parallel(lambda server: _address_of_server(server, client), names)
    servers = tuple(
        NameServer(_dns_name_text(server), address, client.port)
        for server, address in zip(names, found, strict=True)
        if address
    )
    return Zone(_dns_name_text(name), servers, "" if servers else "servers_without_address")


def ask_name_servers(
    servers: Sequence[NameServer], questions: Sequence[Question], client: Resolver
) -> Answers:
    """Return what each server answers to each question."""
    pairs = [(server, question) for question in questions for server in servers]
    values = map_parallel(lambda pair: ask_name_server(*pair, client), pairs, PARALLEL)
    found: Answers = {question: {} for question in questions}
    for (server, question), value in zip(pairs, values, strict=True):
        found[question][server] = value
    return found


def ask_resolver(questions: Sequence[Question], client: Resolver) -> Answers | None:
    """Return what this machine's resolver answers, perhaps from its cache; None if it is silent.

    Some networks let DNS pass only through their own resolver.
    """

    def ask(question: Question) -> Values:
        return _resolve_with_client(dns_name.from_text(question.name), question.kind, client)

    if not questions or ask(questions[0]) is None:
        return None
    values = map_parallel(ask, questions, PARALLEL)
    return {question: {RESOLVER: value} for question, value in zip(questions, values, strict=True)}


def ask_name_server(server: NameServer, question: Question, client: Resolver) -> Values:
    """Return the values that one server has; None if it did not answer.

    What is in another zone (behind an alias, or delegated) is asked of the resolver `client`.
    """
    asked = dns_name.from_text(question.name)
    answer = _query_with_retries(server, asked, question.kind)
    if answer is None or answer.rcode() not in (rcode.NOERROR, rcode.NXDOMAIN):
        return None
    values, alias = _values_in_answer(answer, asked, question.kind)
    is_own = bool(values) or server.recursive or (alias is None and _is_authoritative(answer))
    return values if is_own else _resolve_with_client(alias or asked, question.kind, client)


def _address_of_server(server: Name, client: Resolver) -> str:
    """Return an address of a name server, IPv4 first; empty if it has none."""
    for kind in ("A", "AAAA"):
        try:
            answer = client.resolve(server, kind, lifetime=SECONDS)
        except (exception.DNSException, OSError):
            continue
        return next((item.to_text() for item in answer), "")
    return ""


def _query_with_retries(server: NameServer, name: Name, kind: str) -> Message | None:
    """Return the server's answer; UDP packets get lost, so the question is repeated."""
    request = message.make_query(name, kind)
    if not server.recursive:
        request.flags &= ~flags.RD
    for _ in range(TRIES):
        try:
            answer, _ = query.udp_with_fallback(
                request, server.address, timeout=SECONDS / TRIES, port=server.port,
                ignore_unexpected=True,
            )  # fmt: skip
        except exception.Timeout:
            continue
        except (exception.DNSException, OSError, EOFError, ValueError):
            return None
        return answer
    return None


def _is_authoritative(answer: Message) -> bool:
    return bool(answer.flags & flags.AA)


def _values_in_answer(
    answer: Message, name: Name, kind: str
) -> tuple[tuple[str, ...], Name | None]:
    """Return the values of `name` and where its alias leads that the answer does not resolve."""
    for _ in range(MAX_ALIASES):
        values: list[Rdata] = []
        alias: Name | None = None
        for group in answer.answer:
            if group.name == name:
                values += [item for item in group if item.rdtype.name == kind]
                alias = next((x.target for x in group if x.rdtype.name == "CNAME"), alias)
        if values or alias is None:
            return _record_value_texts(values), None
        if not any(group.name == alias for group in answer.answer):
            return (), alias
        name = alias
    return (), None


def _resolve_with_client(name: Name, kind: str, client: Resolver) -> Values:
    """Return the values of a name in another zone, as the resolver knows them."""
    try:
        answer = client.resolve(name, kind, lifetime=SECONDS)
    except (resolver.NoAnswer, resolver.NXDOMAIN):
        return ()
    except (exception.DNSException, OSError):
        return None
    return _record_value_texts(answer)


def _record_value_texts(values: Iterable[Rdata]) -> tuple[str, ...]:
    texts = sorted({item.to_text()[:MAX_VALUE_LENGTH] for item in values})
    return tuple(map(_canonical_address, texts[:MAX_VALUES]))


def _canonical_address(text: str) -> str:
    """Return an address in its usual form; other values unchanged."""
    try:
        return str(ip_address(text))
    except ValueError:
        return text


def _dns_name_text(name: Name) -> str:
    return name.to_text(omit_final_dot=True)[:MAX_VALUE_LENGTH]

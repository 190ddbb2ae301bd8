"""DNS records of public names, asked from the control machine as the world sees them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import ip_address

from chautari.preflight.requirements import NodeRequirements
from chautari.report.model import Refusal

SECONDS = 6.0
# Records by kind (A, AAAA) and name; None where the name servers gave no answer.
Records = Mapping[tuple[str, str], tuple[str, ...] | None]
Answers = dict[tuple[str, str], tuple[str, ...] | None]


def lookup_dns_records(names: Iterable[str], server: str = "") -> Answers:
    """Return the A and AAAA records of `names`; None where no name server answered in time.

    `server` is the IP address of the name server to ask; the system's are asked without one.
    """
    # Imported here: most deploys ask nothing.
    from dns import exception, resolver

    client = resolver.Resolver(configure=not server)
    if server:
        client.nameservers = [server]
    found: Answers = {}
    for name in names:
        for kind in ("A", "AAAA"):
            try:
                answer = client.resolve(f"{name}.", kind, lifetime=SECONDS)
                found[kind, name] = tuple(sorted(item.to_text() for item in answer))
            except (resolver.NoAnswer, resolver.NXDOMAIN):
                found[kind, name] = ()
            except exception.DNSException:
                found[kind, name] = None
    return found


def refusals_for_records(records: Records, required: NodeRequirements) -> list[Refusal]:
    """Return what is wrong with the names' DNS records; names without an answer are left out.

    Browsers reach the media of meetings by the name's address, and the server announces the node's.
    Where the two differ, people see each other and hear nothing.
    """
    refusals = []
    for name in required.names:
        for kind, right in (("A", required.address), ("AAAA", required.address6)):
            answer = records.get((kind, name))
            if answer is None or _is_only_address(answer, right):
                continue
            code = "record_wrong" if answer else "record_missing"
            data = {"kind": kind, "name": name, "right": right, "found": list(answer)}
            refusals.append(Refusal(code, data))
    return refusals + _refusals_for_domain(records, required)


def _refusals_for_domain(records: Records, required: NodeRequirements) -> list[Refusal]:
    """Return a refusal if the region's domain points to another machine.

    A website may be there. To change the record would take it off the net, so the region says
    whether the domain or another name is meant.
    """
    for kind, right in (("A", required.address), ("AAAA", required.address6)):
        answer = records.get((kind, required.domain))
        if answer and not _is_only_address(answer, right):
            data = {"kind": kind, "name": required.domain, "right": right, "found": list(answer)}
            data["service"] = required.service_at_domain
            return [Refusal("domain_elsewhere", data)]
    return []


def _is_only_address(answer: tuple[str, ...], right: str) -> bool:
    return {ip_address(item) for item in answer} == ({ip_address(right)} if right else set())

"""The records that a region needs at its DNS provider: A, AAAA and CAA."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import urlsplit

from chautari.language import _
from chautari.region.model import Node, Region

TTL_SECONDS = 3600
ADDRESS_KINDS = ("A", "AAAA")
# The names by which CAA records allow an authority, by the host of its ACME directory. Sources:
# letsencrypt.org/docs/caa, zerossl.com/help/faqs, buypass.com (Go SSL), pki.goog/repo/cps.
CAA_ISSUERS = {
    "acme-v02.api.letsencrypt.org": "letsencrypt.org",
    "acme-staging-v02.api.letsencrypt.org": "letsencrypt.org",
    "acme.zerossl.com": "sectigo.com",
    "api.buypass.com": "buypass.com",
    "dv.acme-v02.api.pki.goog": "pki.goog",
}


class DesiredRecord(NamedTuple):
    """One record of the region.

    Attributes:
        name: the full DNS name, without a dot at its end.
        kind: A, AAAA or CAA.
        value: the only value that is right; empty if the name must have no record of this kind.
        purpose: the service that answers under the name, the node that has it, or `certificates`.
        required: whether something does not work without the record.
    """

    name: str
    kind: str
    value: str
    purpose: str
    required: bool = True


def desired_records(region: Region) -> tuple[DesiredRecord, ...]:
    """Return the records of every public name, sorted by name.

    TURN servers answer under the names of their meeting service, so they need no others.
    """
    found = [*_service_records(region), *_node_records(region), *_caa_records(region)]
    return tuple(sorted(found, key=lambda record: (record.name.split(".")[::-1], record.kind)))


def caa_issuer(region: Region) -> str:
    """Return the name that a CAA record must allow; empty if the authority's name is not known.

    The authority of a sandbox has none.
    """
    if region.sandbox is not None:
        return ""
    return CAA_ISSUERS.get(urlsplit(region.acme.directory).hostname or "", "")


def caa_value(issuer: str) -> str:
    """Return the value of the record that allows `issuer`."""
    return f'0 issue "{issuer}"'


def public_names(region: Region) -> tuple[str, ...]:
    """Return the names for which services ask certificates."""
    return tuple(dict.fromkeys(record.name for record in _service_records(region)))


def zone_file_text(region: Region, records: tuple[DesiredRecord, ...]) -> str:
    """Return the records as lines of a zone file."""
    title = _(
        "Records of the region {region} for the zone that contains {domain}",
        region=region.region,
        domain=region.domain,
    )
    lines = [f"; {title}"]
    lines += [
        f"{record.name}. {TTL_SECONDS} IN {record.kind} {record.value}"
        for record in records
        if record.value
    ]
    return "\n".join(lines) + "\n"


def _service_records(region: Region) -> Iterator[DesiredRecord]:
    for node_name, node in region.nodes.items():
        for service in region.services_with_public_name_on(node_name):
            name = region.public_name(service, node_name)
            yield from _address_records(name, node, service, required=True)


def _node_records(region: Region) -> Iterator[DesiredRecord]:
    """Yield the records of the nodes' own names, which mail names as its origin."""
    for name, node in region.nodes.items():
        yield from _address_records(region.fqdn(name), node, name, required=False)


def _caa_records(region: Region) -> Iterator[DesiredRecord]:
    if issuer := caa_issuer(region):
        yield DesiredRecord(region.domain, "CAA", caa_value(issuer), "certificates", required=False)


def _address_records(
    name: str, node: Node, purpose: str, *, required: bool
) -> Iterator[DesiredRecord]:
    """Yield both kinds: an address of a kind that the node lacks would lead people elsewhere."""
    by_version = {str(ip_address(text).version): text for text in node.addresses}
    for kind, version in zip(ADDRESS_KINDS, "46", strict=True):
        yield DesiredRecord(name, kind, by_version.get(version, ""), purpose, required=required)

"""Fetch a peer's descriptor from this machine; `transfer` has the limits."""

from __future__ import annotations

from urllib.parse import urlsplit

import certifi

from chautari.errors import BadInput
from chautari.federation import transfer
from chautari.federation.lookalikes import validate_domain_scripts
from chautari.federation.refusal import PeerRefused
from chautari.federation.transfer import (
    PATH,
    DescriptorAddress,
    PeerNetworkSettings,
    UnverifiedSignedDescriptor,
    fetch_descriptor_and_signature,
    fetch_files,
)
from chautari.federation.untrusted_json import AnswerRefused
from chautari.language import _
from chautari.preflight.dns_records import lookup_dns_records
from chautari.region.field_types import validate_domain
from chautari.render.endpoints import Endpoints


def parse_descriptor_url(url: str) -> DescriptorAddress:
    """Return the address in `url`: of a descriptor, or of the site that has one.

    Raises:
        BadInput: when it is another kind of address.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
        host = validate_domain_scripts(validate_domain(parts.hostname or ""))
    except ValueError as error:
        raise _invalid_url_error(str(error)) from None
    if parts.scheme != "https":
        raise _invalid_url_error(_("it does not begin with https://"))
    if parts.username is not None or parts.query or parts.fragment:
        raise _invalid_url_error(_("it contains more than a host and a path"))
    if parts.path not in ("", "/", PATH):
        raise _invalid_url_error(_("its path is not {path}", path=PATH))
    return DescriptorAddress(host, port or transfer.HTTPS)


def _invalid_url_error(reason: str) -> BadInput:
    return BadInput(
        _("this is not the address of a descriptor: {reason}", reason=reason),
        fix=_("write the address that the other group sent: https://DOMAIN{path}", path=PATH),
    )


def fetch_unverified_descriptor(
    address: DescriptorAddress, endpoints: Endpoints, seconds: float | None = None
) -> UnverifiedSignedDescriptor:
    """Return what the server at `address` sends within `seconds`, by default SECONDS.

    Raises:
        PeerRefused: when there is no complete answer within the limits.
    """
    try:
        return fetch_descriptor_and_signature(address, _network_settings(endpoints), seconds)
    except AnswerRefused as refused:
        raise PeerRefused(refused.code, **refused.data) from None


def fetch_file(
    address: DescriptorAddress, path: str, max_bytes: int, endpoints: Endpoints
) -> bytes:
    """Return another file of the server at `address`, under the same limits.

    Raises:
        PeerRefused: when there is no complete answer within the limits.
    """
    try:
        [content] = fetch_files(address, {path: max_bytes}, _network_settings(endpoints))
    except AnswerRefused as refused:
        raise PeerRefused(refused.code, **refused.data) from None
    return content


def _network_settings(endpoints: Endpoints) -> PeerNetworkSettings:
    return PeerNetworkSettings(
        lambda host: ip_addresses_of_host(host, endpoints),
        endpoints.peer_networks,
        str(endpoints.ca_file or certifi.where()),
    )


def ip_addresses_of_host(host: str, endpoints: Endpoints) -> list[str]:
    """Return the addresses of `host`, IPv4 first."""
    records = lookup_dns_records([host], endpoints.resolver or "")
    return [item for kind in ("A", "AAAA") for item in records.get((kind, host)) or ()]

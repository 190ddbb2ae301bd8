"""Fetch a peer's descriptor from a server that may be hostile.

Only HTTPS, no redirects, a size limit and one time limit for everything. Names must resolve to
public addresses, and the connection goes to the very address that was checked, so that a name
server cannot answer differently a second time.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import NamedTuple
from urllib.parse import urlsplit

import certifi

from chautari.errors import BadInput
from chautari.federation import signature, untrusted_json
from chautari.federation.descriptor import PATH
from chautari.federation.lookalikes import check_scripts
from chautari.federation.refusal import PeerRefused
from chautari.parallel import call_within
from chautari.preflight.dns_records import lookup_dns_records
from chautari.region.field_types import check_domain
from chautari.render.endpoints import Endpoints

HTTPS = 443
SECONDS = 30.0  # for both files: names, connections and answers on a slow link
CONNECT_SECONDS = 10.0  # for one address
MAX_ADDRESSES = 4  # that are tried; a name server may send hundreds
SIGNATURE_SUFFIX = ".sig"
# Not for machines of others, although some releases of Python call them global: the whole of what
# RFC 6890 reserves for protocols (Oracle's metadata is there), and the metadata of Azure.
_RESERVED = tuple(map(ip_network, ("192.0.0.0/24", "168.63.129.16/32")))
_GLOBAL_UNICAST = ip_network("2000::/3")  # all that IANA gives to providers (RFC 4291)
_NAT64 = ip_network("64:ff9b::/96")  # how networks without IPv4 reach it (RFC 6052)


class DescriptorAddress(NamedTuple):
    """Where a descriptor is published."""

    host: str
    port: int

    @property
    def host_header(self) -> str:
        """Return the host, with the port if it is not that of HTTPS."""
        return self.host if self.port == HTTPS else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """Return the URL of the descriptor."""
        return f"https://{self.host_header}{PATH}"


class SignedDescriptor(NamedTuple):
    """The bytes that a server sent: a descriptor and its signature, neither of them checked."""

    content: bytes
    signature: bytes


def parse_address(url: str) -> DescriptorAddress:
    """Return the address in `url`: of a descriptor, or of the site that has one.

    Raises:
        BadInput: when it is another kind of address.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
        host = check_scripts(check_domain(parts.hostname or ""))
    except ValueError as error:
        raise _bad_address(str(error)) from None
    if parts.scheme != "https":
        raise _bad_address("it does not begin with https://")
    if parts.username is not None or parts.query or parts.fragment:
        raise _bad_address("it contains more than a host and a path")
    if parts.path not in ("", "/", PATH):
        raise _bad_address(f"its path is not {PATH}")
    return DescriptorAddress(host, port or HTTPS)


def _bad_address(reason: str) -> BadInput:
    return BadInput(
        f"this is not the address of a descriptor: {reason}",
        fix=f"write the address that the other group sent: https://DOMAIN{PATH}",
    )


def fetch_descriptor(address: DescriptorAddress, endpoints: Endpoints) -> SignedDescriptor:
    """Return what the server at `address` sends.

    Raises:
        PeerRefused: when there is no complete answer within the limits.
    """
    exchange = _Exchange(address, endpoints)
    try:
        return call_within(SECONDS, exchange.run)
    except TimeoutError:
        raise PeerRefused("too_slow", host=address.host, seconds=int(SECONDS)) from None
    finally:
        exchange.abort()


def public_addresses(host: str, endpoints: Endpoints) -> list[str]:
    """Return the addresses of `host`, IPv4 first.

    Raises:
        PeerRefused: when there is none, or one of them is not public.
    """
    records = lookup_dns_records([host], endpoints.resolver or "")
    found = [item for kind in ("A", "AAAA") for item in records.get((kind, host)) or ()]
    if not found:
        raise PeerRefused("name_unresolved", host=host)
    for item in found:
        if not is_allowed(item, endpoints):
            raise PeerRefused("address_not_public", host=host, address=item)
    return found


def is_allowed(item: str, endpoints: Endpoints) -> bool:
    """Return whether a peer may have this address: a public one, or one of the surroundings'."""
    address = ip_address(item)
    if any(address in ip_network(network) for network in endpoints.peer_networks):
        return True
    inner = _embedded_ipv4(address)
    if inner is not None:
        return _is_public(inner) and (address in _NAT64 or _is_public(address))
    return _is_public(address)


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv6Address) and address not in _GLOBAL_UNICAST:
        return False
    if any(address in network for network in _RESERVED):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved)


def _embedded_ipv4(address: IPv4Address | IPv6Address) -> IPv4Address | None:
    """Return the IPv4 address that a router takes out of an IPv6 address, if any."""
    if isinstance(address, IPv4Address):
        return None
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]


def _cause(error: Exception) -> str:
    """Return why there was no answer, in words of this machine: none come from the server."""
    if isinstance(error, ssl.SSLError):
        return "TLS: " + (error.reason or "interrupted").replace("_", " ").lower()
    return getattr(error, "strerror", None) or type(error).__name__


class _Exchange:
    """The requests for both files; another thread ends them when they take too long."""

    def __init__(self, address: DescriptorAddress, endpoints: Endpoints) -> None:
        self._address, self._endpoints = address, endpoints
        self._socket: socket.socket | None = None
        self._ended = False

    def run(self) -> SignedDescriptor:
        """Fetch both files."""
        addresses = public_addresses(self._address.host, self._endpoints)
        content = self._get(addresses, PATH, untrusted_json.MAX_BYTES)
        found = self._get(addresses, PATH + SIGNATURE_SUFFIX, signature.MAX_BYTES)
        return SignedDescriptor(content, found)

    def abort(self) -> None:
        """Close the connection, so that the thread which reads from it ends."""
        self._ended = True
        if self._socket is not None:
            # Not SSLSocket.shutdown: it would let the other thread go on reading without TLS.
            with contextlib.suppress(OSError):
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def _get(self, addresses: list[str], path: str, limit: int) -> bytes:
        host = self._address.host
        try:
            with self._connect(addresses) as tls:
                return self._read(tls, path, limit)
        except ssl.SSLCertVerificationError as error:
            raise PeerRefused(
                "certificate_invalid", host=host, detail=error.verify_message
            ) from None
        # ValueError: what http.client says of some garbled answers.
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise PeerRefused("no_answer", host=host, detail=_cause(error)) from None

    def _connect(self, addresses: list[str]) -> ssl.SSLSocket:
        """Connect to the first address that answers, and check the certificate for the name."""
        plain = self._connect_plain(addresses)
        context = ssl.create_default_context(cafile=self._endpoints.ca_file or certifi.where())
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        tls = context.wrap_socket(
            plain, server_hostname=self._address.host, do_handshake_on_connect=False
        )
        self._socket = tls
        try:
            if self._ended:
                self.abort()
            tls.do_handshake()
        except BaseException:
            tls.close()
            raise
        return tls

    def _connect_plain(self, addresses: list[str]) -> socket.socket:
        *others, last = addresses[:MAX_ADDRESSES]
        for item in others:
            with contextlib.suppress(OSError):
                if self._ended:
                    break
                return socket.create_connection((item, self._address.port), CONNECT_SECONDS)
        return socket.create_connection((last, self._address.port), CONNECT_SECONDS)

    def _read(self, tls: ssl.SSLSocket, path: str, limit: int) -> bytes:
        host = self._address.host
        connection = http.client.HTTPConnection(host, self._address.port)
        connection.auto_open = 0  # a second connection would not be checked
        connection.sock = tls
        headers = {
            "Host": self._address.host_header,
            "Accept-Encoding": "identity",
            "Connection": "close",
            "User-Agent": "chautari",
        }
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        if 300 <= answer.status < 400:
            raise PeerRefused("redirected", host=host)
        if answer.status != http.client.OK:
            raise PeerRefused("http_status", host=host, path=path, status=answer.status)
        if answer.getheader("Content-Encoding", "identity") != "identity":
            raise PeerRefused("compressed", host=host)
        content = answer.read(limit + 1)
        if len(content) > limit:
            raise PeerRefused("too_large", limit=limit >> 10)
        if answer.length:  # bytes that were announced and did not arrive
            raise PeerRefused("no_answer", host=host, detail="IncompleteRead")
        return content

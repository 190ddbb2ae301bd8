"""Fetch a descriptor and its signature from a server that may be hostile.

Only HTTPS, no redirects, a size limit and one time limit for everything. Names must resolve to
public addresses, and the connection goes to the very address that was checked, so that a name
server cannot answer differently a second time.

This module and the ones that it imports need only Python's standard library: nodes use them too.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from chautari.federation import untrusted_json
from chautari.federation.public_addresses import is_allowed_peer_address
from chautari.federation.untrusted_json import AnswerRefused
from chautari.parallel import call_within

NAMESPACE = "chautari-region"
PATH = "/.well-known/chautari/region.json"
SIGNATURE_SUFFIX = ".sig"
MAX_SIGNATURE_BYTES = 2 << 10
HTTPS = 443
SECONDS = 30.0  # for both files: names, connections and answers on a slow link
CONNECT_SECONDS = 10.0  # for one address
MAX_ADDRESSES = 4  # that are tried; a name server may send hundreds


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


class UnverifiedSignedDescriptor(NamedTuple):
    """The bytes that a server sent: a descriptor and its signature, neither of them checked."""

    content: bytes
    signature: bytes


class PeerNetworkSettings(NamedTuple):
    """Where peers are looked for.

    Attributes:
        resolve: returns the addresses of a name, in the order in which they are tried.
        peer_networks: networks without public addresses in which peers may be.
        ca_file: certificates of the authorities that count; None for the system's.
    """

    resolve: Callable[[str], Sequence[str]]
    peer_networks: Sequence[str] = ()
    ca_file: str | None = None


def fetch_descriptor_and_signature(
    address: DescriptorAddress, surroundings: PeerNetworkSettings, seconds: float | None = None
) -> UnverifiedSignedDescriptor:
    """Return what the server at `address` sends within `seconds`, by default SECONDS.

    Raises:
        AnswerRefused: when there is no complete answer within the limits.
    """
    limits = {PATH: untrusted_json.MAX_BYTES, PATH + SIGNATURE_SUFFIX: MAX_SIGNATURE_BYTES}
    return UnverifiedSignedDescriptor(*fetch_files(address, limits, surroundings, seconds))


def fetch_files(
    address: DescriptorAddress,
    limits: Mapping[str, int],
    surroundings: PeerNetworkSettings,
    seconds: float | None = None,
) -> list[bytes]:
    """Return the files that the server at `address` sends within `seconds`, by default SECONDS.

    Args:
        limits: the largest size of each file in bytes, by its path.

    Raises:
        AnswerRefused: when there is no complete answer within the limits.
    """
    exchange, limit = _TimeLimitedFileRequests(address, limits, surroundings), seconds or SECONDS
    try:
        return call_within(limit, exchange.run)
    except TimeoutError:
        raise AnswerRefused("too_slow", host=address.host, seconds=int(limit)) from None
    finally:
        exchange.abort()


def require_public_addresses(
    host: str, addresses: Sequence[str], peer_networks: Iterable[str]
) -> None:
    """Refuse a name without an address, or with one that is not public.

    Raises:
        AnswerRefused: with the first address that is not allowed.
    """
    if not addresses:
        raise AnswerRefused("name_unresolved", host=host)
    for item in addresses:
        if not is_allowed_peer_address(item, peer_networks):
            raise AnswerRefused("address_not_public", host=host, address=item)


def _connection_error_text(error: Exception) -> str:
    """Return why there was no answer, in words of this machine: none come from the server."""
    if isinstance(error, ssl.SSLError):
        return "TLS: " + (error.reason or "interrupted").replace("_", " ").lower()
    return getattr(error, "strerror", None) or type(error).__name__


class _TimeLimitedFileRequests:
    """The requests for some files; another thread ends them when they take too long."""

    def __init__(
        self,
        address: DescriptorAddress,
        limits: Mapping[str, int],
        surroundings: PeerNetworkSettings,
    ) -> None:
        self._address, self._limits, self._surroundings = address, limits, surroundings
        self._socket: socket.socket | None = None
        self._ended = False

    def run(self) -> list[bytes]:
        """Fetch the files, one after the other."""
        host = self._address.host
        addresses = list(self._surroundings.resolve(host))
        require_public_addresses(host, addresses, self._surroundings.peer_networks)
        return [self._get_file(addresses, path, limit) for path, limit in self._limits.items()]

    def abort(self) -> None:
        """Close the connection, so that the thread which reads from it ends."""
        self._ended = True
        if self._socket is not None:
            # Not SSLSocket.shutdown: it would let the other thread go on reading without TLS.
            with contextlib.suppress(OSError):
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def _get_file(self, addresses: list[str], path: str, limit: int) -> bytes:
        host = self._address.host
        try:
            with self._connect_tls(addresses) as tls:
                return self._read_answer(tls, path, limit)
        except ssl.SSLCertVerificationError as error:
            raise AnswerRefused(
                "certificate_invalid", host=host, detail=error.verify_message
            ) from None
        # ValueError: what http.client says of some garbled answers.
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise AnswerRefused(
                "no_answer", host=host, detail=_connection_error_text(error)
            ) from None

    def _connect_tls(self, addresses: list[str]) -> ssl.SSLSocket:
        """Connect to the first address that answers, and check the certificate for the name."""
        plain = self._connect_tcp(addresses)
        context = ssl.create_default_context(cafile=self._surroundings.ca_file)
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

    def _connect_tcp(self, addresses: list[str]) -> socket.socket:
        *others, last = addresses[:MAX_ADDRESSES]
        for item in others:
            with contextlib.suppress(OSError):
                if self._ended:
                    break
                return socket.create_connection((item, self._address.port), CONNECT_SECONDS)
        return socket.create_connection((last, self._address.port), CONNECT_SECONDS)

    def _read_answer(self, tls: ssl.SSLSocket, path: str, limit: int) -> bytes:
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
            raise AnswerRefused("redirected", host=host)
        if answer.status != http.client.OK:
            raise AnswerRefused("http_status", host=host, path=path, status=answer.status)
        if answer.getheader("Content-Encoding", "identity") != "identity":
            raise AnswerRefused("compressed", host=host)
        content = answer.read(limit + 1)
        if len(content) > limit:
            raise AnswerRefused("too_large", limit=limit >> 10)
        if answer.length:  # bytes that were announced and did not arrive
            raise AnswerRefused("no_answer", host=host, detail="IncompleteRead")
        return content

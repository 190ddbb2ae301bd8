"""What the nginx role promises, seen from elsewhere."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from typing import Any

import pytest
import requests

pytestmark = pytest.mark.role("nginx")

STRANGER = "stranger.invalid"
REFUSALS = (400, 403, 404, 421)


def addresses(
    settings: dict[str, Any], resolver_of_reachable_addresses: Callable[[str], list[str]]
) -> list[str]:
    """Where the node's names lead to."""
    names = settings.get("nginx_names", [])
    return sorted({address for name in names for address in resolver_of_reachable_addresses(name)})


def connect(address: str, port: int) -> socket.socket:
    """A connection to the node; a check fails plainly when there is none."""
    try:
        return socket.create_connection((address, port), timeout=20)
    except OSError as error:
        pytest.fail(f"{address} does not respond on port {port}: {error}", pytrace=False)


def status_for(address: str, name: str) -> int | None:
    """The status that a plain request for the name gets, or None when the connection is closed."""
    request = f"GET / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n"
    with connect(address, 80) as connection:
        connection.sendall(request.encode())
        try:
            first = connection.makefile("rb").readline().split()
        except ConnectionResetError:
            return None
    return int(first[1]) if len(first) > 1 else None


def trusting_context() -> ssl.SSLContext:
    """A TLS client that takes any certificate: here only the handshake counts."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def is_refused(context: ssl.SSLContext, address: str, name: str) -> bool:
    """Whether the server turns the handshake down."""
    with connect(address, 443) as connection:
        try:
            context.wrap_socket(connection, server_hostname=name).close()
        except (ssl.SSLError, ConnectionError):
            return True
    return False


@pytest.mark.advice(
    "Open TCP port 80 to the node. The renewal of certificates needs this port too.",
    units=["nginx"],
)
def test_http_redirects_to_https(settings: dict[str, Any], web: requests.Session) -> None:
    """HTTP redirects to HTTPS"""
    for name in settings.get("nginx_names", []):
        try:
            answer = web.get(f"http://{name}/some/path?a=b", allow_redirects=False, timeout=20)
        except requests.RequestException as error:
            pytest.fail(f"{name} does not respond on port 80: {error}", pytrace=False)
        assert answer.status_code in (301, 308), f"{name} returns status {answer.status_code}"
        assert answer.headers["Location"] == f"https://{name}/some/path?a=b"


@pytest.mark.advice("Check /etc/nginx/sites-enabled for other servers.", units=["nginx"])
def test_unknown_host_is_refused(
    settings: dict[str, Any], resolver_of_reachable_addresses: Callable[[str], list[str]]
) -> None:
    """HTTP requests for unknown names are refused"""
    for address in addresses(settings, resolver_of_reachable_addresses):
        status = status_for(address, STRANGER)
        assert status is None or status in REFUSALS, f"{address} returns status {status}"


@pytest.mark.advice("Check /etc/nginx/sites-enabled for other servers.", units=["nginx"])
def test_unknown_name_gets_no_certificate(
    settings: dict[str, Any], resolver_of_reachable_addresses: Callable[[str], list[str]]
) -> None:
    """TLS connections for unknown names are refused"""
    context = trusting_context()
    for address in addresses(settings, resolver_of_reachable_addresses):
        assert is_refused(context, address, STRANGER), f"{address} sends a certificate"


@pytest.mark.advice("Deploy again, because old protocols are not safe.", units=["nginx"])
def test_old_protocols_are_refused(
    settings: dict[str, Any], resolver_of_reachable_addresses: Callable[[str], list[str]]
) -> None:
    """TLS older than 1.2 is refused"""
    for name in settings.get("nginx_names", []):
        for address in resolver_of_reachable_addresses(name):
            context = trusting_context()
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = ssl.TLSVersion.TLSv1_1
            assert is_refused(context, address, name), (
                f"{name} at {address} accepts an old protocol"
            )

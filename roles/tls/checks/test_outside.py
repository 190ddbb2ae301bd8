"""What the tls role promises, seen from elsewhere."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.role("tls")

DAYS_LEFT = 20


def certificate_at(address: str, name: str, ca_file: str) -> dict[str, Any]:
    """The verified certificate that the address shows for the name."""
    context = ssl.create_default_context(cafile=ca_file)
    with (
        socket.create_connection((address, 443), timeout=20) as connection,
        context.wrap_socket(connection, server_hostname=name) as channel,
    ):
        return dict(channel.getpeercert() or {})


@pytest.mark.advice(
    "Create an A record for each expected IPv4 address, and an AAAA record"
    " for each expected IPv6 address. Remove other A and AAAA records.",
    units=[],
)
def test_names_lead_to_the_node(
    settings: dict[str, Any], resolve: Callable[[str], set[str]]
) -> None:
    """DNS returns only the node's addresses"""
    for entry in settings.get("tls_certificates", []):
        name, wanted = entry["name"], set(entry["addresses"])
        found = resolve(name)
        assert found, f"DNS returns no address for {name}; expected {', '.join(sorted(wanted))}"
        assert found <= wanted, (
            f"DNS returns {', '.join(sorted(found))} for {name}; "
            f"expected {', '.join(sorted(wanted))}"
        )


@pytest.mark.advice(
    "Read what the role tls reported in the last deploy. Open TCP ports 80 and 443 to the node.",
    units=["nginx", "certbot"],
)
def test_certificates_are_valid_and_last(
    settings: dict[str, Any],
    resolver_of_reachable_addresses: Callable[[str], list[str]],
    ca_file: str,
) -> None:
    """The certificate chain is valid for more than 20 days"""
    for entry in settings.get("tls_certificates", []):
        name = entry["name"]
        for address in resolver_of_reachable_addresses(name):
            try:
                certificate = certificate_at(address, name, ca_file)
            except (OSError, ssl.SSLError) as error:
                pytest.fail(f"{name} at {address}: {error}", pytrace=False)
            ends = ssl.cert_time_to_seconds(certificate["notAfter"])
            days = (ends - time.time()) / 86400
            assert days > DAYS_LEFT, f"the certificate of {name} expires in {days:.0f} days"

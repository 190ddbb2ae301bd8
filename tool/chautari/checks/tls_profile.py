"""Offers to a TLS server what Mozilla's intermediate profile excludes, one handshake an offer."""

from __future__ import annotations

import ipaddress
import re
import subprocess
from collections.abc import Iterable
from typing import NamedTuple

PROFILE = (
    "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-RSA-CHACHA20-POLY1305",
    "DHE-RSA-AES128-GCM-SHA256", "DHE-RSA-AES256-GCM-SHA384", "DHE-RSA-CHACHA20-POLY1305",
)  # fmt: skip
# Without the lowest level of security, OpenSSL does not offer old protocols and suites.
ANY = "ALL:COMPLEMENTOFALL:@SECLEVEL=0"
OTHER = ":".join((ANY, *(f"!{suite}" for suite in PROFILE)))
SECONDS = 5
Address = tuple[str, int]


class Offer(NamedTuple):
    """What a client offers, and nothing else: options of `openssl s_client`."""

    label: str
    options: tuple[str, ...] = ()


EXCLUDED = (
    Offer("TLS 1.0", ("-tls1", "-cipher", ANY)),
    Offer("TLS 1.1", ("-tls1_1", "-cipher", ANY)),
    Offer("cipher suites outside Mozilla's intermediate profile", ("-tls1_2", "-cipher", OTHER)),
    *(Offer(f"group {name}", ("-groups", name)) for name in ("X448", "P-521", "ffdhe2048")),
)
USUAL = Offer("the usual protocols and cipher suites")


def negotiated_version_and_suite_text(
    address: Address, name: str, offer: Offer, starttls: str = ""
) -> str:
    """Return what the server took of an offer (version and suite), or "" if it refused.

    `starttls` is the protocol that asks for TLS first, such as xmpp. Python's ssl would need no
    process, but older versions offer no groups outside of NIST's.

    Raises:
        RuntimeError: when openssl here made no offer, so that the server's answer is unknown.
    """
    host, port = address
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    argv = ["openssl", "s_client", "-msg", "-connect", place, "-servername", name, *offer.options]
    if starttls:
        argv += ["-starttls", starttls, "-xmpphost", name]
    try:
        ended = subprocess.run(argv, input=b"", capture_output=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return ""
    done = ended.stdout
    # A server that speaks another protocol may end the connection before the usual offer.
    if (b"ClientHello" if offer.options else b"CONNECTED(") not in done:
        raise RuntimeError(
            f"openssl on this machine did not offer {offer.label}: {ended.stderr[-200:]!r}"
        )
    found = re.search(rb"^New, (?!\(NONE\))(\S+), Cipher is (\S+)", done, re.M)
    return " ".join(part.decode() for part in found.groups()) if found else ""


def public_listeners(listing: str) -> list[Address]:
    """Return where programs listen for other machines, from the output of `ss -Hltn`."""
    found = set()
    for line in listing.splitlines():
        host, _, port = line.split()[3].rpartition(":")
        host = host.strip("[]").partition("%")[0]
        address = None if host == "*" else ipaddress.ip_address(host)
        if address is None or address.is_unspecified:
            found.add(("::1" if host == "::" else "127.0.0.1", int(port)))
        elif not address.is_loopback:
            found.add((host, int(port)))
    return sorted(found)


def names_served_over_tls(address: Address, names: Iterable[str]) -> list[str]:
    """Return the names for which the server completes a usual handshake."""
    return [name for name in names if negotiated_version_and_suite_text(address, name, USUAL)]


def accepted_offers_outside_profile(address: Address, name: str, starttls: str = "") -> list[str]:
    """Return each excluded offer that the server took."""
    return [
        f"{offer.label} ({found})"
        for offer in EXCLUDED
        if (found := negotiated_version_and_suite_text(address, name, offer, starttls))
    ]

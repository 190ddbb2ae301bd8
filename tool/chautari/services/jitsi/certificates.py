"""The certificates of XMPP servers: of the own one, and those that peers send.

`cryptography` takes long to load, and few regions need it: import this module inside a function.
"""

from __future__ import annotations

import base64
import datetime
import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from chautari.key_pairs import load_rsa_key

_FROM = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
_UNTIL = datetime.datetime(2046, 1, 1, tzinfo=datetime.UTC)


class CertificateContent(NamedTuple):
    """What a certificate may be used for.

    Attributes:
        is_authority: whether its key can sign other certificates.
        hosts: the host names that it is for.
        has_other_names: whether it is for anything else, such as an address.
    """

    is_authority: bool
    hosts: frozenset[str]
    has_other_names: bool


def xmpp_server_certificate(key: str, domain: str, names: Sequence[str]) -> str | None:
    """Return the certificate of the XMPP server of `domain`; None if `key` is no RSA key.

    Nodes trust it as it is. It is not an authority's, so its key cannot vouch for another name.
    The result depends on the arguments only: RSA signatures involve no random numbers.
    """
    private = load_rsa_key(key)
    if private is None:
        return None
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, names[0][:64])])
    serial = int.from_bytes(hashlib.sha256(domain.encode()).digest()[:8], "big")
    hosts = x509.SubjectAlternativeName([x509.DNSName(item) for item in names])
    return (
        x509.CertificateBuilder(subject, subject, private.public_key(), serial, _FROM, _UNTIL)
        .add_extension(hosts, critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(private, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
        .decode()
    )


def read_certificate(text: str) -> CertificateContent:
    """Return what a certificate (DER in base64) may be used for.

    Raises:
        ValueError: when it cannot be read, or does not say what it may be used for.
    """
    try:
        found = x509.load_der_x509_certificate(base64.b64decode(text, validate=True))
        limits = found.extensions.get_extension_for_class(x509.BasicConstraints).value
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        hosts = names.get_values_for_type(x509.DNSName)
        others = len(list(names)) - len(hosts)
    except (x509.ExtensionNotFound, x509.UnsupportedGeneralNameType) as error:
        raise ValueError(str(error)) from error
    return CertificateContent(limits.ca, frozenset(hosts), others > 0)

"""Releases in a catalogue of apps: their address, and the signature over their archive.

The catalogue has a certificate of each app. It counts only if an authority issued it whose own
certificate has a pinned fingerprint, if it names the app, and if it is not revoked.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.x509.oid import NameOID

from chautari.deploy.pinning.download import AllowedServers, fetch_small_file
from chautari.deploy.pinning.refusal import PinRefused
from chautari.deploy.pinning.signatures import file_digest
from chautari.language import _
from chautari.services.artifact_sources import AppCatalogue, ArtifactSource
from chautari.services.artifacts import version_key
from chautari.services.release_tags import VERSION

MAX_CATALOGUE = 128 << 20  # the real one has about 20 MB
MAX_CERTIFICATES = 1 << 20


class CatalogueRelease(NamedTuple):
    """A release of an app as a catalogue lists it; nothing in it is checked yet."""

    version: str
    url: str
    signature: str
    certificate: str


def find_release(
    source: ArtifactSource, version: str, platform: str, content: bytes
) -> CatalogueRelease:
    """Return a release in the `content` of a catalogue; without a `version` the newest one.

    Raises:
        PinRefused: when this is no catalogue, or it has no such release.
    """
    catalogue = source.catalogue
    assert catalogue is not None
    found = list(_stable_releases(content, source.name, catalogue.name))
    if version:
        found = [item for item in found if item.version == version]
    if not found:
        raise PinRefused(
            "not_in_catalogue", catalogue=catalogue.name, name=source.name, version=version,
            platform=platform,
        )  # fmt: skip
    newest = max(found, key=lambda item: version_key(item.version))
    if not newest.url.startswith(source.url.format(newest.version)):
        raise PinRefused(
            "published_elsewhere", catalogue=catalogue.name, name=source.name, url=newest.url[:200]
        )
    return newest


def _stable_releases(content: bytes, app: str, catalogue: str) -> Iterator[CatalogueRelease]:
    """Yield the releases of an app that are for everyone: no nightly and no test release."""
    try:
        entries = [item for item in json.loads(content) if item["id"] == app]
        for entry in entries:
            for release in entry["releases"]:
                if release["isNightly"] or not VERSION.fullmatch(release["version"]):
                    continue
                yield CatalogueRelease(
                    release["version"],
                    _text_value_of_key(release, "download"),
                    _text_value_of_key(release, "signature"),
                    _text_value_of_key(entry, "certificate"),
                )
    except (ValueError, KeyError, TypeError, RecursionError):
        raise PinRefused("catalogue_unreadable", catalogue=catalogue) from None


def _text_value_of_key(data: Mapping[str, Any], key: str) -> str:
    value = data[key]
    if not isinstance(value, str):
        raise TypeError(key)
    return value


def verified_app_signer(
    file: Path, release: CatalogueRelease, source: ArtifactSource, origin: AllowedServers
) -> str:
    """Check the signature over an app's archive, and return who signed it.

    Raises:
        PinRefused: when the certificate or the signature is not valid.
    """
    catalogue = source.catalogue
    assert catalogue is not None
    key = _verified_key_of_app(release.certificate, source.name, catalogue, origin)
    try:
        signature = base64.b64decode("".join(release.signature.split()), validate=True)
        digest = bytes.fromhex(file_digest(file, "sha512"))
        key.verify(signature, digest, padding.PKCS1v15(), Prehashed(hashes.SHA512()))
    except (InvalidSignature, binascii.Error):
        raise PinRefused("signature_invalid", name=source.name, version=release.version) from None
    return f"{source.name}, {catalogue.name}"


def _verified_key_of_app(
    pem: str, name: str, catalogue: AppCatalogue, origin: AllowedServers
) -> rsa.RSAPublicKey:
    """Return the key of an app's certificate, if its authority vouches for it."""
    authorities = _fetch_pinned_authorities(catalogue, origin)
    try:
        certificate = x509.load_pem_x509_certificate(pem.encode())
        issuer = next((item for item in authorities if item.subject == certificate.issuer), None)
        if issuer is None:
            raise ValueError(_("it names another issuer"))
        certificate.verify_directly_issued_by(issuer)
        names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        key = certificate.public_key()
        if not isinstance(key, rsa.RSAPublicKey):
            raise ValueError(_("its key is not an RSA key"))
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm) as error:
        detail = str(error)[:200] or _("its signature is not valid")
        raise PinRefused(
            "certificate_untrusted", name=name, catalogue=catalogue.name, detail=detail
        ) from None
    common = [str(item.value) for item in names]
    if common != [name]:
        raise PinRefused("certificate_of_other", name=name, found=", ".join(common)[:100])
    if _is_revoked(certificate, authorities, catalogue, origin):
        raise PinRefused("certificate_revoked", name=name)
    return key


def _fetch_pinned_authorities(
    catalogue: AppCatalogue, origin: AllowedServers
) -> list[x509.Certificate]:
    """Return the authority's certificates that have a pinned fingerprint."""
    content = fetch_small_file(catalogue.authority_url, MAX_CERTIFICATES, origin)
    try:
        found = x509.load_pem_x509_certificates(content)
    except ValueError:
        found = []
    pinned = [
        item for item in found if item.fingerprint(hashes.SHA256()).hex() in catalogue.authorities
    ]
    if not pinned:
        raise PinRefused("authority_unknown", catalogue=catalogue.name, url=catalogue.authority_url)
    return pinned


def _is_revoked(
    certificate: x509.Certificate,
    authorities: list[x509.Certificate],
    catalogue: AppCatalogue,
    origin: AllowedServers,
) -> bool:
    """Return whether the authority's list, which it has signed, names the certificate."""
    content = fetch_small_file(catalogue.revoked_url, MAX_CERTIFICATES, origin)
    try:
        revoked = x509.load_pem_x509_crl(content)
        keys = [item.public_key() for item in authorities]
        valid = any(
            isinstance(key, rsa.RSAPublicKey) and revoked.is_signature_valid(key) for key in keys
        )
    except (ValueError, TypeError):
        valid = False
    if not valid:
        raise PinRefused("authority_unknown", catalogue=catalogue.name, url=catalogue.revoked_url)
    return revoked.get_revoked_certificate_by_serial_number(certificate.serial_number) is not None

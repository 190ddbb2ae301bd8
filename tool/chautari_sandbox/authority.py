"""The sandbox's own certificate authority and the certificates of its servers."""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from chautari.files import write_atomically
from chautari.language import _

_LIFE = datetime.timedelta(days=3650)
_CA_USES = ("key_cert_sign", "crl_sign")
_SERVER_USES = ("digital_signature",)
_USES = (
    "digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
    "key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
)  # fmt: skip


@dataclass(frozen=True)
class CertificateAndKeyFiles:
    """A certificate and its private key, as files."""

    certificate: Path
    key: Path

    def load(self) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        """Load both files."""
        key = serialization.load_pem_private_key(self.key.read_bytes(), password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise TypeError(_("{key} is not a key that Chautari created", key=self.key))
        return x509.load_pem_x509_certificate(self.certificate.read_bytes()), key


def ensure_authority(folder: Path, name: str) -> CertificateAndKeyFiles:
    """Return the sandbox's CA, which the first call creates."""
    identity = CertificateAndKeyFiles(folder / "sandbox-ca.crt", folder / "sandbox-ca.key")
    if not (identity.certificate.is_file() and identity.key.is_file()):
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _x509_name(f"Chautari sandbox {name}")
        builder = _certificate_builder(subject, subject, key, key, _CA_USES).add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        )
        _write_identity(identity, builder.sign(key, hashes.SHA256()), key)
    return identity


def ensure_server_certificate(
    authority: CertificateAndKeyFiles, folder: Path, names: Sequence[str]
) -> CertificateAndKeyFiles:
    """Return a server certificate for names and addresses; its file has the first name."""
    identity = CertificateAndKeyFiles(folder / f"{names[0]}.crt", folder / f"{names[0]}.key")
    issuer, signer = authority.load()
    wanted = x509.SubjectAlternativeName([_alternative_name(name) for name in names])
    if _has_names_and_issuer(identity, wanted, issuer):
        return identity
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _certificate_builder(_x509_name(names[0]), issuer.subject, key, signer, _SERVER_USES)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
    builder = builder.add_extension(wanted, critical=False).add_extension(
        x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False
    )
    _write_identity(identity, builder.sign(signer, hashes.SHA256()), key)
    return identity


def _certificate_builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePrivateKey,
    uses: tuple[str, ...],
) -> x509.CertificateBuilder:
    start = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    known = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
    return (
        x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + _LIFE)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        .add_extension(known, critical=False)
        .add_extension(x509.KeyUsage(**{use: use in uses for use in _USES}), critical=True)
    )


def _has_names_and_issuer(
    identity: CertificateAndKeyFiles, names: x509.SubjectAlternativeName, issuer: x509.Certificate
) -> bool:
    if not (identity.certificate.is_file() and identity.key.is_file()):
        return False
    certificate, _ = identity.load()
    present = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return present.value == names and certificate.issuer == issuer.subject


def _write_identity(
    identity: CertificateAndKeyFiles, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey
) -> None:
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    write_atomically(identity.key, private, 0o600)
    write_atomically(identity.certificate, certificate.public_bytes(serialization.Encoding.PEM))


def _x509_name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _alternative_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)

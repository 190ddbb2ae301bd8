"""An upstream on loopback with three kinds of artifacts, which tests can tamper with.

`server` has published checksums and an OpenPGP signature, `app` a catalogue with certificates, and
`polls` nothing but its archive.
"""

from __future__ import annotations

import base64
import bz2
import datetime
import functools
import gzip
import hashlib
import http.server
import io
import json
import ssl
import tarfile
import threading
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from chautari.services.artifact_sources import AppCatalogue, ArtifactSource, OpenPGPSigner
from chautari_sandbox import openpgp
from chautari_sandbox.authority import ensure_authority, ensure_server_certificate
from chautari_sandbox.openpgp import SigningKey

DAY = datetime.timedelta(days=1)
VERSION = "3.0.1"
SERVER = "/releases/server-3.0.1.tar.bz2"
APP = "/app/v3.0.1/app-3.0.1.tar.gz"
POLLS = "/polls-3.0.1.zip"
BINARY = 0x00  # a signature over a file


@functools.cache
def rsa_key(name: str) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@functools.cache
def pgp_key(name: str) -> SigningKey:
    return SigningKey(rsa_key(f"pgp {name}"), f"{name} <{name}@example.org>", 1_700_000_000)


def detached(key: SigningKey, content: bytes) -> bytes:
    return openpgp._ascii_armor(
        "SIGNATURE", key._make_signature(BINARY, content, 1_750_000_000)
    ).encode()


def tar(files: dict[str, str], size: int = 0) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        folder = next(iter(files)).partition("/")[0]
        padding = {f"{folder}/padding": "".join(map(str, range(size)))}
        for name, text in (files | padding).items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text.encode()))
    return stream.getvalue()


def server_archive(version: str = VERSION) -> bytes:
    return bz2.compress(tar({"server/version.php": f"<?php\n$V = '{version}';\n"}, 9000))


def app_archive(version: str = VERSION, name: str = "app") -> bytes:
    info = f"<info><id>{name}</id><version>{version}</version></info>"
    return gzip.compress(tar({f"{name}/appinfo/info.xml": info}), mtime=0)


def polls_archive(version: str = VERSION, path: str = "polls/readme") -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(
            zipfile.ZipInfo("polls/constants.php"), f"<?php\nconst VERSION = '{version}';\n"
        )
        archive.writestr(zipfile.ZipInfo(path), "".join(map(str, range(2000))))
    return stream.getvalue()


def certificate(name: str, key: str, issuer: str, signer: str, serial: int = 7) -> x509.Certificate:
    def common(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder(common(issuer), common(name), rsa_key(key).public_key(), serial)
        .not_valid_before(now - DAY).not_valid_after(now + 100 * DAY)
        .add_extension(x509.BasicConstraints(ca=name == issuer, path_length=None), critical=True)
        .sign(rsa_key(signer), hashes.SHA256())
    )  # fmt: skip


def pem(item: x509.Certificate | x509.CertificateRevocationList) -> bytes:
    return item.public_bytes(serialization.Encoding.PEM)


AUTHORITY = certificate("Authority", "authority", "Authority", "authority", 1)


def revocations(*serials: int, signer: str = "authority") -> bytes:
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateRevocationListBuilder(AUTHORITY.subject, now - DAY, now + DAY)
    for serial in serials:
        builder = builder.add_revoked_certificate(
            x509.RevokedCertificateBuilder(serial, now - DAY).build()
        )
    return pem(builder.sign(rsa_key(signer), hashes.SHA256()))


def app_signature(content: bytes, key: str = "app") -> str:
    signed = rsa_key(key).sign(content, padding.PKCS1v15(), hashes.SHA512())
    return base64.encodebytes(signed).decode()


@dataclass
class Answer:
    """What the server sends for a path; `cuts` are the bytes after which it hangs up, once each."""

    content: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cuts: list[int] = field(default_factory=list)
    etag: str = '"one"'


class Upstream:
    """The server, and what it sends for each path."""

    def __init__(self, folder: Path) -> None:
        """Serve honest releases."""
        self.answers: dict[str, Answer] = {}
        self.requests: list[tuple[str, str]] = []
        authority = ensure_authority(folder, "test")
        self.ca_file = str(authority.certificate)
        found = ensure_server_certificate(authority, folder, ["localhost"])
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(found.certificate, found.key)
        handler = type("Handler", (_Handler,), {"upstream": self})
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        self.url = f"https://localhost:{self._server.server_address[1]}"
        self.publish_server(server_archive())
        self.publish_app(app_archive())
        self.put(POLLS, polls_archive())
        self.put("/root.crt", pem(AUTHORITY))
        self.put("/root.crl", revocations())

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def put(self, path: str, content: bytes, **changed: Any) -> None:
        self.answers[path] = Answer(content, **changed)

    def publish_server(self, content: bytes, key: SigningKey | None = None) -> None:
        name = SERVER.rpartition("/")[2]
        self.put(SERVER, content)
        for algorithm in ("sha256", "sha512"):
            digest = hashlib.new(algorithm, content).hexdigest()
            self.put(f"{SERVER}.{algorithm}", f"{digest}  {name}\n".encode())
        self.put(f"{SERVER}.asc", detached(key or pgp_key("upstream"), content))
        self.put("/key.asc", pgp_key("upstream").certificate().encode())

    def publish_app(self, content: bytes, **changed: Any) -> None:
        found = {
            "url": self.url + APP,
            "certificate": certificate("app", "app", "Authority", "authority"),
            "signature": app_signature(content),
            "version": VERSION,
        } | changed
        releases = [
            {
                "version": found["version"], "isNightly": False, "download": found["url"],
                "signature": found["signature"],
            },
            {"version": "9.0.0", "isNightly": True, "download": "", "signature": ""},
            {"version": "4.0.0-beta.1", "isNightly": False, "download": "", "signature": ""},
        ]  # fmt: skip
        entry = {"id": "app", "certificate": pem(found["certificate"]).decode()}
        other = {"id": "other", "certificate": "", "releases": []}
        self.put("/apps-35.json", json.dumps([other, entry | {"releases": releases}]).encode())
        self.put(APP, content)

    def sources(self) -> dict[str, ArtifactSource]:
        signer = OpenPGPSigner("Upstream", pgp_key("upstream").fingerprint, f"{self.url}/key.asc")
        catalogue = AppCatalogue(
            "the store", f"{self.url}/apps-{{}}.json", f"{self.url}/root.crt",
            (AUTHORITY.fingerprint(hashes.SHA256()).hex(),), f"{self.url}/root.crl",
            lambda _: "35",
        )  # fmt: skip
        found = (
            ArtifactSource(
                "server", f"{self.url}/releases/server-{{0}}.tar.bz2", "server/version.php",
                r"V = '([^']+)'", checksum_suffixes=(".sha256", ".sha512"), signer=signer,
            ),
            ArtifactSource(
                "app", f"{self.url}/app/v{{0}}/", "app/appinfo/info.xml",
                r"<version>([^<]+)</version>", catalogue=catalogue,
            ),
            ArtifactSource(
                "polls", f"{self.url}/polls-{{0}}.zip", "constants.php", r"VERSION = '([^']+)'",
                max_bytes=100_000,
            ),
        )  # fmt: skip
        return {source.name: source for source in found}


class _Handler(http.server.BaseHTTPRequestHandler):
    upstream: Upstream
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Print nothing."""

    def do_GET(self) -> None:
        """Send the answer for the path, from where the request wants it."""
        wanted = self.headers.get("Range", "")
        self.upstream.requests.append((self.path, wanted))
        answer = self.upstream.answers.get(self.path, Answer(b"", 404))
        start, status = 0, answer.status
        if wanted and self.headers.get("If-Range") == answer.etag:
            start, status = int(wanted[6:-1]), 206
        body = answer.content[start:]
        headers = {"Content-Length": str(len(body)), "ETag": answer.etag} | answer.headers
        if status == 206:
            headers["Content-Range"] = f"bytes {start}-{len(answer.content) - 1}/*"
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.end_headers()
        cut = answer.cuts.pop(0) if answer.cuts else None
        self.wfile.write(body[:cut])
        if cut is not None:
            self.close_connection = True

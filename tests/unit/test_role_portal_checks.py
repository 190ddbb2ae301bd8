"""The checks of services that the front page's node makes, against servers of every kind."""

from __future__ import annotations

import datetime
import ipaddress
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from portal_samples import FILES

sys.path.insert(0, str(FILES))
import service_checks

NAME = "polls.example.org"
OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n"


def make_certificate(folder: Path, name: str) -> Path:
    """Write a certificate for `name` that signs itself, with its key, and return the file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.DNSName(name), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    file = folder / f"{name}.pem"
    file.write_bytes(
        certificate.public_bytes(pem)
        + key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return file


class Server:
    """An HTTPS server on a port of its own that answers each request with the next answer."""

    def __init__(self, certificate: Path) -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.answers: list[Callable[[ssl.SSLSocket], None] | bytes] = []
        self.requests: list[str] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                plain, _ = self.listener.accept()
                connection = self.context.wrap_socket(plain, server_side=True)
            except ssl.SSLError:
                continue
            except OSError:
                return
            with connection:
                self.requests.append(connection.recv(4096).split(b"\r\n")[0].decode())
                answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                try:
                    answer(connection) if callable(answer) else connection.sendall(answer)
                except OSError:
                    continue


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server under a public name, which the checks reach and trust."""
    certificate = make_certificate(tmp_path, NAME)
    found = Server(certificate)
    connect = socket.create_connection
    context = ssl.create_default_context
    monkeypatch.setattr(
        service_checks.socket,
        "create_connection",
        lambda address, timeout: connect(("127.0.0.1", found.port), timeout),
    )
    monkeypatch.setattr(
        service_checks.ssl, "create_default_context", lambda: context(cafile=str(certificate))
    )
    monkeypatch.setattr(service_checks, "LIMIT_SECONDS", 1.0)
    yield found
    found.listener.close()


def check(name: str = NAME, **changes: Any) -> service_checks.Result:
    request = {
        "url": f"https://{name}/page?a=b",
        "expected_text": "ready",
        "restored_url": "",
        "on_this_node": False,
    }
    return service_checks.check_service(request | changes, pause=0)


def slow(connection: ssl.SSLSocket) -> None:
    """Send an answer that never ends, a byte at a time."""
    connection.sendall(OK)
    for _ in range(100):
        connection.sendall(b"x")
        time.sleep(0.05)


def redirect(to: str) -> bytes:
    return f"HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n".encode()


def test_expected_answer_counts_as_responding(server: Server) -> None:
    server.answers = [OK + b"it is ready"]
    assert check() == service_checks.Result(True)
    assert server.requests == ["GET /page?a=b HTTP/1.1"]


@pytest.mark.parametrize(
    ("answer", "restored"),
    [
        (OK + b'{"restored": 1700000000}', 1_700_000_000),
        (OK + b'{"restored": 99999999999}', 0),  # in the future
        (OK + b'{"restored": -1}', 0),
        (OK + b'{"restored": true}', 0),
        (OK + b'{"restored": "1700000000"}', 0),
        (OK + b"[1700000000]", 0),
        (OK + b"{", 0),
        (OK + b"[" * 100_000, 0),
        (OK + b"x" * 300_000, 0),
        (b"HTTP/1.1 404 Not Found\r\n\r\n", 0),
        (redirect("https://evil.example.org/"), 0),
    ],
)
def test_date_of_a_restored_backup_is_read_with_limits(
    server: Server, answer: bytes, restored: int
) -> None:
    server.answers = [OK + b"ready", answer]
    found = check(restored_url=f"https://{NAME}/restored")
    assert found == service_checks.Result(True, restored=restored)
    assert server.requests[1] == "GET /restored HTTP/1.1"


def test_redirect_within_the_host_is_followed(server: Server) -> None:
    server.answers = [redirect("/other"), OK + b"ready"]
    assert check().responds
    assert server.requests[-1] == "GET /other HTTP/1.1"


def test_failed_check_is_repeated_once(server: Server) -> None:
    server.answers = [b"HTTP/1.1 502 Bad Gateway\r\n\r\n", OK + b"ready"]
    assert check().responds


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (redirect("https://evil.example.org/"), "redirected to https://evil.example.org"),
        (redirect("//evil.example.org/"), "redirected to https://evil.example.org"),
        (redirect(f"http://{NAME}/"), f"redirected to http://{NAME}"),
        (redirect(f"https://{NAME}:8443/"), f"redirected to https://{NAME}:8443"),
        (redirect("/page"), "too many redirects"),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\nready", "status 503"),
        (OK + b"maintenance", "does not contain the expected text"),
        (OK + b"x" * 300_000 + b"ready", "larger than 256 kB"),
        (slow, "took longer than 1 s"),
        (b"garbage\r\n\r\n", "BadStatusLine"),
        (b"", "RemoteDisconnected"),
    ],
)
def test_wrong_answer_counts_as_not_responding(server: Server, answer: Any, reason: str) -> None:
    server.answers = [answer]
    found = check()
    assert not found.responds and reason in found.reason, found


def test_certificate_of_another_name_counts_as_not_responding(server: Server) -> None:
    server.answers = [OK + b"ready"]
    found = check("other.example.org")
    assert not found.responds and "SSLCertVerificationError" in found.reason


def test_service_of_the_node_is_reached_without_the_router(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.answers = [OK + b"ready"]
    through = service_checks.socket.create_connection

    def only_loopback(address: tuple[str, int], timeout: float) -> socket.socket:
        if address[0] != service_checks.LOOPBACK:
            raise TimeoutError("the router does not lead back")
        return through(address, timeout)

    monkeypatch.setattr(service_checks.socket, "create_connection", only_loopback)
    assert check(on_this_node=True).responds
    assert not check(on_this_node=False).responds


def test_slow_service_delays_no_other(server: Server) -> None:
    server.answers = [OK + b"ready"]
    request = {
        "url": f"https://{NAME}/",
        "expected_text": "ready",
        "restored_url": "",
        "on_this_node": False,
    }
    found = service_checks.check_all({"a": request, "b": request})
    assert all(item.responds for item in found.values())


def test_state_keeps_since_when_it_is_so() -> None:
    up, down = service_checks.Result(True), service_checks.Result(False, "status 503")
    first = service_checks.next_state({}, {"polls": up, "jitsi": down}, 100)
    assert first["services"]["polls"] == {"responds": True, "since": 100, "restored": 0}
    second = service_checks.next_state(first, {"polls": up, "jitsi": up}, 400)
    assert second["checked"] == 400
    assert second["services"]["polls"]["since"] == 100
    assert second["services"]["jitsi"] == {"responds": True, "since": 400, "restored": 0}
    assert service_checks.failures({"polls": up, "jitsi": down}) == ["jitsi: status 503"]


def test_state_keeps_the_date_of_a_restored_backup_while_a_service_is_down() -> None:
    first = service_checks.next_state({}, {"polls": service_checks.Result(True, restored=50)}, 100)
    second = service_checks.next_state(first, {"polls": service_checks.Result(False, "503")}, 400)
    assert second["services"]["polls"] == {"responds": False, "since": 400, "restored": 50}

"""A web server for descriptors on loopback, which can also answer as hostile ones do."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from federation_samples import DOMAIN

from chautari.federation.transfer import PATH, SIGNATURE_SUFFIX, UnverifiedSignedDescriptor
from chautari_sandbox.authority import ensure_authority, ensure_server_certificate

# Sends the answer to a request for a path.
Answer = Callable[[socket.socket, str], None]


def http_answer(
    content: bytes, status: str = "200 OK", headers: str = "", length: int | None = None
) -> bytes:
    """Return an HTTP answer; `length` may lie."""
    size = len(content) if length is None else length
    return f"HTTP/1.1 {status}\r\nContent-Length: {size}\r\n{headers}\r\n".encode() + content


def serve(found: UnverifiedSignedDescriptor) -> Answer:
    """Return an answer that sends a descriptor and its signature."""
    files = {PATH: found.content, PATH + SIGNATURE_SUFFIX: found.signature}
    return lambda connection, path: connection.sendall(http_answer(files[path]))


def send(content: bytes) -> Answer:
    """Return an answer that sends the same bytes to every request."""
    return lambda connection, path: connection.sendall(content)


@dataclass
class PeerServer:
    """A server that answers each request with `answer`; `requests` are the paths it was asked."""

    folder: Path
    answer: Answer = field(default=send(b""))
    certificate_name: str = DOMAIN
    with_tls: bool = True
    requests: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Listen on a port of loopback."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.authority = ensure_authority(self.folder, "test")
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Return the address of the descriptor here."""
        return f"https://{DOMAIN}:{self.port}{PATH}"

    def close(self) -> None:
        """Stop."""
        self._ended.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)

    def _accept(self) -> None:
        while not self._ended.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.settimeout(20)
            with connection, contextlib.suppress(OSError, KeyError, ValueError):
                self._talk(connection)

    def _talk(self, connection: socket.socket) -> None:
        if not self.with_tls:
            connection.sendall(http_answer(b"{}"))
            return
        found = ensure_server_certificate(self.authority, self.folder, [self.certificate_name])
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(found.certificate, found.key)
        with context.wrap_socket(connection, server_side=True) as tls:
            request = b""
            while b"\r\n\r\n" not in request and (part := tls.recv(4096)):
                request += part
            path = request.split(b" ")[1].decode()
            self.requests.append(path)
            self.answer(tls, path)


@contextlib.contextmanager
def peer_server(folder: Path) -> Iterator[PeerServer]:
    """Run a server for as long as a test uses it."""
    server = PeerServer(folder)
    try:
        yield server
    finally:
        server.close()

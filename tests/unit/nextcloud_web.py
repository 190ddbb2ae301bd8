"""A web server on loopback in the place of a Nextcloud, for the program for peers."""

from __future__ import annotations

import contextlib
import email.utils
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import nextcloud_pair  # noqa: F401  # it makes the role's modules importable
import pytest

from chautari_sandbox.authority import ensure_authority, ensure_server_certificate

# isort: split
import https_client

HOST = "cloud.himalaya.example.org"
URL = f"https://{HOST}"
PEER = {"name": "himalaya", "url": URL, "descriptor_url": f"{URL}/region.json", "lists_us": True,
        "networks": ["203.0.113.0/24"]}  # fmt: skip
STATUS = {"installed": True, "maintenance": False, "needsDbUpgrade": False, "version": "34.0.1.2"}
PROVIDER = {
    "enabled": True,
    "endPoint": f"{URL}/ocm",
    "publicKey": {"keyId": f"{URL}/ocm#signature", "publicKeyPem": "…"},
}
Reply = tuple[int, dict[str, str], bytes]


def reply(data: Any, status: int = 200, **headers: str) -> Reply:
    body = data if isinstance(data, bytes) else json.dumps(data).encode()
    return status, headers, body


class Web:
    """An HTTPS server on loopback; `replies` gives the answer to each path, `seen` what came."""

    def __init__(self, folder: Path) -> None:
        self.replies: dict[str, Reply | Callable[[BaseHTTPRequestHandler], Reply | None]] = {}
        self.seen: list[tuple[str, str, str, str]] = []
        self.addresses = ["203.0.113.26"]
        self.date = email.utils.formatdate(usegmt=True)
        authority = ensure_authority(folder, "test")
        found = ensure_server_certificate(authority, folder, [HOST])
        self.authority = authority.certificate
        web = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                web.seen.append(
                    (self.command, self.path, self.headers.get("Authorization", ""),
                     self.rfile.read(length).decode())
                )  # fmt: skip
                answer = web.replies.get(urlsplit(self.path).path, reply(b"", 404))
                if callable(answer):
                    answer = answer(self)
                if answer is None:
                    return
                status, headers, body = answer
                self.send_response_only(status)
                for name, value in {"Date": web.date, **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_DELETE = do_GET

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(found.certificate, found.key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()


@contextlib.contextmanager
def running_web(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    folder = tmp_path / "web"
    folder.mkdir()
    found = Web(folder)
    connect = socket.create_connection

    def resolve(host: str) -> list[str]:
        if host != HOST:
            raise socket.gaierror("unknown name")
        return list(found.addresses)

    def to_web(address: tuple[str, int], timeout: float) -> socket.socket:
        assert address[0] in (found.addresses[0], "127.0.0.1")
        return connect(("127.0.0.1", found.server.server_address[1]), timeout)

    monkeypatch.setattr(https_client, "resolve", resolve)
    monkeypatch.setattr(https_client.socket, "create_connection", to_web)
    monkeypatch.setenv("SSL_CERT_FILE", str(found.authority))
    found.replies["/status.php"] = reply(STATUS)
    found.replies["/ocm-provider/"] = reply(PROVIDER)
    yield found
    found.server.shutdown()
    found.server.server_close()

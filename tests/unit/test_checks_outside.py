"""The web session of outside checks reads no answer without limits."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import requests

from chautari.checks import outside
from chautari.checks.outside import Web


class Endless(BaseHTTPRequestHandler):
    """Answers without end at /endless, also while it redirects, and shortly elsewhere."""

    def do_GET(self) -> None:
        endless = self.path in ("/endless", "/redirect")
        self.send_response(302 if self.path == "/redirect" else 200)
        self.send_header("Location", "/short")
        self.end_headers()
        try:
            self.wfile.write(b"short")
            while endless:
                self.wfile.write(b"x" * 65536)
        except OSError:
            pass

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Endless) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{listening.server_port}"
        listening.shutdown()


def test_answer_within_the_limit_is_whole(server: str) -> None:
    assert Web("/ca.pem").get(f"{server}/short").text == "short"


def test_answer_without_end_is_an_error(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outside, "MAX_ANSWER", 1 << 20)
    with pytest.raises(requests.RequestException, match="larger than 1 MB"):
        Web("/ca.pem").get(f"{server}/endless")


def test_redirect_without_end_is_not_read_to_its_end(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outside, "MAX_ANSWER", 1 << 20)
    with pytest.raises(requests.RequestException, match="larger than 1 MB"):
        Web("/ca.pem").get(f"{server}/redirect")

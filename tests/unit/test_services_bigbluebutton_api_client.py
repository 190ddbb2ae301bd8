"""The clients of BigBlueButton's checks: API, HTTP/2, packets to unused ports."""

import socket
import threading
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest

from chautari.checks import http2_client, udp
from chautari.services.bigbluebutton.api_client import BigBlueButtonServer, RequestRefused


class Web:
    """A fake session that answers with one text and records the requests."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.urls: list[str] = []

    def get(self, url: str) -> Any:
        self.urls.append(url)
        return SimpleNamespace(status_code=200, text=self.text)


def server(text: str, algorithm: str = "sha256") -> BigBlueButtonServer:
    return BigBlueButtonServer(
        Web(text), "rooms.example.org", "639259d4-9dd8-4b25-bf01-95f9567eaf4b", algorithm
    )


def test_call_is_signed_as_upstream_documents() -> None:
    address = server("", "sha1").signed_url(
        "create", name="Test Meeting", meetingID="abc123", attendeePW="111222", moderatorPW="333444"
    )
    assert address == (
        "https://rooms.example.org/bigbluebutton/api/create?name=Test+Meeting&meetingID=abc123"
        "&attendeePW=111222&moderatorPW=333444&checksum=1fcbb0c4fc1f039f73aa6d697d2db9ba7f803f17"
    )


def test_call_without_parameters_has_only_the_signature() -> None:
    address = server("").signed_url("getMeetings")
    assert address.partition("?")[2].startswith("checksum=")
    assert len(address.rpartition("=")[2]) == 64


def test_booleans_are_written_in_lower_case() -> None:
    assert "record=true&" in server("").signed_url("create", record=True)


def test_answer_is_read_and_a_refusal_is_raised() -> None:
    good = "<response><returncode>SUCCESS</returncode><version>2.0</version></response>"
    assert server(good).call("").findtext("version") == "2.0"
    bad = (
        "<response><returncode>FAILED</returncode><messageKey>checksumError</messageKey>"
        "<message>Checksums do not match</message></response>"
    )
    with pytest.raises(RequestRefused, match="do not match") as refused:
        server(bad).call("getMeetings")
    assert refused.value.key == "checksumError"
    with pytest.raises(RequestRefused, match="status 200"):
        server("<html>a proxy's page<br></html>").call("getMeetings")


def test_packet_to_an_unused_port_proves_the_route() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        assert udp.unused_port_answers("127.0.0.1", port, wait=0.2) is False
    assert udp.unused_port_answers("127.0.0.1", port) is True


def test_range_is_split_into_parts_that_cover_every_port() -> None:
    parts = udp.PortRange(16384, 32768).split_into(4)
    assert parts[0].first == 16384
    assert parts[-1].last == 32768
    assert [after.first - before.last for before, after in pairwise(parts)] == [
        1, 1, 1,
    ]  # fmt: skip


def answer_with(line: socket.socket, *frames: bytes) -> None:
    line.recv(65536)
    line.sendall(b"".join(frames))


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    size = len(payload).to_bytes(3, "big")
    return size + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def exchange(*frames: bytes) -> tuple[int, bytes]:
    here, there = socket.socketpair()
    here.settimeout(5)
    thread = threading.Thread(target=answer_with, args=(there, *frames))
    thread.start()
    try:
        return http2_client.send_get_request(here, "rooms.example.org", "/chautari/door")
    finally:
        thread.join()
        here.close()
        there.close()


def test_http2_reads_the_status_and_all_of_the_body() -> None:
    status, body = exchange(
        frame(http2_client.SETTINGS, 0, 0),
        frame(http2_client.PING, 0, 0, b"12345678"),
        frame(http2_client.HEADERS, http2_client.END_HEADERS, 1, b"\x88"),
        frame(http2_client.DATA, 0, 1, b"192.0.2.7 "),
        frame(http2_client.DATA, http2_client.END_STREAM | http2_client.PADDED, 1, b"\x0282\n\0\0"),
    )
    assert (status, body) == (200, b"192.0.2.7 82\n")


def test_http2_reports_that_the_server_closed_the_connection() -> None:
    with pytest.raises(ConnectionError, match="closed the connection"):
        exchange(frame(http2_client.GOAWAY, 0, 0, bytes(8) + b"go"))


def test_http2_sends_one_request() -> None:
    here, there = socket.socketpair()
    here.settimeout(5)
    there.sendall(
        frame(http2_client.HEADERS, http2_client.END_HEADERS | http2_client.END_STREAM, 1, b"\x8d")
    )
    assert http2_client.send_get_request(here, "rooms.example.org", "/x")[0] == 404
    sent = there.recv(65536)
    assert sent.startswith(http2_client.PREFACE)
    assert b"rooms.example.org" in sent
    here.close()
    there.close()

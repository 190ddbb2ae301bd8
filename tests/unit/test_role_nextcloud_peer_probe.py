"""What the program for Nextcloud's peers asks of a peer, and what it makes of the answers."""

from __future__ import annotations

import email.utils
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from nextcloud_web import HOST, PEER, PROVIDER, STATUS, Reply, Web, reply, running_web

# isort: split
import https_client
import peer_probe
from peer_probe import Finding, PeerProblem


@pytest.fixture
def web(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    with running_web(tmp_path, monkeypatch) as found:
        yield found


def finding(peer: dict[str, Any] = PEER) -> Finding:
    try:
        peer_probe.check_peer(peer)
    except PeerProblem as problem:
        return problem.finding
    return Finding("")


def test_check_peer_accepts_a_working_nextcloud(web: Web) -> None:
    assert finding().code == ""
    assert [path for _, path, _, _ in web.seen] == [
        "/status.php", "/.well-known/ocm", "/ocm-provider/",
    ]  # fmt: skip
    web.replies["/.well-known/ocm"] = reply(b"", 301, Location="/index.php/.well-known/ocm")
    web.replies["/index.php/.well-known/ocm"] = reply(PROVIDER)
    del web.replies["/ocm-provider/"]
    assert finding().code == ""


def test_check_peer_reports_an_unknown_name_and_a_wrong_certificate(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = PEER | {"url": "https://cloud.nowhere.example.org"}
    assert finding(other) == Finding("unreachable", {"reason": "dns"})
    monkeypatch.delenv("SSL_CERT_FILE")
    assert finding() == Finding("unreachable", {"reason": "tls"})


def test_check_peer_reports_refused_connections(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr(https_client.socket, "create_connection", refuse)
    assert finding() == Finding("unreachable", {"reason": "refused"})


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (reply(b"", 503), Finding("unreachable", {"reason": "http_503"})),
        (reply(STATUS | {"maintenance": True}), Finding("unreachable", {"reason": "maintenance"})),
        (reply(STATUS | {"needsDbUpgrade": True}),
         Finding("unreachable", {"reason": "maintenance"})),
        (reply(b"", 404), Finding("not_nextcloud")),
        (reply(b"<html>"), Finding("not_nextcloud")),
        (reply([STATUS]), Finding("not_nextcloud")),
        (reply({"version": 34}), Finding("not_nextcloud")),
        (reply(b"[" * 60_000), Finding("not_nextcloud")),
        (reply(b'{"version": ' + b"9" * 50_000 + b"}"), Finding("not_nextcloud")),
        (reply(b" " * 70_000), Finding("unreachable", {"reason": "broken_answer"})),
        (reply(b"", 302, Location="https://evil.example.org/status.php"),
         Finding("unreachable", {"reason": "broken_answer"})),
        (reply(b"", 302, Location="http://cloud.himalaya.example.org/status.php"),
         Finding("unreachable", {"reason": "broken_answer"})),
        (reply(b"", 302, Location="/status.php"),
         Finding("unreachable", {"reason": "broken_answer"})),
        (reply(b"", 302, Location="http://[::1"),
         Finding("unreachable", {"reason": "broken_answer"})),
    ],
)  # fmt: skip
def test_check_peer_names_what_is_wrong_with_the_status(
    answer: Reply, expected: Finding, web: Web
) -> None:
    web.replies["/status.php"] = answer
    assert finding() == expected


def drip(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response_only(200)
    handler.end_headers()
    for _ in range(50):
        try:
            handler.wfile.write(b" ")
            handler.wfile.flush()
        except OSError:
            return
        time.sleep(0.1)


def test_check_peer_does_not_wait_for_a_slow_answer(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(https_client, "LIMIT_SECONDS", 0.6)
    web.replies["/status.php"] = drip
    begin = time.monotonic()
    assert finding().code in ("unreachable", "not_nextcloud")
    assert time.monotonic() - begin < 2


@pytest.mark.parametrize(("seconds", "code"), [(290, ""), (-290, ""), (330, "clock_differs")])
def test_check_peer_compares_clocks(seconds: int, code: str, web: Web) -> None:
    web.date = email.utils.formatdate(time.time() + seconds, usegmt=True)
    found = finding()
    assert found.code == code
    if code:
        assert abs(found.data["seconds"] - seconds) <= 2


@pytest.mark.parametrize("date", ["", "yesterday", "Thu, 99 Jan 99999 00:00:00 GMT"])
def test_check_peer_ignores_a_broken_date(date: str, web: Web) -> None:
    web.date = date
    assert finding().code == ""


@pytest.mark.parametrize(
    ("provider", "expected"),
    [
        ({"publicKey": None}, Finding("peer_signing_disabled")),
        ({"publicKey": {"keyId": 7}}, Finding("peer_signing_disabled")),
        ({"publicKey": {"keyId": "https://old.example.org/ocm#signature"}},
         Finding("peer_address_differs", {"found": "old.example.org", "expected": HOST})),
        ({"endPoint": "https://x\x1b<b>{{ 7 }}/ocm"},
         Finding("peer_address_differs", {"found": "xb7", "expected": HOST})),
        ({"endPoint": "https://[::1"},
         Finding("peer_address_differs", {"found": "", "expected": HOST})),
        ({"endPoint": None}, Finding("peer_address_differs", {"found": "", "expected": HOST})),
    ],
)  # fmt: skip
def test_check_peer_compares_who_signs(
    provider: dict[str, Any], expected: Finding, web: Web
) -> None:
    web.replies["/ocm-provider/"] = reply(PROVIDER | provider)
    assert finding() == expected


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (reply({"peers": ["andes.example.org"]}), True),
        (reply({"peers": ["other.example.org"]}), False),
        (reply({"peers": "andes.example.org"}), False),
        (reply({}), False),
        (reply(b"", 404), None),
        (reply(b"no JSON"), None),
    ],
)
def test_lists_us(answer: Reply, expected: bool | None, web: Web) -> None:
    web.replies["/region.json"] = answer
    assert peer_probe.lists_us(PEER, "andes.example.org") is expected


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "10.0.0.7", "::1"])
def test_private_address_is_never_connected_to(address: str, web: Web) -> None:
    web.addresses.append(address)
    assert finding() == Finding("peer_address_private")
    assert peer_probe.lists_us(PEER, "andes.example.org") is None
    assert web.seen == []


def test_sandbox_networks_count_only_where_the_role_names_them(web: Web) -> None:
    with pytest.raises(PeerProblem) as refused:
        peer_probe.check_peer({**PEER, "networks": []})
    assert refused.value.finding == Finding("peer_address_private")
    assert web.seen == []

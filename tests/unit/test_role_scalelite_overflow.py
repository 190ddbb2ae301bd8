"""Servers of peers are enabled while the region's own are full; a wrong answer changes nothing."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.machinery import SourceFileLoader
from typing import Any

import pytest
from region_samples import ROOT

SCRIPT = ROOT / "roles/scalelite/files/scalelite-overflow"


def load() -> Any:
    """Return the program as a module."""
    loader = SourceFileLoader("scalelite_overflow", str(SCRIPT))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec
    found = importlib.util.module_from_spec(spec)
    sys.modules[loader.name] = found  # typing.NamedTuple reads the annotations of its module
    loader.exec_module(found)
    return found


PROGRAM = load()
SETTINGS = PROGRAM.Settings(3000, "rooms.andes.example.org", "s3cret", ("h.ktm2", "h.ktm3"), 150)


def server(name: str, load: float | str = 0, **changes: Any) -> dict[str, Any]:
    """Return a server as Scalelite's API shows it."""
    return {
        "id": name, "url": f"https://{name}.example.org/bigbluebutton/api", "secret": "x",
        "tag": "", "bbb_version": "3.0", "state": "enabled", "load": load,
        "load_multiplier": "1.0", "online": "online",
    } | changes  # fmt: skip


def borrowed(
    name: str, state: str = "cordoned", load: float | str = 0, **more: Any
) -> dict[str, Any]:
    return server(name, load, state=state, tag="peer-h", **more)


def changes(*servers: dict[str, Any]) -> dict[str, str]:
    found: dict[str, str] = PROGRAM.changes_of_state(
        PROGRAM.parse_servers(json.dumps(servers).encode()), SETTINGS
    )
    return found


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ([server("a", 149)], {}),
        ([server("a", 150)], {"h.ktm2": "enable"}),
        ([server("a", 400), server("b", 20)], {}),
        ([server("a", 400), server("b", 150.5)], {"h.ktm2": "enable"}),
        ([server("a", 400), server("b", "unavailable")], {}),
        ([server("a", 400), server("b", 0, online="offline")], {"h.ktm2": "enable"}),
        ([server("a", 400), server("b", 0, state="cordoned")], {"h.ktm2": "enable"}),
        ([server("a", 400), server("b", 0, state="disabled")], {"h.ktm2": "enable"}),
        # Calls without a tag do not use a server that an operator tagged.
        ([server("a", 400), server("b", 0, tag="big")], {"h.ktm2": "enable"}),
        ([server("a", 0, online="offline")], {"h.ktm2": "enable"}),
        ([], {"h.ktm2": "enable"}),
    ],
)
def test_servers_of_peers_are_enabled_when_all_own_ones_are_full(
    own: list[dict[str, Any]], expected: dict[str, str]
) -> None:
    assert changes(*own, borrowed("h.ktm2")) == expected
    # Scalelite's poller disables a cordoned server without meetings.
    assert changes(*own, borrowed("h.ktm2", "disabled", "unavailable")) == expected


@pytest.mark.parametrize(
    ("load", "expected"),
    [
        (400, {}),
        (150, {}),
        (149, {}),
        (101, {}),
        (100, {"h.ktm2": "cordon"}),
        (0, {"h.ktm2": "cordon"}),
    ],
)
def test_servers_of_peers_are_cordoned_only_when_there_is_room(
    load: float, expected: dict[str, str]
) -> None:
    assert changes(server("a", load), borrowed("h.ktm2", "enabled", 30)) == expected


def test_all_servers_of_peers_follow_and_no_other_changes() -> None:
    own = [server("a", 200), server("b", 300, state="cordoned"), server("c", 0, tag="big")]
    assert changes(*own, borrowed("h.ktm2", "enabled"), borrowed("h.ktm3")) == {"h.ktm3": "enable"}
    assert changes(server("a"), borrowed("h.ktm2", "enabled"), borrowed("h.ktm3", "enabled")) == {
        "h.ktm2": "cordon",
        "h.ktm3": "cordon",
    }
    # It was removed from the region and still has a meeting.
    assert changes(server("a", 0), borrowed("k.lhr1", "enabled", 12)) == {}


@pytest.mark.parametrize(
    "content",
    [
        b"", b"<response/>", b"{}", b"null", b"[1]", b"[" * 100_000, b"\xff", b'[{"id": "a"}]',
        json.dumps([server("a", "1e9")]).encode(), json.dumps([server("a", True)]).encode(),
        json.dumps([server("a", -1)]).encode(), json.dumps([server("a", 1e10)]).encode(),
        json.dumps([server("a", float("nan"))]).encode(),
        json.dumps([server("a", float("inf"))]).encode(),
        json.dumps([server("a")]).replace('"load": 0', '"load": 1e999').encode(),
        json.dumps([server("a\x1b[2J")]).encode(), json.dumps([server("a" * 256)]).encode(),
        json.dumps([server("a", state="x")]).encode(), json.dumps([server("a", state=[])]).encode(),
        json.dumps([server("a", online=True)]).encode(), json.dumps([server("a", tag=1)]).encode(),
        json.dumps([server(f"a{number}") for number in range(501)]).encode(),
        json.dumps([server("a", bbb_version="x" * (1 << 20))]).encode(),
    ],
)  # fmt: skip
def test_answer_with_another_form_is_refused(content: bytes) -> None:
    with pytest.raises(PROGRAM.AnswerInvalid):
        PROGRAM.parse_servers(content)


class Pool:
    """Scalelite's management API on the loopback address."""

    def __init__(self, *servers: dict[str, Any]) -> None:
        self.servers = {item["id"]: item for item in servers}
        self.calls: list[tuple[str, str, Any]] = []
        self.status, self.obeys = 200, True
        pool = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                call = self.path.rpartition("/")[2].partition("?")[0]
                size = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(size)) if size else None
                pool.calls.append((self.command, self.path, body))
                data = json.dumps(pool.answer(call, body)).encode()
                self.send_response(pool.status if self.headers["Host"] == SETTINGS.domain else 403)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_POST = do_GET

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing of each request."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, call: str, body: Any) -> Any:
        if call == "getServers":
            return list(self.servers.values())
        state = {"enable": "enabled", "cordon": "cordoned"}[body["server"]["state"]]
        if self.obeys:
            self.servers[body["id"]]["state"] = state
        return self.servers[body["id"]]

    def run(self, port: int = 0) -> tuple[int, str]:
        """Run the program as its unit does."""
        environment = {
            "PATH": os.environ["PATH"],
            "SCALELITE_PORT": str(port or self.server.server_port),
            "SCALELITE_DOMAIN": SETTINGS.domain,
            "SCALELITE_SECRET": SETTINGS.secret,
            "SCALELITE_BORROWED_SERVERS": " ".join(SETTINGS.borrowed),
            "SCALELITE_OVERFLOW_LOAD": str(SETTINGS.full_load),
        }
        done = subprocess.run(
            [sys.executable, "-EsB", SCRIPT], env=environment, capture_output=True, text=True
        )
        return done.returncode, done.stdout + done.stderr


@pytest.fixture
def pool() -> Iterator[Pool]:
    found = Pool(server("cal1", 151), borrowed("h.ktm2"))
    yield found
    found.server.shutdown()
    found.server.server_close()


def test_program_changes_states_by_signed_calls(pool: Pool) -> None:
    assert pool.run() == (0, "h.ktm2: enabled, because the own servers are full\n")
    body = {"id": "h.ktm2", "server": {"state": "enable"}}
    assert [(method, given) for method, _, given in pool.calls] == [("GET", None), ("POST", body)]
    for _, path, _ in pool.calls:
        call, _, checksum = path.removeprefix("/scalelite/api/").partition("?checksum=")
        assert checksum == hashlib.sha256(f"{call}s3cret".encode()).hexdigest()
    assert pool.run() == (0, "")
    pool.servers["cal1"]["load"] = 99
    assert pool.run() == (0, "h.ktm2: cordoned\n")
    assert pool.servers["h.ktm2"]["state"] == "cordoned"


def test_program_waits_for_an_api_that_does_not_answer(pool: Pool) -> None:
    pool.status = 502
    assert pool.run() == (0, "Scalelite does not answer (status 502); nothing was changed\n")
    assert pool.run(1)[1].startswith("Scalelite does not answer (ConnectionRefusedError)")


def test_program_fails_when_a_change_has_no_effect(pool: Pool) -> None:
    pool.obeys = False
    code, output = pool.run()
    assert code == 1 and "h.ktm2 did not change its state" in output


def test_secret_is_no_argument_and_not_printed(pool: Pool) -> None:
    unit = (ROOT / "roles/scalelite/templates/chautari-scalelite-overflow.service.j2").read_text()
    assert "EnvironmentFile=" in unit and "secret" not in unit.lower()
    assert "s3cret" not in pool.run()[1]

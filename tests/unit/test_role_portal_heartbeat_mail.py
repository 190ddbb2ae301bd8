"""The node's program about peers: its files, and the mails that it sends."""

from __future__ import annotations

import email
import json
import socket
import types
from collections.abc import Iterator
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from federation_samples import DOMAIN, NOW, body, peer, signed
from federation_server import PeerServer, peer_server, serve
from portal_samples import FILES, load_program, texts_of

from chautari.services.portal.languages import PAGE_LANGUAGES
from chautari.services.portal.peer_states import PEER_STATE_CODES, STATE_FILE

HOUR, DAY, QUARTER = 3600, 24 * 3600, 900
program = load_program("chautari-portal-heartbeat")
import heartbeat_mail  # noqa: E402 - the program knows where it is
from heartbeat import PeerMail  # noqa: E402

TEXTS = {language: texts_of(language) for language in PAGE_LANGUAGES}


def settings_of(port: int = 443) -> dict[str, Any]:
    pinned = peer()
    return {
        "region": "andes", "domain": "andes.example.org", "contact": "ops@andes.example.org",
        "silence_hours": 2, "mail_from": "cloud@andes.example.org",
        "mail_relay": {"host": "smtp.example.org", "port": 587},
        "peer_networks": ["127.0.0.0/8"],
        "peers": [{
            "name": "himal", "region": "himalaya", "domain": DOMAIN, "host": DOMAIN, "port": port,
            "key": pinned.key, "serial": pinned.descriptor.serial, "contact": f"ops@{DOMAIN}",
            "languages": ["ne", "en"],
        }],
    }  # fmt: skip


class Mailbox:
    """A mail server on loopback that keeps what it gets."""

    def __init__(self) -> None:
        self.mails: list[tuple[list[str], EmailMessage]] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        message = email.message_from_bytes(envelope.content, policy=default)
        assert isinstance(message, EmailMessage)
        self.mails.append((envelope.rcpt_tos, message))
        return "250 OK"


@pytest.fixture
def mailbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailbox]:
    found = Mailbox()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    controller = Controller(found, hostname="127.0.0.1", port=port)
    controller.start()
    monkeypatch.setattr(heartbeat_mail, "LOCAL_RELAY", ("127.0.0.1", port))
    yield found
    controller.stop()


class Node:
    """The node's program with a clock of its own; each run reads and writes its real files."""

    def __init__(
        self, folder: Path, server: PeerServer, patch: pytest.MonkeyPatch, mailbox: Mailbox
    ) -> None:
        self.folder, self.server, self.mailbox, self.now = folder, server, mailbox, NOW
        patch.setenv("SSL_CERT_FILE", str(server.authority.certificate))
        patch.setattr(program, "SETTINGS", folder / "federation.json")
        patch.setattr(program, "STATE", folder)
        patch.setattr(program, "read_texts", lambda: TEXTS)
        patch.setattr(program, "addresses_of", lambda _: ["127.0.0.1"])
        patch.setattr(program, "time", types.SimpleNamespace(time=lambda: self.now))
        patch.setattr(heartbeat_mail, "relay_answers", lambda host, port: True)
        (folder / "federation.json").write_text(json.dumps(settings_of(server.port)))

    def run(self, alive: bool) -> dict[str, Any]:
        """Run once a quarter of an hour later, and return the peer's state."""
        self.now += QUARTER
        self.server.answer = serve(signed(body(self.now))) if alive else lambda *_: None
        assert program.main() == 0
        state = json.loads((self.folder / "heartbeat.json").read_text())
        assert (state["format"], state["checked"]) == (1, self.now)
        found: dict[str, Any] = state["peers"]["himal"]
        assert found["state"] == PEER_STATE_CODES[found["code"]].state
        return found


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mailbox: Mailbox) -> Iterator[Node]:
    folder = tmp_path / "server"
    folder.mkdir()
    with peer_server(folder) as server:
        yield Node(tmp_path, server, monkeypatch, mailbox)


def test_silence_and_return_are_mailed_to_both_regions(node: Node) -> None:
    first = node.run(alive=True)
    assert first == {"state": "green", "code": "heard", "since": node.now,
                     "data": {"issued": node.now}}  # fmt: skip
    last = node.now
    for _ in range(8):
        assert node.mailbox.mails == []
        found = node.run(alive=False)
    assert (found["code"], found["data"]) == ("silent", {"last": last})
    node.run(alive=False)
    assert node.run(alive=True)["code"] == "heard"
    node.run(alive=True)
    (recipients, silent), (_, back) = node.mailbox.mails
    assert recipients == [f"ops@{DOMAIN}", "ops@andes.example.org"]
    assert (silent["From"], silent["Auto-Submitted"]) == (
        "cloud@andes.example.org",
        "auto-generated",
    )
    assert "himalaya" in silent["Subject"] and "himalaya" in back["Subject"]


def test_state_is_in_files(node: Node) -> None:
    """Every run is a new process: nothing but its files remains."""
    node.run(alive=True)
    for _ in range(10):
        node.run(alive=False)
    assert len(node.mailbox.mails) == 1
    assert (node.folder / "memory.json").stat().st_mode & 0o777 == 0o600
    assert (node.folder / "heartbeat.json").stat().st_mode & 0o777 == 0o644
    (node.folder / "memory.json").unlink()
    assert node.run(alive=False)["code"] == "never_heard"


def test_node_that_was_off_for_a_week_sends_no_mail_at_once(node: Node) -> None:
    node.run(alive=True)
    for _ in range(7):
        node.run(alive=False)
    node.now += 7 * DAY
    node.run(alive=False)
    assert node.mailbox.mails == []
    node.run(alive=True)
    assert node.mailbox.mails == []


def test_mail_that_was_not_sent_is_sent_later(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    node.run(alive=True)
    there = heartbeat_mail.LOCAL_RELAY
    with socket.create_server(("127.0.0.1", 0)) as free:
        closed = free.getsockname()
    monkeypatch.setattr(heartbeat_mail, "LOCAL_RELAY", closed)
    for _ in range(10):
        node.run(alive=False)
    assert node.mailbox.mails == []
    monkeypatch.setattr(heartbeat_mail, "LOCAL_RELAY", there)
    for _ in range(4):
        node.run(alive=False)
    assert len(node.mailbox.mails) == 1


def test_node_that_cannot_write_sends_nothing(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    node.run(alive=True)
    for _ in range(7):
        node.run(alive=False)

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(program.os, "fsync", full)
    for _ in range(4):
        with pytest.raises(OSError):
            node.run(alive=False)
    assert node.mailbox.mails == []


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{", '{"format": 1}', '{"format": 1, "checked": 1, "lost": 0, "records": {"a": 1}}',
     '{"format": 2, "checked": 1, "lost": 0, "records": {}}',
     '{"format": 1, "checked": true, "lost": 0, "records": {}}',
     '{"format": 1, "checked": 1, "lost": 0, "records": {"himal": {"key": "x", "serial": "1"}}}'],
)  # fmt: skip
def test_damaged_memory_counts_as_none(content: str, tmp_path: Path) -> None:
    file = tmp_path / "memory.json"
    file.write_text(content)
    assert program.read_memory(file) == program.WatchMemory(0, 0, {})


def test_state_is_where_the_control_machine_reads_it() -> None:
    assert str(program.STATE / "heartbeat.json") == STATE_FILE


def message_about(mail: PeerMail, languages: list[str]) -> EmailMessage:
    settings = settings_of()
    found = settings["peers"][0] | {"languages": languages}
    return heartbeat_mail.compose_mail(mail, settings, found, TEXTS, NOW)


@pytest.mark.parametrize("kind", ["silent", "back"])
@pytest.mark.parametrize("seen", ["nothing", "old", "refused"])
@pytest.mark.parametrize("language", PAGE_LANGUAGES)
def test_mail_is_in_the_language_of_the_peer_and_in_english(
    language: str, seen: str, kind: str
) -> None:
    mail = PeerMail(kind, "himal", NOW - DAY, seen if kind == "silent" else "", "older_serial")
    text = message_about(mail, [f"{language}_XX", "xx"]).get_content().replace("\r\n", "\n")
    parts = text.split(heartbeat_mail.BETWEEN_LANGUAGES)
    assert len(parts) == (1 if language == "en" else 2)
    assert "signs of life again" in parts[-1] if kind == "back" else "What to look at" in parts[-1]
    for part, own in zip(parts, [language, "en"], strict=False):
        reason = TEXTS[own]["mail"]["reason_old"]
        assert (reason in part) == (kind == "silent" and seen == "refused")
        assert "ops@andes.example.org" in part and "himalaya" in part and "andes" in part
        assert "{" not in part and heartbeat_mail.moment(NOW - DAY) in part
        assert kind == "back" or f"https://{DOMAIN}/" in part


@pytest.mark.parametrize(
    ("refusal", "reason"),
    [("signature_wrong", "su firma no es válida"), ("too_large", "su contenido no es válido")],
)
def test_each_refusal_has_a_reason(refusal: str, reason: str) -> None:
    mail = PeerMail("silent", "himal", NOW - DAY, "refused", refusal)
    assert reason in message_about(mail, ["es"]).get_content()
    known = {f"reason_{name}" for name in (*heartbeat_mail.REASONS.values(), "content")}
    for texts in TEXTS.values():
        assert {key for key in texts["mail"] if key.startswith("reason_")} == known


def test_mail_to_a_region_without_a_known_language_is_in_english() -> None:
    message = message_about(PeerMail("back", "himal", NOW), ["quz", "ay"])
    assert message["Subject"] == "himalaya: signs of life again"
    assert "* * *" not in message.get_content()


def test_relay_is_reached_only_if_it_greets(mailbox: Mailbox) -> None:
    host, port = heartbeat_mail.LOCAL_RELAY
    assert heartbeat_mail.relay_answers(host, port)
    with socket.create_server(("127.0.0.1", 0)) as free:
        closed = free.getsockname()[1]
    assert not heartbeat_mail.relay_answers(host, closed)
    assert not heartbeat_mail.relay_answers("relay.invalid", 25)


def test_names_of_the_texts_are_those_of_the_letters() -> None:
    source = (FILES / "heartbeat.py").read_text()
    for kind in ("silent", "back"):
        assert f'PeerMail("{kind}"' in source and f"{kind}_subject" in TEXTS["en"]["mail"]

"""Mail between sandboxes: forwarded to a neighbour, queued while it is stopped, and returned."""

from __future__ import annotations

import json
import smtplib
from collections.abc import Callable, Iterator
from email import message_from_bytes
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from sandbox_samples import free_port

from chautari_sandbox.internet import mail_forwarding, mailsink
from chautari_sandbox.internet.mail_forwarding import MailForwarder, QueuedMail

MAIL = b"From: a@andes.example.org\r\nSubject: hello\r\n\r\nn\xc3\xa3o\r\n"
SENDER, PEER = "a@andes.example.org", "ops@lima.example.org"
Kept = list[tuple[str, list[str], bytes]]


@pytest.fixture
def kept() -> Kept:
    return []


@pytest.fixture
def forwarder(tmp_path: Path, kept: Kept) -> MailForwarder:
    (tmp_path / "routes").write_text(json.dumps({"lima.example.org": "127.0.0.1"}))
    return new_forwarder(tmp_path, kept)


def new_forwarder(folder: Path, kept: Kept) -> MailForwarder:
    return MailForwarder(
        "andes.example.org",
        folder / "routes",
        folder / "queue",
        lambda sender, to, content: kept.append((sender, to, content)),
    )


@pytest.fixture
def start_neighbour(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Kept]]:
    """Return a function that starts the mail server of a zone, which the forwarder then reaches."""
    servers: list[Controller] = []

    def start(zone: str) -> Kept:
        arrived: Kept = []
        sink = mailsink.NeighbourMailSink(lambda *mail: arrived.append(mail), zone)
        port = free_port()
        servers.append(Controller(sink, hostname="127.0.0.1", port=port))
        servers[-1].start()
        monkeypatch.setattr(mail_forwarding, "SMTP_PORT", port)
        return arrived

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def stopped_neighbour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail_forwarding, "SMTP_PORT", 1)


@pytest.mark.parametrize(
    ("address", "zone"),
    [
        ("a@lima.example.org", "lima.example.org"),
        ("a@Cloud.LIMA.example.org", "lima.example.org"),
        ("a@sub.lima.example.org", "sub.lima.example.org"),
        ("a@notlima.example.org", None),
        ("a@example.org", None),
        ("a", None),
    ],
)
def test_zone_of_address_is_the_longest(address: str, zone: str | None) -> None:
    zones = ("lima.example.org", "sub.lima.example.org")
    assert mail_forwarding.zone_of_address(address, zones) == zone


def test_mail_for_neighbours_is_forwarded_and_other_mail_is_kept(
    forwarder: MailForwarder, kept: Kept, start_neighbour: Callable[[str], Kept]
) -> None:
    arrived = start_neighbour("lima.example.org")
    forwarder.accept_mail(SENDER, ["me@andes.example.org", PEER, "x@example.com"], MAIL)
    forwarder.run_queue()
    assert kept == [(SENDER, ["me@andes.example.org", "x@example.com"], MAIL)]
    assert arrived == [(SENDER, [PEER], MAIL)]
    assert forwarder.queued() == []


def test_mail_waits_for_a_stopped_neighbour_over_a_restart(
    forwarder: MailForwarder,
    kept: Kept,
    tmp_path: Path,
    stopped_neighbour: None,
    start_neighbour: Callable[[str], Kept],
) -> None:
    forwarder.accept_mail(SENDER, [PEER], MAIL)
    forwarder.run_queue()
    (waiting,) = forwarder.queued()
    assert (waiting["zone"], waiting["recipients"]) == ("lima.example.org", [PEER])
    assert "does not answer" in str(waiting["problem"])
    arrived = start_neighbour("lima.example.org")
    new_forwarder(tmp_path, kept).run_queue()
    assert arrived == [(SENDER, [PEER], MAIL)]
    assert (forwarder.queued(), kept) == ([], [])


def test_silent_neighbour_is_tried_once_for_all_its_mail(
    forwarder: MailForwarder, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []

    def fail(relay: str, _: QueuedMail) -> None:
        tried.append(relay)
        raise TimeoutError("timed out")

    monkeypatch.setattr(mail_forwarding, "deliver_to_relay", fail)
    for number in range(3):
        forwarder.accept_mail(SENDER, [f"{number}@lima.example.org"], MAIL)
    forwarder.run_queue()
    assert tried == ["127.0.0.1"]
    assert [item["recipients"] for item in forwarder.queued()] == [
        [f"{number}@lima.example.org"] for number in range(3)
    ]


def test_refused_mail_is_returned_to_its_sender(
    forwarder: MailForwarder, kept: Kept, start_neighbour: Callable[[str], Kept]
) -> None:
    start_neighbour("quito.example.org")
    forwarder.accept_mail(SENDER, [PEER], MAIL)
    forwarder.run_queue()
    ((sender, recipients, content),) = kept
    assert (sender, recipients, forwarder.queued()) == ("", [SENDER], [])
    text = message_from_bytes(content).get_payload(decode=True)
    assert isinstance(text, bytes)
    assert f"550 5.7.1 {PEER} is not an address of quito.example.org" in text.decode()


def test_mail_is_returned_after_five_days(
    forwarder: MailForwarder, kept: Kept, stopped_neighbour: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    forwarder.accept_mail(SENDER, [PEER], MAIL)
    now = mail_forwarding.time.time()
    monkeypatch.setattr(mail_forwarding.time, "time", lambda: now + 5 * 24 * 3600 - 60)
    forwarder.run_queue()
    assert (len(forwarder.queued()), kept) == (1, [])
    monkeypatch.setattr(mail_forwarding.time, "time", lambda: now + 5 * 24 * 3600 + 60)
    forwarder.run_queue()
    assert (forwarder.queued(), [to for _, to, _ in kept]) == ([], [[SENDER]])


def test_returned_mail_is_never_returned_again(
    forwarder: MailForwarder, kept: Kept, start_neighbour: Callable[[str], Kept]
) -> None:
    start_neighbour("quito.example.org")
    forwarder.accept_mail("", [PEER], MAIL)
    forwarder.run_queue()
    assert (forwarder.queued(), kept) == ([], [])


def test_temporary_refusal_waits(
    forwarder: MailForwarder, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(_: str, __: QueuedMail) -> None:
        raise smtplib.SMTPDataError(451, b"try later")

    monkeypatch.setattr(mail_forwarding, "deliver_to_relay", busy)
    forwarder.accept_mail(SENDER, [PEER], MAIL)
    forwarder.run_queue()
    assert [item["problem"] for item in forwarder.queued()] == ["451 try later"]
    assert kept == []


def test_mail_waits_if_its_neighbour_is_no_longer_listed(
    forwarder: MailForwarder, tmp_path: Path, kept: Kept
) -> None:
    forwarder.accept_mail(SENDER, [PEER], MAIL)
    (tmp_path / "routes").unlink()
    forwarder.run_queue()
    assert [item["problem"] for item in forwarder.queued()] == [
        "lima.example.org is no longer a neighbour of this sandbox"
    ]
    forwarder.accept_mail(SENDER, [PEER], MAIL)
    assert kept == [(SENDER, [PEER], MAIL)]

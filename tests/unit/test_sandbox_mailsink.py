"""The mail relay that stores what it receives."""

import smtplib
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import Envelope, LoginPassword
from sandbox_samples import free_port

from chautari_sandbox.internet import mailsink

MAIL = (
    b"From: a@example.org\r\nTo: b@example.org\r\nSubject: =?utf-8?q?Contrase=C3=B1a?=\r\n"
    b"Content-Type: text/html; charset=utf-8\r\n\r\n<p>ni\xc3\xb1o</p>\r\n"
)


def test_message_is_shown_as_plain_text() -> None:
    message = mailsink.summarize_message("a@example.org", ["b@example.org"], MAIL)
    assert (message["subject"], message["body"].strip()) == ("Contraseña", "<p>niño</p>")


def test_store_survives_a_restart_and_finds_by_recipient(tmp_path: Path) -> None:
    file = tmp_path / "messages.json"
    mailsink.MailStore(file).add(
        mailsink.summarize_message("a@example.org", ["B@example.org"], MAIL)
    )
    store = mailsink.MailStore(file)
    assert len(store.find("b@EXAMPLE.org")) == len(store.find("")) == 1
    assert store.find("c@example.org") == []
    store.clear()
    assert mailsink.MailStore(file).find("") == []


def test_store_keeps_the_last_500(tmp_path: Path) -> None:
    store = mailsink.MailStore(tmp_path / "messages.json")
    for number in range(mailsink.KEPT + 5):
        store.add({"to": [], "number": number})
    assert store.find("")[0]["number"] == 5


def test_login_needs_the_right_password() -> None:
    guard = mailsink.SMTPAuthenticator("region", "right")

    def log_in(user: bytes, password: bytes) -> bool:
        login = LoginPassword(user, password)
        return guard(None, None, Envelope(), "PLAIN", login).success

    assert log_in(b"region", b"right")
    assert not log_in(b"region", b"wrong")
    assert not log_in(b"other", b"right")


def test_port_25_takes_mail_only_for_the_own_domain() -> None:
    taken: list[tuple[str, list[str]]] = []
    port = free_port()
    server = Controller(
        mailsink.NeighbourMailSink(
            lambda sender, to, _: taken.append((sender, to)), "andes.example.org"
        ),
        hostname="127.0.0.1",
        port=port,
    )
    server.start()
    try:
        with smtplib.SMTP("127.0.0.1", port) as client:
            client.sendmail("b@lima.example.org", ["ops@cloud.andes.example.org"], MAIL)
            with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
                client.sendmail("b@lima.example.org", ["a@example.org"], MAIL)
    finally:
        server.stop()
    assert refused.value.recipients["a@example.org"][0] == 550
    assert taken == [("b@lima.example.org", ["ops@cloud.andes.example.org"])]
